import { EveryPeerFailed, NobodyHasIt, PeerLied, PeerMisled, StoreFailed } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { findImplementation } from "../store/lookup.ts";
import { Crowds } from "./crowds.ts";
import type { DeliveryOptions, Fetched } from "./delivery.ts";
import type { Search } from "./search/search.ts";

export interface FetchOptions extends DeliveryOptions {
  /** Where it may be already. */
  readonly stores: readonly string[];
  /** Begins to look for peers that have any of the digests. */
  readonly search: (digests: readonly Digest[]) => Search;
  /** What it means when there was nobody: how was asked, and what to do about it. */
  readonly nobody: { readonly asked: string; readonly hint: string };
}

/**
 * Gets an implementation from the network into a store.
 *
 * Everybody who offers the same digest is asked at once: first for its manifest, then for the content
 * that is missing. Archives are for when that leads nowhere; another digest of the same tree, after
 * that.
 *
 * @param digests names of one and the same tree, preferred first
 * @throws NobodyHasIt when no peer answered, or none of them has it
 * @throws EveryPeerFailed when peers have it, or were named, but none could deliver it
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
  await using search = options.search(digests);
  // Loaded while peers answer: a search that finds nobody is not to take longer for it.
  const loading = import("./delivery.ts");
  // Who needs it hears of a failure; nobody else does.
  loading.catch(() => {});
  using crowds = new Crowds(search, options);
  for await (const { digest, crowd } of crowds.offered()) {
    const { deliver } = await loading;
    const fetched = await deliver(crowd, digest, search, options);
    if (fetched !== undefined) return fetched;
  }
  throw failure(digests, crowds, options);
}

/** Why nothing came of it. */
function failure(
  digests: readonly Digest[],
  crowds: Crowds,
  { nobody }: FetchOptions,
): EveryPeerFailed | NobodyHasIt | StoreFailed {
  const { troubles } = crowds;
  const lied = troubles.some((one) => one instanceof PeerLied && !(one instanceof PeerMisled));
  // Another peer's archive might have fitted; a disk that is full is what there is to be told of.
  const stored = troubles.map(({ cause }) => cause).find((cause) => cause instanceof StoreFailed);
  if (stored !== undefined && !lied) return stored;
  if (troubles.length === 0) return new NobodyHasIt(digests, nobody.asked, nobody.hint);
  return new EveryPeerFailed(
    digests.join(" or "),
    [...new Set(troubles.map((trouble) => trouble.message))],
    lied,
    { named: !crowds.anyOffered, cause: troubles.at(-1) },
  );
}
