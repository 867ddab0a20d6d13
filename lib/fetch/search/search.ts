import type { Digest } from "../../manifest/digest.ts";
import type { OfferState } from "../../wire/reply.ts";
import type { PeerAddress } from "../peer/peer.ts";

/** A peer says, or is said, to have an implementation. */
export interface Offer {
  readonly peer: PeerAddress;
  readonly digest: Digest;
  /** Which server it is, as it says: one that is reached on several ways is still one. */
  readonly id?: string | undefined;
  /** How much of it; "unknown" where only asking tells. */
  readonly state: OfferState | "unknown";
}

/** What a search tells about itself while it runs. */
export type SearchEvent =
  | { kind: "asking"; digests: readonly Digest[]; how: "broadcast" | "named" }
  | { kind: "trouble"; reason: string }
  | { kind: "has"; peer: string; digest: Digest; state: OfferState };

export type ReportSearch = (event: SearchEvent) => void;

/** A search for peers under way; disposing of it ends it. */
export interface Search extends AsyncDisposable {
  /** Those that are found; others may add to it. */
  readonly offers: Offers;
  /**
   * Settles when those that are there have had their time to answer. Rejects with NetworkFailed when
   * nobody could be asked, or NobodyHasIt when only this machine could.
   */
  readonly settled: Promise<void>;
  /** Tells everybody that this machine is getting the same, and gives what it has of it here. */
  announce(server: { readonly port: number; readonly id: string }): void;
}

/** More than any network has; what is heard of may be forged. */
const MAX_OFFERS = 4096;

/** What was found, each once, for one listener. */
export class Offers {
  readonly #waiting: Offer[] = [];
  readonly #seen = new Set<string>();
  #listener: ((offer: Offer) => void) | undefined;

  /** Returns whether the offer is a new one. */
  add(offer: Offer): boolean {
    const { peer, digest, state } = offer;
    const key = `${peer.address} ${peer.port} ${digest} ${state === "pending"}`;
    if (this.#seen.has(key) || this.#seen.size >= MAX_OFFERS) return false;
    this.#seen.add(key);
    if (this.#listener === undefined) this.#waiting.push(offer);
    else this.#listener(offer);
    return true;
  }

  /** Tells what was found already, now, and the rest as it comes. */
  listen(listener: (offer: Offer) => void): void {
    this.#listener = listener;
    this.#waiting.splice(0).forEach(listener);
  }
}
