import { stateOf } from "../store/file_state.ts";
import { REMEMBERED_FILES } from "../wire/limits.ts";

/**
 * How old a change of a file has to be before its hash is remembered, in milliseconds. One that comes
 * after it within the same tick of the file system's clock would leave no trace.
 */
const SETTLED_MS = 2000;

/** Files that were hashed before, so that an unchanged one is not hashed at every answer. */
export class KnownFiles {
  /** By what identifies a file and its state; least recently used first. */
  readonly #hashes = new Map<string, string>();

  /** Whether a file that is this had that hash. */
  has(info: Deno.FileInfo, hash: string): boolean {
    const key = keyOf(info);
    if (key === undefined || this.#hashes.get(key) !== hash) return false;
    this.#hashes.delete(key);
    this.#hashes.set(key, hash);
    return true;
  }

  /**
   * Remembers what a file hashed to.
   *
   * @param before what the open file was before it was read
   * @param after what it was afterwards: nothing is remembered of one that changed meanwhile
   */
  add(before: Deno.FileInfo, after: Deno.FileInfo, hash: string): void {
    const key = keyOf(before);
    if (key === undefined || key !== keyOf(after)) return;
    const changed = Math.max(before.mtime!.getTime(), before.ctime!.getTime());
    if (Math.abs(Date.now() - changed) < SETTLED_MS) return;
    this.#hashes.set(key, hash);
    if (this.#hashes.size > REMEMBERED_FILES) {
      this.#hashes.delete(this.#hashes.keys().next().value!);
    }
  }
}

/** Undefined where the system does not say enough, as on Windows. */
function keyOf(info: Deno.FileInfo): string | undefined {
  if (info.ino === null || !info.mtime || !info.ctime) return undefined;
  return stateOf(info);
}
