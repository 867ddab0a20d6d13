import { createHash, type Hash } from "node:crypto";
import { hashNameOf } from "../manifest/digest.ts";
import { type Extent, extentIndexAt } from "../manifest/layout.ts";
import { CHUNK_SIZE } from "../wire/limits.ts";
import type { Held } from "./holdings.ts";
import { ListedTree } from "./listed_tree.ts";

/**
 * Reads a range of an implementation's content stream.
 *
 * A file that lies wholly inside the range is hashed in passing, and its last bytes are not given
 * out before the hash is right: a damaged file never looks complete to anyone.
 */
export class ContentReader {
  readonly #held: Held;
  readonly #tree: ListedTree;
  readonly #start: number;
  readonly #end: number;
  #position: number;
  #index: number;
  #file: Deno.FsFile | undefined;
  #hash: Hash | undefined;

  /** Bytes `start` to `end` (exclusive) of the stream, with `start < end <= size`. */
  constructor(held: Held, start: number, end: number) {
    this.#held = held;
    this.#tree = new ListedTree(held.digest, held.path);
    this.#start = start;
    this.#end = end;
    this.#position = start;
    this.#index = start < end ? extentIndexAt(held.stream, start) : 0;
  }

  /**
   * The next bytes, at most `CHUNK_SIZE`; undefined at the end.
   *
   * @throws DamagedImplementation when a file is not as the manifest lists it
   */
  next(): Uint8Array<ArrayBuffer> | undefined {
    const length = Math.min(CHUNK_SIZE, this.#end - this.#position);
    if (length === 0) return undefined;
    const chunk = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const extent = this.#held.stream.extents[this.#index]!;
      const into = chunk.subarray(
        filled,
        Math.min(length, filled + extent.offset + extent.size - this.#position),
      );
      this.#fill(extent, into);
      filled += into.length;
      this.#position += into.length;
      if (this.#position === extent.offset + extent.size) this.#finish(extent);
    }
    return chunk;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #fill(extent: Extent, into: Uint8Array): void {
    const entry = extent.entries[0]!;
    const within = this.#position - extent.offset;
    if (within === 0) {
      this.#hash = extent.offset >= this.#start && extent.offset + extent.size <= this.#end
        ? createHash(hashNameOf(this.#held.manifest.algorithm))
        : undefined;
    }
    if (entry.kind === "symlink") {
      into.set(this.#tree.readLink(entry).subarray(within, within + into.length));
    } else {
      if (this.#file === undefined) {
        this.#file = this.#tree.open(entry);
        if (within > 0) this.#file.seekSync(within, Deno.SeekMode.Start);
      }
      for (let filled = 0; filled < into.length;) {
        const count = this.#file.readSync(into.subarray(filled));
        if (count === null) throw this.#tree.damaged(entry, "it shrank while it was read");
        filled += count;
      }
    }
    this.#hash?.update(into);
  }

  #finish(extent: Extent): void {
    this.close();
    const found = this.#hash?.digest("hex");
    this.#hash = undefined;
    this.#index++;
    if (found !== undefined && found !== extent.hash) {
      throw this.#tree.damaged(
        extent.entries[0]!,
        `its hash should be ${extent.hash}, found ${found}`,
      );
    }
  }
}
