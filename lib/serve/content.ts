import { createHash, type Hash, hash } from "node:crypto";
import { hashNameOf } from "../manifest/digest.ts";
import { type FileEntry, pathOf } from "../manifest/entry.ts";
import { type Extent, extentIndexAt } from "../manifest/layout.ts";
import { CHUNK_SIZE } from "../wire/limits.ts";
import type { Held } from "./held.ts";
import type { KnownFiles } from "./known_files.ts";
import { stateOf } from "../store/file_state.ts";
import { ListedTree } from "../store/listed_tree.ts";

/**
 * From so many bytes on directories are listed. Of less than that, a directory may have far more files
 * than are wanted.
 */
const MANY_BYTES = 2 * 1024 * 1024;

/** A file that bytes were read of which no hash has decided on. */
export interface Unhashed {
  /** The manifest's. */
  readonly path: string;
  /** Its `stateOf` when it was opened. */
  readonly state: string;
}

/**
 * Reads a range of an implementation's content stream.
 *
 * A file that lies wholly inside the range is hashed in passing, and its last bytes are not given
 * out before the hash is right: a damaged file never looks complete to anyone. A file of up to
 * `CHUNK_SIZE` is hashed before any of it is given out.
 */
export class ContentReader {
  readonly #held: Held;
  readonly #tree: ListedTree;
  readonly #known: KnownFiles | undefined;
  readonly #start: number;
  readonly #end: number;
  #position: number;
  #index: number;
  /** A content that was read at once, and not given out at once. */
  #whole: Uint8Array | undefined;
  #file: Deno.FsFile | undefined;
  #info: Deno.FileInfo | undefined;
  /** Of a file that is read as a whole and was hashed before. */
  #knownState: string | undefined;
  #hash: Hash | undefined;
  #unhashed: Unhashed[] = [];

  /**
   * Bytes `start` to `end` (exclusive) of the stream, with `start <= end <= size`.
   *
   * @param options.known large files that need not be hashed again
   */
  constructor(
    held: Held,
    start: number,
    end: number,
    options: { known?: KnownFiles | undefined } = {},
  ) {
    this.#held = held;
    this.#tree = new ListedTree(held.digest, held.path, { many: end - start >= MANY_BYTES });
    this.#known = options.known;
    this.#start = start;
    this.#end = end;
    this.#position = start;
    this.#index = start < end ? extentIndexAt(held.stream, start) : 0;
  }

  /** Where in the stream the next bytes are. */
  get position(): number {
    return this.#position;
  }

  /** The files of the bytes of the last `read` that were not hashed, or not to their end yet. */
  get unhashed(): readonly Unhashed[] {
    return this.#unhashed;
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
    this.read(chunk);
    return chunk;
  }

  /**
   * Fills `into`, which must not be larger than what is left, with the next bytes.
   *
   * @throws DamagedImplementation when a file is not as the manifest lists it; the system's error when
   *   one cannot be opened for another reason
   */
  read(into: Uint8Array): void {
    // A file that is open is read on, and is the last one that was opened.
    this.#unhashed = this.#file === undefined ? [] : this.#unhashed.slice(-1);
    for (let filled = 0; filled < into.length;) {
      const extent = this.#held.stream.extents.at(this.#index);
      const end = extent.offset + extent.size;
      const part = into.subarray(filled, Math.min(into.length, filled + end - this.#position));
      this.#fill(extent, part);
      filled += part.length;
      this.#position += part.length;
      if (this.#position === end) this.#finish(extent);
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#whole = undefined;
  }

  #fill(extent: Extent, into: Uint8Array): void {
    const entry = extent.first;
    const within = this.#position - extent.offset;
    if (entry.kind === "symlink" || extent.size <= CHUNK_SIZE && this.#hasAllOf(extent)) {
      if (within === 0 && into.length === extent.size) return this.#readWhole(extent, into);
      if (this.#whole === undefined) {
        this.#whole = new Uint8Array(extent.size);
        this.#readWhole(extent, this.#whole);
      }
      into.set(this.#whole.subarray(within, within + into.length));
      return;
    }
    this.#file ??= this.#open(extent, entry, within);
    this.#tree.fill(entry, this.#file, into);
    this.#hash?.update(into);
  }

  #hasAllOf({ offset, size }: Extent): boolean {
    return offset >= this.#start && offset + size <= this.#end;
  }

  #readWhole(extent: Extent, into: Uint8Array): void {
    const entry = extent.first;
    if (entry.kind === "symlink") into.set(this.#tree.readLink(entry));
    else this.#tree.readToHash(entry, into);
    this.#check(extent, hash(hashNameOf(this.#held.manifest.algorithm), into, "hex"));
  }

  #open(extent: Extent, entry: FileEntry, within: number): Deno.FsFile {
    const { file, info } = this.#tree.openAndLook(entry);
    this.#unhashed.push({ path: pathOf(entry), state: stateOf(info) });
    if (within > 0) {
      file.seekSync(within, Deno.SeekMode.Start);
    } else if (this.#hasAllOf(extent)) {
      if (this.#known?.has(info, extent.hash)) this.#knownState = stateOf(info);
      else {
        this.#info = info;
        this.#hash = createHash(hashNameOf(this.#held.manifest.algorithm));
      }
    }
    return file;
  }

  #finish(extent: Extent): void {
    const hash = this.#hash;
    const state = this.#knownState;
    this.#hash = this.#knownState = undefined;
    this.#index++;
    if (state !== undefined && stateOf(this.#file!.statSync()) !== state) {
      this.close();
      throw this.#tree.damaged(extent.first, "it was changed while it was read");
    }
    if (hash !== undefined) {
      const found = hash.digest("hex");
      if (found === extent.hash) this.#known?.add(this.#info!, this.#file!.statSync(), found);
      else this.close();
      this.#check(extent, found);
      this.#unhashed.pop();
    }
    this.close();
  }

  #check(extent: Extent, found: string): void {
    if (found === extent.hash) return;
    throw this.#tree.damaged(
      extent.first,
      `its hash should be ${extent.hash}, found ${found}`,
    );
  }
}
