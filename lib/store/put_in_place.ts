import { StoreFailed } from "../errors.ts";
import { storeError } from "./errors.ts";
import { findImplementation, pathIn, type StoredImplementation } from "./lookup.ts";
import type { Staging } from "./staging.ts";
import { setMode } from "./store_directory.ts";

export interface Committed extends StoredImplementation {
  /** Somebody else had put it there already, and that one is left as it is. */
  readonly existed: boolean;
}

/**
 * Gives a finished tree its final name in the store that it is in, with one rename.
 *
 * Something that is there under that name already is never replaced or changed: if it is a
 * directory that is success, because for Zero Install it is the implementation. Only if another
 * program makes an empty directory of that name in the instant before the rename, it is replaced.
 *
 * @throws StoreFailed
 */
export function putInPlace(
  { store, digest, tree }: Pick<Staging, "store" | "digest" | "tree">,
): Committed {
  const path = pathIn(store, digest);
  const exists = () => findImplementation([store], [digest]) !== undefined;
  if (exists()) return { digest, store, path, existed: true };
  try {
    rename(tree, path);
  } catch (cause) {
    if (exists()) return { digest, store, path, existed: true };
    if (cause instanceof Deno.errors.NotADirectory) {
      throw new StoreFailed(
        `Cannot put an implementation at ${JSON.stringify(path)}: something else has that name`,
        { hint: "look what it is, and remove it", cause },
      );
    }
    throw storeError("put an implementation at", path, cause);
  }
  return { digest, store, path, existed: false };
}

/**
 * macOS does not rename a directory that may not be written, although its parent stays the same.
 */
function rename(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    setMode(from, 0o755);
    Deno.renameSync(from, to);
    setMode(to, 0o555);
  }
}
