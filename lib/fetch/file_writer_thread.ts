/** The thread of a `FileWriter`: creates what it is told to. */
import { StoreFailed } from "../errors.ts";
import type { FileEntry } from "../manifest/entry.ts";
import { createFile } from "./create_file.ts";

/** Files to be created; their contents are end to end in the buffer. */
export interface ToFileWriter {
  readonly buffer: ArrayBuffer;
  readonly paths: readonly string[];
  readonly entries: readonly Pick<FileEntry, "size" | "executable" | "mtime">[];
  /** See `processUmask`. */
  readonly masked: number;
}

export type FromFileWriter =
  | { kind: "ready" }
  /** All of them are there; the buffer comes back. */
  | { kind: "created"; buffer: ArrayBuffer }
  /** Some of them are not; nothing more is created. */
  | { kind: "failed"; message: string; hint: string | undefined };

const scope = self as unknown as {
  postMessage(message: FromFileWriter, transfer?: ArrayBuffer[]): void;
  onmessage: (event: MessageEvent<ToFileWriter>) => void;
  close(): void;
};

scope.onmessage = ({ data: { buffer, paths, entries, masked } }) => {
  try {
    let at = 0;
    for (const [index, entry] of entries.entries()) {
      createFile(paths[index]!, entry, new Uint8Array(buffer, at, entry.size), masked);
      at += entry.size;
    }
    scope.postMessage({ kind: "created", buffer }, [buffer]);
  } catch (error) {
    const hint = error instanceof StoreFailed ? error.hint : undefined;
    const message = error instanceof Error ? error.message : String(error);
    scope.postMessage({ kind: "failed", message, hint });
    scope.close();
  }
};

scope.postMessage({ kind: "ready" });
