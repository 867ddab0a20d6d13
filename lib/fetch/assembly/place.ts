import { createHash } from "node:crypto";
import type { FileEntry } from "../../manifest/entry.ts";
import { finishFile } from "../../store/commit.ts";
import { storeError } from "../../store/errors.ts";
import type { ByteRange } from "../../wire/range.ts";

const READ_SIZE = 1024 * 1024;

/**
 * Writes parts of a file that is not complete, into a file of its full size.
 *
 * @param bytes the whole, of which `ranges` are right to write
 * @param options.isNew whether the file has to be created
 * @throws StoreFailed also when something has the name of a new one already
 */
export function exposeParts(
  path: string,
  bytes: Uint8Array,
  ranges: Iterable<ByteRange>,
  options: { isNew: boolean },
): void {
  try {
    using file = Deno.openSync(path, { write: true, createNew: options.isNew, mode: 0o644 });
    if (options.isNew) file.truncateSync(bytes.length);
    for (const { start, end } of ranges) {
      file.seekSync(start, Deno.SeekMode.Start);
      for (let at = start; at < end;) at += file.writeSync(bytes.subarray(at, end));
    }
  } catch (cause) {
    throw storeError("write", path, cause);
  }
}

/** Creates a symlink. @throws StoreFailed when something has that name already */
export function createSymlink(target: string, path: string): void {
  try {
    Deno.symlinkSync(target, path);
  } catch (cause) {
    throw storeError("make the symlink", path, cause);
  }
}

/**
 * Copies a file, as a copy-on-write clone where the file system can, and finishes it as `entry`.
 *
 * @returns whether what was written has the listed size and hash; a copy that has not is removed
 * @throws StoreFailed when it cannot be written
 */
export function copyVerified(
  source: string,
  path: string,
  entry: FileEntry,
  hashName: string,
): boolean {
  try {
    Deno.copyFileSync(source, path);
    if (hashOfFile(path, hashName, entry.size) !== entry.hash) {
      Deno.removeSync(path);
      return false;
    }
    finishFile(path, entry);
    return true;
  } catch (cause) {
    throw storeError("write", path, cause);
  }
}

/** The hash of the first `size` bytes of a file, in hex; undefined if it has not exactly as many. */
export function hashOfFile(path: string, hashName: string, size: number): string | undefined {
  const file = Deno.openSync(path);
  try {
    if (file.statSync().size !== size) return undefined;
    const hash = createHash(hashName);
    const buffer = new Uint8Array(Math.min(READ_SIZE, size));
    for (let count; (count = size === 0 ? null : file.readSync(buffer)) !== null;) {
      hash.update(buffer.subarray(0, count));
    }
    return hash.digest("hex");
  } finally {
    file.close();
  }
}
