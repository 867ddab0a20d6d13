import type { PeerFailed, PeerLied } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { Crowd } from "./crowd.ts";
import type { ReportFetch } from "./events.ts";
import type { Offer, Search } from "./search/search.ts";

/** Those who offer an implementation, a crowd for each digest that they offer it under. */
export class Crowds implements Disposable {
  readonly #crowds = new Map<Digest, Crowd>();
  readonly #report: ReportFetch;
  readonly #signal: AbortSignal;
  readonly #search: Search;
  #settled = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};

  /** Takes what the search finds until that ends. */
  constructor(search: Search, options: { report: ReportFetch; signal: AbortSignal }) {
    this.#report = options.report;
    this.#signal = options.signal;
    this.#search = search;
    search.offers.listen((offer) => this.#take(offer));
    search.settled.then(() => this.#settle(), (error) => {
      this.#failure = { error };
      this.#settle();
    });
    this.#signal.addEventListener("abort", this.#onAbort);
  }

  /**
   * Each digest in the order in which they were offered first; ends when all that are there have had
   * their time.
   *
   * @throws what the search was rejected with, if it found nobody; the signal's reason
   */
  async *offered(): AsyncGenerator<{ digest: Digest; crowd: Crowd }> {
    const given = new Set<Digest>();
    for (;;) {
      this.#signal.throwIfAborted();
      const next = [...this.#crowds].find(([digest]) => !given.has(digest));
      if (next !== undefined) {
        const [digest, crowd] = next;
        given.add(digest);
        yield { digest, crowd };
      } else if (this.#settled) {
        if (given.size === 0 && this.#failure !== undefined) throw this.#failure.error;
        return;
      } else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    }
  }

  /** Whether anybody said that he has it, or has given anything of it. */
  get anyOffered(): boolean {
    return [...this.#crowds.values()].some(({ members }) =>
      members.values().some(({ offers, peer }) => offers || peer.hasGiven)
    );
  }

  /** Why those that were given up were. */
  get troubles(): (PeerFailed | PeerLied)[] {
    return [...this.#crowds.values()].flatMap(({ troubles }) => troubles);
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    // Others that are getting the same are heard of for as long as this process shares.
    this.#search.offers.listen(() => {});
    for (const crowd of this.#crowds.values()) crowd[Symbol.dispose]();
  }

  readonly #onAbort = () => this.#wake();

  #take(offer: Offer): void {
    // Nothing is there yet.
    if (offer.state === "pending") return;
    let crowd = this.#crowds.get(offer.digest);
    if (crowd === undefined) {
      crowd = new Crowd(offer.digest, this.#report);
      this.#crowds.set(offer.digest, crowd);
      if (this.#settled) crowd.settle();
    }
    crowd.add(offer);
    this.#wake();
  }

  #settle(): void {
    this.#settled = true;
    for (const crowd of this.#crowds.values()) crowd.settle();
    this.#wake();
  }
}
