import type { FileEntry } from "../../manifest/entry.ts";
import { storeError } from "../../store/errors.ts";

let umask: number | undefined;

/**
 * The bits that the process takes from the mode of what it creates; they are given back by chmod.
 * Asked for only when something is created: whoever serves may load this, but not know it. Asking
 * changes it for a moment, so that it is asked for before another thread creates anything.
 */
export function processUmask(): number {
  return umask ??= Deno.build.os === "windows" ? 0 : Deno.umask();
}

/** A file of an implementation that is not there yet. */
export interface NewFile extends Pick<FileEntry, "executable" | "mtime"> {
  readonly path: string;
}

/**
 * Creates a file of an implementation with its content, mode and modification time.
 *
 * @param masked what `processUmask` says
 * @throws StoreFailed when something has that name already: nothing is written through it
 */
export function createFile(
  { path, executable, mtime }: NewFile,
  bytes: Uint8Array,
  masked: number = processUmask(),
): void {
  const mode = executable ? 0o555 : 0o444;
  try {
    const file = Deno.openSync(path, { write: true, createNew: true, mode });
    try {
      for (let written = 0; written < bytes.length;) {
        written += file.writeSync(bytes.subarray(written));
      }
      file.utimeSync(mtime, mtime);
    } finally {
      file.close();
    }
    if ((mode & masked) !== 0) Deno.chmodSync(path, mode);
  } catch (cause) {
    throw storeError("write", path, cause);
  }
}
