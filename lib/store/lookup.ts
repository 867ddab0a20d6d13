import { type Digest, isDigest } from "../manifest/digest.ts";

/** An implementation's place: `path` is the directory named `digest` in `store`. */
export interface StoredImplementation {
  readonly digest: Digest;
  readonly store: string;
  readonly path: string;
}

/** Told of a store that is there but cannot be looked into, perhaps several times, and why. */
export type OnUnreadable = (store: string, cause: unknown) => void;

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
  onUnreadable?: OnUnreadable,
): StoredImplementation | undefined {
  for (const digest of digests) {
    for (const store of stores) {
      const path = pathIn(store, digest);
      if (isDirectory(path, store, onUnreadable)) return { digest, store, path };
    }
  }
  return undefined;
}

/**
 * Everything in the stores, store by store in the given order, sorted by name in each. A store that
 * is given twice is listed once. Names that are not digests, and what is not a directory, are
 * skipped; so is what may not be read.
 */
export function* listImplementations(
  stores: readonly string[],
  onUnreadable?: OnUnreadable,
): Generator<StoredImplementation> {
  for (const store of new Set(stores)) {
    for (const digest of digestsIn(store, onUnreadable)) {
      const path = pathIn(store, digest);
      if (isDirectory(path, store, onUnreadable)) yield { digest, store, path };
    }
  }
}

/** The path of something in a store. Slashes work on every system. */
export function pathIn(store: string, name: string): string {
  return store.endsWith("/") ? store + name : `${store}/${name}`;
}

function digestsIn(store: string, onUnreadable: OnUnreadable | undefined): Digest[] {
  const read = () =>
    Array.from(Deno.readDirSync(store), ({ name }) => name).filter(isDigest).sort();
  return look(read, store, onUnreadable) ?? [];
}

/** Follows symlinks, as Zero Install does. */
function isDirectory(
  path: string,
  store: string,
  onUnreadable: OnUnreadable | undefined,
): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    // A symlink to what is not there, or not for us, says nothing of the store that it is in.
    look(() => Deno.lstatSync(path), store, onUnreadable);
    return false;
  }
}

/** Undefined if there is nothing, or nothing that can be seen: which of them is told. */
function look<Seen>(
  at: () => Seen,
  store: string,
  onUnreadable: OnUnreadable | undefined,
): Seen | undefined {
  try {
    return at();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) onUnreadable?.(store, cause);
    return undefined;
  }
}
