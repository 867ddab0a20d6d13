import { StoreFailed } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { storeError } from "./errors.ts";
import { acquireLock, isStillAt } from "./lock.ts";
import { findImplementation, pathIn, type StoredImplementation } from "./lookup.ts";
import { removeTree } from "./remove.ts";
import { ensureRealDirectory, makeStoreDirectory, setMode } from "./store_directory.ts";

/** Zero Install's own temporary directories begin with "tmp-", too, but go on with a number. */
export const STAGING_PREFIX = "tmp-0share-";
export const TREE_SUFFIX = ".tree";

const LOCK = "lock";
const MANIFEST = "manifest";
/** What is in the tree: see `PieceFile`. */
export const PIECES = "pieces";
const NEW_MANIFEST = "manifest.new";

/** Each round that fails means that another process finished just then. */
const MAX_ROUNDS = 1000;

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once if another process is building the same tree, before waiting for it. */
  readonly onWait?: (() => void) | undefined;
  /** Stores beside this one where the implementation may be by the time that the lock is got. */
  readonly alsoIn?: readonly string[] | undefined;
}

/**
 * Opens the place in a store where the tree of a digest is built, alone: waits while another
 * process is building it. The store is made if it is missing. What an earlier process left is still
 * there, unchecked.
 *
 * Two names in the store are used, both direct children so that the finished tree gets its
 * final name without changing its parent: `tmp-0share-DIGEST.tree`, and beside it
 * `tmp-0share-DIGEST` with the lock and the notes about it.
 *
 * Look at `alreadyStored` first: the process that was waited for may have done it all.
 *
 * @throws StoreFailed; the signal's reason
 */
export async function openStaging(
  store: string,
  digest: Digest,
  options: OpenOptions = {},
): Promise<Staging> {
  makeStoreDirectory(store);
  const control = pathIn(store, STAGING_PREFIX + digest);
  let waited = false;
  const onWait = () => {
    if (!waited) options.onWait?.();
    waited = true;
  };
  const lock = await lockControl(control, { ...options, onWait, wait: true });
  try {
    return new Staging(store, digest, lock!, options.alsoIn);
  } catch (cause) {
    lock!.close();
    throw storeError("prepare", control, cause);
  }
}

/**
 * Opens staging only if nobody uses it, for cleaning up: neither waits nor makes a tree.
 *
 * @returns the lock, to be closed; undefined when another process has it
 * @throws StoreFailed
 */
export async function lockIdleStaging(
  store: string,
  digest: Digest,
): Promise<Deno.FsFile | undefined> {
  return await lockControl(pathIn(store, STAGING_PREFIX + digest), { wait: false });
}

/** The files and directories whose times say when staging was last used; each may be missing. */
export function stagingTraces(store: string, digest: Digest): string[] {
  const control = pathIn(store, STAGING_PREFIX + digest);
  return [`${control}/${LOCK}`, `${control}/${MANIFEST}`, control + TREE_SUFFIX];
}

/**
 * Removes the tree and all notes, the lock file last: from then on another process may begin anew
 * under the same names, so nothing is touched any more. The lock has to be held and is still to be
 * closed.
 *
 * @throws an operating system's error
 */
export function removeStaging(store: string, digest: Digest): void {
  const control = pathIn(store, STAGING_PREFIX + digest);
  removeTree(control + TREE_SUFFIX);
  for (const { name } of [...Deno.readDirSync(control)]) {
    if (name !== LOCK) removeTree(`${control}/${name}`);
  }
  Deno.removeSync(`${control}/${LOCK}`);
  try {
    Deno.removeSync(control);
  } catch {
    // Another process has put its lock file there already, or Windows waits for ours to be closed.
  }
}

async function lockControl(
  control: string,
  options: OpenOptions & { readonly wait: boolean },
): Promise<Deno.FsFile | undefined> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const file = openLockFile(control);
    if (file === undefined) continue;
    try {
      if (!(await acquireLock(file, options))) {
        file.close();
        return undefined;
      }
      // Who had the lock before may have removed the file: then others lock a new one.
      if (isStillAt(file, `${control}/${LOCK}`)) return file;
      file.close();
    } catch (cause) {
      file.close();
      throw storeError("lock", control, cause);
    }
  }
  throw new StoreFailed(`Cannot lock ${JSON.stringify(control)}: its lock file keeps vanishing`);
}

/** Undefined if the directory was removed while the file was being opened. */
function openLockFile(control: string): Deno.FsFile | undefined {
  try {
    ensureRealDirectory(control, 0o755);
    // Whoever can open the file can hold the lock: not readable, so that no other user can.
    return Deno.openSync(`${control}/${LOCK}`, {
      create: true,
      read: true,
      write: true,
      mode: 0o600,
    });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw storeError("open staging in", control, cause);
  }
}

/**
 * The place in a store where one tree is built, locked against other processes.
 *
 * Disposing of it gives the lock back and leaves what is there to be continued later, unless
 * nothing could be: without a saved manifest, everything is removed.
 */
export class Staging implements Disposable {
  /** The directory that becomes the implementation; it exists, unless `alreadyStored`. */
  readonly tree: string;
  /** Where the implementation was already when the lock was got: then nothing is to be built. */
  readonly stored: StoredImplementation | undefined;
  readonly #control: string;
  readonly #lock: Deno.FsFile;
  #closed = false;
  #resets = 0;

  /** @param lock the open lock file of this digest in this store; closed by this object */
  constructor(
    readonly store: string,
    readonly digest: Digest,
    lock: Deno.FsFile,
    alsoIn: readonly string[] = [],
  ) {
    this.#control = pathIn(store, STAGING_PREFIX + digest);
    this.#lock = lock;
    this.tree = this.#control + TREE_SUFFIX;
    this.stored = findImplementation([store, ...alsoIn], [digest]);
    this.#touch();
    if (!this.alreadyStored && !ensureRealDirectory(this.tree, 0o755)) setMode(this.tree, 0o755);
  }

  /** Whether it is `stored`. */
  get alreadyStored(): boolean {
    return this.stored !== undefined;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How many times the tree was emptied: what was known of it before is void. */
  get resets(): number {
    return this.#resets;
  }

  /**
   * Keeps the manifest for whoever continues.
   *
   * @throws StoreFailed
   */
  saveManifest(bytes: Uint8Array): void {
    const path = `${this.#control}/${NEW_MANIFEST}`;
    try {
      Deno.writeFileSync(path, bytes);
      Deno.renameSync(path, `${this.#control}/${MANIFEST}`);
    } catch (cause) {
      throw storeError("write", path, cause);
    }
  }

  /**
   * The saved manifest, undefined if there is none. Read it with `readManifest` of the manifest
   * room, which checks that it is this digest's: the disk is not believed.
   *
   * @throws StoreFailed
   */
  readManifest(): Uint8Array<ArrayBuffer> | undefined {
    const path = `${this.#control}/${MANIFEST}`;
    try {
      return Deno.readFileSync(path);
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return undefined;
      throw storeError("read", path, cause);
    }
  }

  /**
   * Empties the tree, and takes back what was said of its pieces: nobody may read others there.
   *
   * @throws StoreFailed
   */
  reset(): void {
    this.#resets++;
    try {
      removeTree(`${this.#control}/${PIECES}`);
      removeTree(this.tree);
      ensureRealDirectory(this.tree, 0o755);
    } catch (cause) {
      throw storeError("empty", this.tree, cause);
    }
  }

  /**
   * Removes everything and gives the lock back. Once closed it does nothing.
   *
   * @throws StoreFailed
   */
  discard(): void {
    if (this.#closed) return;
    try {
      removeStaging(this.store, this.digest);
    } catch (cause) {
      throw storeError("remove", this.#control, cause);
    } finally {
      this.#close();
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    try {
      if (this.alreadyStored || this.readManifest() === undefined) this.discard();
      else this.#touch();
    } catch {
      // What could not be removed is swept some day; an error from here would hide a better one.
    } finally {
      this.#close();
    }
  }

  /** The time of the lock file says when staging was last used: see `sweepStale`. */
  #touch(): void {
    const now = Date.now() / 1000;
    this.#lock.utimeSync(now, now);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lock.close();
    if (Deno.build.os !== "windows") return;
    try {
      Deno.removeSync(this.#control);
    } catch {
      // It is not empty: there is something to continue, or another process has begun.
    }
  }
}
