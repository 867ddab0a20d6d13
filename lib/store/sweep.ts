import { type Digest, isDigest } from "../manifest/digest.ts";
import {
  lockIdleStaging,
  removeStaging,
  STAGING_PREFIX,
  stagingTraces,
  TREE_SUFFIX,
} from "./staging.ts";

/** Nobody comes back to continue a download that was given up a week ago. */
export const STALE_AFTER_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Removes what interrupted downloads left in a store, when nobody uses it and nobody has for
 * `STALE_AFTER_MS`. Everything else in the store is left alone, Zero Install's temporary
 * directories included. What cannot be removed is left, silently: this is housekeeping.
 *
 * @param options.now in milliseconds since 1970
 * @returns the digests whose staging was removed
 */
export async function sweepStale(
  store: string,
  options: { now?: number } = {},
): Promise<Digest[]> {
  const oldest = (options.now ?? Date.now()) - STALE_AFTER_MS;
  const swept: Digest[] = [];
  for (const digest of stagedIn(store)) {
    try {
      if (await sweep(store, digest, oldest)) swept.push(digest);
    } catch {
      continue;
    }
  }
  return swept;
}

async function sweep(store: string, digest: Digest, oldest: number): Promise<boolean> {
  // Seen before locking, because that makes a lock file where there is none.
  const traces = stagingTraces(store, digest).filter(exists);
  const isStale = () => traces.every((path) => modified(path) < oldest);
  if (!isStale()) return false;
  const lock = await lockIdleStaging(store, digest);
  if (lock === undefined) return false;
  try {
    // Somebody may have come and gone meanwhile.
    if (!isStale()) return false;
    removeStaging(store, digest);
    return true;
  } finally {
    lock.close();
  }
}

function stagedIn(store: string): Set<Digest> {
  const digests = new Set<Digest>();
  try {
    for (const { name } of Deno.readDirSync(store)) {
      if (!name.startsWith(STAGING_PREFIX)) continue;
      const text = name.slice(STAGING_PREFIX.length);
      const digest = text.endsWith(TREE_SUFFIX) ? text.slice(0, -TREE_SUFFIX.length) : text;
      if (isDigest(digest)) digests.add(digest);
    }
  } catch {
    // A store that is missing or may not be read has nothing to sweep.
  }
  return digests;
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw cause;
  }
}

function modified(path: string): number {
  return Deno.lstatSync(path).mtime?.getTime() ?? Infinity;
}
