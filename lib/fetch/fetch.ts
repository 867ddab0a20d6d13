import { EveryPeerFailed, NobodyHasIt, PeerFailed, PeerLied, StoreFailed } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { commit, type VerifiedTree } from "../store/commit.ts";
import { findImplementation } from "../store/lookup.ts";
import { openStaging, type Staging } from "../store/staging.ts";
import { sweepStale } from "../store/sweep.ts";
import type { Target } from "../store/target.ts";
import type { Offer } from "./discovery.ts";
import { Download } from "./download.ts";
import type { ReportFetch } from "./events.ts";
import { Peer } from "./peer.ts";

export interface FetchOptions {
  /** Where it may be already. */
  readonly stores: readonly string[];
  /** Whose implementations may have some of the same files. */
  readonly sources: readonly string[];
  /** Says where to put it; asked only when somebody has it. */
  readonly chooseTarget: (digest: Digest) => Target;
  /** Says who has, or may have, any of the digests, as it becomes known. */
  readonly offers: (digests: readonly Digest[]) => AsyncIterable<Offer>;
  /** What it means when there was none: how was asked, and what to do about it. */
  readonly nobody: { readonly asked: string; readonly hint: string };
  readonly report: ReportFetch;
  readonly signal: AbortSignal;
}

/** Where an implementation is, or has come to be. */
export interface Fetched {
  readonly digest: Digest;
  readonly path: string;
}

/**
 * Gets an implementation from the network into a store.
 *
 * @param digests names of one and the same tree, preferred first
 * @throws NobodyHasIt when no peer answered, or none of them has it
 * @throws EveryPeerFailed when peers have it, but none could deliver it
 * @throws NoWritableStore, StoreFailed, NetworkFailed; the signal's reason
 */
export async function fetchImplementation(
  digests: readonly Digest[],
  options: FetchOptions,
): Promise<Fetched> {
  const here = findImplementation(options.stores, digests);
  if (here !== undefined) {
    options.report({ kind: "cached", digest: here.digest, path: here.path });
    return here;
  }
  using fetching = new Fetching(options);
  const fetched = await fetchAmong(options.offers(digests), fetching);
  if (fetched === undefined) throw fetching.failure(digests);
  return fetched;
}

/**
 * Tries one offer after the other: first all that have the digest of the first one, as content
 * stream, so that each goes on where the one before stopped; then those that know only
 * archives; then, in the same way, what is offered under another digest.
 */
async function fetchAmong(
  offers: AsyncIterable<Offer> | Iterable<Offer>,
  fetching: Fetching,
): Promise<Fetched | undefined> {
  const onlyArchives: Offer[] = [];
  const others: Offer[] = [];
  let digest: Digest | undefined;
  for await (const offer of offers) {
    digest ??= offer.digest;
    if (offer.digest !== digest) {
      others.push(offer);
      continue;
    }
    const fetched = await fetching.from(offer, (download, peer) => download.fromContent(peer));
    if (fetched !== undefined) return fetched;
    if (!fetching.hasFailed(offer)) onlyArchives.push(offer);
  }
  for (const offer of onlyArchives) {
    const fetched = await fetching.from(offer, (download, peer) => download.fromArchive(peer));
    if (fetched !== undefined) return fetched;
  }
  return others.length > 0 ? await fetchAmong(others, fetching) : undefined;
}

/** A digest that somebody offered, and where its tree is being built. */
interface Place {
  readonly digest: Digest;
  readonly target: Target;
  readonly staging: Staging;
  readonly download: Download;
}

/** What was begun for a fetch, and what went wrong so far. */
class Fetching implements Disposable {
  readonly #options: FetchOptions;
  /** One at a time: whoever holds one lock and waits for another may wait for ever. */
  #place: Place | undefined;
  readonly #troubles = new Map<Offer, PeerFailed | PeerLied>();

  constructor(options: FetchOptions) {
    this.#options = options;
  }

  /**
   * Tries to get an offered tree from the peer that offered it.
   *
   * @returns undefined if the peer could not, or must not, deliver it that way
   */
  async from(
    offer: Offer,
    get: (download: Download, peer: Peer) => Promise<VerifiedTree | undefined>,
  ): Promise<Fetched | undefined> {
    const { report, signal } = this.#options;
    const { digest } = offer;
    const { target, staging, download } = await this.#placeFor(digest);
    // Another process was fetching it, and has finished while we waited for it.
    if (staging.stored !== undefined) {
      report({ kind: "cached", digest: staging.stored.digest, path: staging.stored.path });
      return staging.stored;
    }
    using peer = new Peer(offer.peer);
    try {
      report({ kind: "connecting", peer: peer.name, digest });
      const tree = await get(download, peer);
      if (tree === undefined) return undefined;
      report({ kind: "caching", digest, store: staging.store });
      const { path } = await commit(tree, target, {
        signal,
        onHelperFailed: (error) => report({ kind: "trouble", reason: error.message }),
      });
      await sweepStale(staging.store);
      report({ kind: "fetched", digest, path });
      return { digest, path };
    } catch (error) {
      if (!(error instanceof PeerFailed || error instanceof PeerLied)) throw error;
      const lied = error instanceof PeerLied;
      report({ kind: "dropped", digest, peer: peer.name, reason: error.message, lied });
      this.#troubles.set(offer, error);
      return undefined;
    }
  }

  hasFailed(offer: Offer): boolean {
    return this.#troubles.has(offer);
  }

  /** Why nothing came of it. */
  failure(digests: readonly Digest[]): EveryPeerFailed | NobodyHasIt | StoreFailed {
    const troubles = [...this.#troubles.values()];
    const causes = troubles.map(({ cause }) => cause);
    if (causes.length > 0 && causes.every((cause) => cause instanceof StoreFailed)) {
      return causes[0] as StoreFailed;
    }
    if (troubles.length === 0) {
      const { asked, hint } = this.#options.nobody;
      return new NobodyHasIt(digests, asked, hint);
    }
    const lied = troubles.some((trouble) => trouble instanceof PeerLied);
    return new EveryPeerFailed(
      digests.join(" or "),
      [...new Set(troubles.map((trouble) => trouble.message))],
      lied,
      { cause: troubles.at(-1) },
    );
  }

  [Symbol.dispose](): void {
    this.#place?.download[Symbol.dispose]();
    this.#place?.staging[Symbol.dispose]();
    this.#place = undefined;
  }

  async #placeFor(digest: Digest): Promise<Place> {
    if (this.#place?.digest === digest) return this.#place;
    this[Symbol.dispose]();
    const { report, signal } = this.#options;
    const target = this.#options.chooseTarget(digest);
    const staging = await openStaging(target.store, digest, {
      signal,
      alsoIn: target.kind === "helper" ? target.system : [],
      onWait: () => report({ kind: "waiting", digest, store: target.store }),
    });
    const stores = [...new Set([...this.#options.sources, target.store])];
    const download = new Download(digest, staging, { stores, report, signal });
    return this.#place = { digest, target, staging, download };
  }
}
