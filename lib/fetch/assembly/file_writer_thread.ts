/** The thread of a `FileWriter`: creates what it is told to. */
import { StoreFailed } from "../../errors.ts";
import { createFile, type NewFile } from "./create_file.ts";

/** Files to be created; where their contents are in the buffer, in bytes. */
export interface ToFileWriter {
  readonly buffer: ArrayBuffer;
  readonly files: readonly (NewFile & { readonly start: number; readonly size: number })[];
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

scope.onmessage = ({ data: { buffer, files, masked } }) => {
  try {
    for (const file of files) {
      createFile(file, new Uint8Array(buffer, file.start, file.size), masked);
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
