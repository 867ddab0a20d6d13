import { createHash, hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { TreeChanged } from "../errors.ts";

/** Read at once; larger is no faster, and two of these must fit a small machine's cache. */
const BUFFER_SIZE = 1024 * 1024;

/** Work between two turns of the event loop, so that a server in the same process stays awake. */
const BYTES_PER_TURN = 8 * 1024 * 1024;
const STEPS_PER_TURN = 256;

/** Hashes files for one walk through a tree, with one buffer for all. */
export class FileHasher {
  readonly #hashName: "sha1" | "sha256";
  readonly #signal: AbortSignal | undefined;
  readonly #onBytes: ((count: number) => void) | undefined;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  #bytes = 0;
  #steps = 0;

  /** `onBytes` is told after each read how many bytes it gave. */
  constructor(
    hashName: "sha1" | "sha256",
    options: { signal?: AbortSignal | undefined; onBytes?: ((count: number) => void) | undefined },
  ) {
    this.#hashName = hashName;
    this.#signal = options.signal;
    this.#onBytes = options.onBytes;
  }

  /** To be awaited at each step of the walk: now and then gives the event loop a turn. */
  async step(): Promise<void> {
    if (++this.#steps < STEPS_PER_TURN && this.#bytes < BYTES_PER_TURN) return;
    this.#steps = 0;
    this.#bytes = 0;
    await setImmediate();
    this.#signal?.throwIfAborted();
  }

  /**
   * Hashes an ordinary file; lower-case hexadecimal.
   *
   * @param info what `lstat` said about the file
   * @throws TreeChanged when it is no longer that file, or of another size
   */
  async hash(path: string, info: Deno.FileInfo): Promise<string> {
    using file = Deno.openSync(path);
    // There is no way to open without following a symlink, which may just have been put here.
    const opened = file.statSync();
    if (!opened.isFile || opened.dev !== info.dev || opened.ino !== info.ino) {
      throw new TreeChanged(path);
    }
    const first = this.#read(file);
    if (first.length < BUFFER_SIZE) {
      if (first.length !== info.size) throw new TreeChanged(path);
      return hash(this.#hashName, first, "hex");
    }
    const digest = createHash(this.#hashName);
    let size = 0;
    for (let chunk = first; chunk.length > 0; chunk = this.#read(file)) {
      digest.update(chunk);
      size += chunk.length;
      await this.step();
    }
    if (size !== info.size) throw new TreeChanged(path);
    return digest.digest("hex");
  }

  hashText(bytes: Uint8Array): string {
    return hash(this.#hashName, bytes, "hex");
  }

  /** Fills the buffer unless the file ends before. */
  #read(file: Deno.FsFile): Uint8Array {
    let filled = 0;
    while (filled < BUFFER_SIZE) {
      const count = file.readSync(this.#buffer.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    this.#bytes += filled;
    this.#onBytes?.(filled);
    return this.#buffer.subarray(0, filled);
  }
}
