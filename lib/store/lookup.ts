import { type Digest, isDigest } from "../manifest/digest.ts";

/** An implementation's place: `path` is the directory named `digest` in `store`. */
export interface StoredImplementation {
  readonly digest: Digest;
  readonly store: string;
  readonly path: string;
}

/**
 * The first place that has the tree under any of its digests: all stores are searched for the first
 * digest before the next one, as Zero Install does.
 *
 * That the directory exists is all that is asked, as Zero Install does, too: what is in it was
 * verified before it got its name. A store that is missing or may not be read has nothing.
 *
 * @param digests names of one and the same tree
 */
export function findImplementation(
  stores: readonly string[],
  digests: readonly Digest[],
): StoredImplementation | undefined {
  for (const digest of digests) {
    for (const store of stores) {
      const path = pathIn(store, digest);
      if (isDirectory(path)) return { digest, store, path };
    }
  }
  return undefined;
}

/**
 * Everything in the stores, store by store in the given order, sorted by name in each. A store that
 * is given twice is listed once. Names that are not digests, and what is not a directory, are
 * skipped.
 */
export function* listImplementations(stores: readonly string[]): Generator<StoredImplementation> {
  for (const store of new Set(stores)) {
    for (const digest of digestsIn(store)) {
      const path = pathIn(store, digest);
      if (isDirectory(path)) yield { digest, store, path };
    }
  }
}

/** The path of something in a store. Slashes work on every system. */
export function pathIn(store: string, name: string): string {
  return store.endsWith("/") ? store + name : `${store}/${name}`;
}

function digestsIn(store: string): Digest[] {
  try {
    return Array.from(Deno.readDirSync(store), ({ name }) => name).filter(isDigest).sort();
  } catch {
    return [];
  }
}

/** Follows symlinks, as Zero Install does. */
function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
