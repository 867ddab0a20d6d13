import type { Digest } from "../manifest/digest.ts";
import { WAIT_FOR_LATE_MS } from "../wire/limits.ts";
import { Arrivals } from "./arrivals.ts";
import { browse } from "./browse.ts";
import { discover, type DiscoveryOptions, type Offer } from "./discovery.ts";
import type { FetchEvent } from "./events.ts";

export interface SearchOptions extends DiscoveryOptions {
  /** Whether to look for stores that are announced over multicast DNS, too. */
  readonly mdns: boolean;
}

/**
 * Asks the local network who has any of these digests, in every way that there is, and yields each
 * offer once, as it comes. Ends as `discover` and `browse` do, and once one of them has found
 * somebody, the other waits no longer than that one.
 *
 * @throws what `discover` throws, if there was no offer; the signal's reason
 */
export async function* search(
  digests: readonly Digest[],
  options: SearchOptions,
): AsyncGenerator<Offer> {
  const started = performance.now();
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  const report = eachPeerOnce(options.report);
  const offers = new Arrivals<Offer>(options.signal);
  let offered = false;
  let late: ReturnType<typeof setTimeout> | undefined;
  let failure: { error: unknown } | undefined;

  const take = async (source: AsyncIterable<Offer>) => {
    using _more = offers.hold();
    try {
      for await (const offer of source) {
        offered = true;
        offers.add(`${offer.peer.address} ${offer.peer.port} ${offer.digest}`, offer);
        const left = started + WAIT_FOR_LATE_MS - performance.now();
        late ??= setTimeout(() => ended.abort(), Math.max(0, left));
      }
    } catch (error) {
      failure ??= { error };
    }
  };
  const sources = [discover(digests, { ...options, report, signal })];
  if (options.mdns) {
    sources.push(browse(digests, { ...options, report, signal, isOffered: () => offered }));
  }
  const taken = sources.map(take);
  try {
    yield* offers;
    if (failure !== undefined && !offered) throw failure.error;
  } finally {
    clearTimeout(late);
    ended.abort();
    await Promise.all(taken);
  }
}

/** Tells only once that a peer has something, however many ways he was found on. */
function eachPeerOnce(report: (event: FetchEvent) => void): (event: FetchEvent) => void {
  const told = new Set<string>();
  return (event) => {
    if (event.kind === "has") {
      const key = `${event.peer} ${event.digest}`;
      if (told.has(key)) return;
      told.add(key);
    }
    report(event);
  };
}
