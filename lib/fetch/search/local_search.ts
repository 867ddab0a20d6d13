import type { Digest } from "../../manifest/digest.ts";
import { WAIT_FOR_LATE_MS } from "../../wire/limits.ts";
import { Browse } from "./browse.ts";
import { Discovery, type DiscoveryOptions } from "./discovery.ts";
import type { Offers, ReportSearch, Search, SearchEvent } from "./search.ts";

/** Asks the local network in every way that there is: by queries, and over multicast DNS. */
export class LocalSearch implements Search {
  readonly offers: Offers;
  readonly settled: Promise<void>;
  readonly #discovery: Discovery;
  readonly #browse: Browse;
  readonly #started = performance.now();
  readonly #end = Promise.withResolvers<void>();

  /** Asks at once. */
  constructor(digests: readonly Digest[], options: DiscoveryOptions) {
    let answered = false;
    const report = eachPeerOnce(options.report);
    this.#discovery = new Discovery(digests, {
      ...options,
      report(event) {
        answered ||= event.kind === "has" && event.state !== "pending";
        report(event);
      },
    });
    this.offers = this.#discovery.offers;
    this.#browse = new Browse(digests, this.offers, {
      ...options,
      report,
      isAnswered: () => answered,
    });
    this.settled = this.#settle();
    this.settled.catch(() => {});
  }

  announce(server: { readonly port: number; readonly id: string }): void {
    this.#discovery.announce(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.resolve();
    await Promise.all([this.#discovery, this.#browse].map((one) => one[Symbol.asyncDispose]()));
  }

  /** Who was found on one way makes nobody wait long for the other, nor fail when there is none. */
  async #settle(): Promise<void> {
    if (!await this.#browse.settled) return await this.#discovery.settled;
    const left = this.#started + WAIT_FOR_LATE_MS - performance.now();
    const timer = setTimeout(() => this.#end.resolve(), Math.max(0, left));
    await Promise.race([this.#discovery.settled.catch(() => {}), this.#end.promise]);
    clearTimeout(timer);
  }
}

/** Tells only once that a peer has something, however many ways it was found on. */
function eachPeerOnce(report: ReportSearch): ReportSearch {
  const told = new Set<string>();
  return (event: SearchEvent) => {
    if (event.kind === "has") {
      const key = `${event.peer} ${event.digest} ${event.state}`;
      if (told.has(key)) return;
      told.add(key);
    }
    report(event);
  };
}
