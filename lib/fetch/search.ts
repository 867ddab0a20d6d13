import type { Digest } from "../manifest/digest.ts";
import type { OfferState } from "../wire/reply.ts";
import type { PeerAddress } from "./peer.ts";

/** A peer says, or is said, to have an implementation. */
export interface Offer {
  readonly peer: PeerAddress;
  readonly digest: Digest;
  /** Which server it is, as it says: one that is reached on several ways is still one. */
  readonly id?: string | undefined;
  /** How much of it; "unknown" where only asking tells. */
  readonly state: OfferState | "unknown";
}

/** A search for peers under way; disposing of it ends it. */
export interface Search extends AsyncDisposable {
  /** Those that are found, as they come, each once; ends only with the search. Others may add to it. */
  readonly offers: OfferQueue;
  /**
   * Settles when those that are there have had their time to answer. Rejects with NetworkFailed when
   * nobody could be asked, or NobodyHasIt when only this machine could.
   */
  readonly settled: Promise<void>;
  /** Tells everybody that this machine is getting the same, and gives what it has of it here. */
  announce(server: { readonly port: number; readonly id: string }): void;
}

/** Offers that wait to be taken, each once. */
export class OfferQueue {
  readonly #offers: Offer[] = [];
  readonly #seen = new Set<string>();
  #ended = false;
  #wake: () => void = () => {};

  /** Returns whether the offer is a new one. */
  add(offer: Offer): boolean {
    const { peer, digest, state } = offer;
    const key = `${peer.address} ${peer.port} ${digest} ${state === "pending"}`;
    if (this.#seen.has(key) || this.#ended) return false;
    this.#seen.add(key);
    this.#offers.push(offer);
    this.#wake();
    return true;
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Offer> {
    for (;;) {
      const offer = this.#offers.shift();
      if (offer !== undefined) yield offer;
      else if (this.#ended) return;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    }
  }
}
