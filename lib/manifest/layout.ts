import { InvalidManifest } from "../errors.ts";
import type { Entries, FileEntry, SymlinkEntry } from "./entry.ts";
import type { Manifest } from "./manifest.ts";

/** An entry that has content. */
type Filled = FileEntry | SymlinkEntry;

/** One content of a content stream, and every place of the tree that has it. */
export interface Extent {
  /** Which one of the stream it is, from 0 on. */
  readonly index: number;
  /** Where it begins in the stream, in bytes. */
  readonly offset: number;
  /** In bytes, never 0. */
  readonly size: number;
  /** Lower-case hexadecimal, of the manifest's hash function. */
  readonly hash: string;
  /** The first of its entries in manifest order, which gives it its place in the stream. */
  readonly first: Filled;
  /** In manifest order, never empty. */
  readonly entries: readonly Filled[];
}

/** The extents of a stream, without gaps. Each is made anew whenever it is asked for. */
export interface Extents extends Iterable<Extent> {
  readonly length: number;
  /** @throws RangeError when there is none */
  at(index: number): Extent;
  /** Where an extent begins in the stream; of the one behind the last, the size of the stream. */
  offsetOf(index: number): number;
}

/** The contents of a manifest end to end: what a byte offset means to all peers alike. */
export interface ContentStream {
  /** In bytes. */
  readonly size: number;
  /** In stream order. */
  readonly extents: Extents;
}

const streams = new WeakMap<Manifest, ContentStream>();

/**
 * Lays out the contents of files and symlinks in manifest order, without empty ones and without
 * those whose hash and size already came.
 *
 * The layout of an ambiguous manifest is right too; only the directories of its entries are not.
 *
 * @throws InvalidManifest when the sizes add up to more than 2^53 - 1 bytes, where offsets would
 *   no longer be exact
 */
export function contentStream(manifest: Manifest): ContentStream {
  let stream = streams.get(manifest);
  if (stream === undefined) streams.set(manifest, stream = layOut(manifest));
  return stream;
}

function layOut({ entries }: Manifest): ContentStream {
  const offsets = new Float64Array(entries.length + 1);
  const firsts = new Uint32Array(entries.length);
  const others = new Map<number, number[]>();
  const contents = new ContentIndex(entries, firsts);
  let count = 0;
  let index = -1;
  for (const entry of entries) {
    index++;
    if (entry.kind === "directory" || entry.size === 0) continue;
    const same = contents.findOrAdd(count, entry);
    if (same !== count) {
      const before = others.get(same);
      if (before === undefined) others.set(same, [index]);
      else before.push(index);
      continue;
    }
    const end = offsets[count]! + entry.size;
    if (end > Number.MAX_SAFE_INTEGER) {
      throw new InvalidManifest("its contents are larger than 2^53 - 1 bytes together");
    }
    firsts[count++] = index;
    offsets[count] = end;
  }
  const extents = new Layout(entries, offsets.slice(0, count + 1), firsts.slice(0, count), others);
  return { size: offsets[count]!, extents };
}

/** There may be hundreds of thousands of extents, nearly all of them in one place only. */
class Layout implements Extents {
  readonly #entries: Entries;
  /** Where each begins, and where the last one ends. */
  readonly #offsets: Float64Array;
  /** Indices of entries: the first one of each extent. */
  readonly #firsts: Uint32Array;
  /** By extent, the entries behind the first one. */
  readonly #others: ReadonlyMap<number, readonly number[]>;

  constructor(
    entries: Entries,
    offsets: Float64Array,
    firsts: Uint32Array,
    others: ReadonlyMap<number, readonly number[]>,
  ) {
    this.#entries = entries;
    this.#offsets = offsets;
    this.#firsts = firsts;
    this.#others = others;
  }

  get length(): number {
    return this.#firsts.length;
  }

  offsetOf(index: number): number {
    return this.#offsets[index]!;
  }

  at(index: number): Extent {
    const first = this.#firsts[index];
    if (first === undefined) {
      throw new RangeError(
        `Cannot find extent ${index} of a content stream: it has ${this.length}`,
      );
    }
    const offset = this.offsetOf(index);
    const size = this.offsetOf(index + 1) - offset;
    return new Content({ index, offset, size }, this.#entries, first, this.#others.get(index));
  }

  *[Symbol.iterator](): Generator<Extent> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }
}

/** Its entries are made when they are wanted: often only the offset is. */
class Content implements Extent {
  readonly index: number;
  readonly offset: number;
  readonly size: number;
  readonly #all: Entries;
  readonly #firstIndex: number;
  readonly #others: readonly number[];
  #first: Filled | undefined;

  constructor(
    { index, offset, size }: { index: number; offset: number; size: number },
    all: Entries,
    first: number,
    others: readonly number[] = [],
  ) {
    this.index = index;
    this.offset = offset;
    this.size = size;
    this.#all = all;
    this.#firstIndex = first;
    this.#others = others;
  }

  get first(): Filled {
    return this.#first ??= this.#all.at(this.#firstIndex) as Filled;
  }

  get hash(): string {
    return this.first.hash;
  }

  get entries(): readonly Filled[] {
    return [this.first, ...this.#others.map((index) => this.#all.at(index) as Filled)];
  }
}

/** Finds an extent by hash and size: as a hash table, which takes a tenth of a Map's memory. */
class ContentIndex {
  readonly #entries: Entries;
  readonly #firsts: Uint32Array;
  /** Indices of extents, each plus 1; 0 where there is none. At least half of them are 0. */
  readonly #slots: Int32Array;
  /** By extent: two of different mixes need not be compared. */
  readonly #mixes: Int32Array;

  /** @param firsts by extent, the index of its first entry; those of extents that were added count */
  constructor(entries: Entries, firsts: Uint32Array) {
    this.#entries = entries;
    this.#firsts = firsts;
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * entries.length + 1)));
    this.#mixes = new Int32Array(entries.length);
  }

  /** The extent of the same content; `next` if there is none, then that one is it. */
  findOrAdd(next: number, { hash, size }: Filled): number {
    const mix = mixed(hash, size);
    const mask = this.#slots.length - 1;
    for (let slot = mix & mask;; slot = slot + 1 & mask) {
      const index = this.#slots[slot]! - 1;
      if (index < 0) {
        this.#slots[slot] = next + 1;
        this.#mixes[next] = mix;
        return next;
      }
      if (this.#mixes[index] !== mix) continue;
      const other = this.#entries.at(this.#firsts[index]!) as Filled;
      if (other.hash === hash && other.size === size) return index;
    }
  }
}

/** Nobody shall make up a manifest whose contents all fall together. */
const SALT = crypto.getRandomValues(new Int32Array(1))[0]!;

/** All of a hash counts: beginnings may be alike. */
function mixed(hash: string, size: number): number {
  let mix = size ^ SALT;
  for (let at = 0; at < hash.length; at++) mix = Math.imul(mix ^ hash.charCodeAt(at), 0x01000193);
  return mix ^ mix >>> 15;
}

/**
 * Which extent holds the byte at `offset`, as an index of `stream.extents`.
 *
 * @throws RangeError unless 0 <= offset < stream.size
 */
export function extentIndexAt(stream: ContentStream, offset: number): number {
  if (!(offset >= 0 && offset < stream.size)) {
    throw new RangeError(
      `Cannot find byte ${offset} in a content stream: it has ${stream.size} bytes`,
    );
  }
  let low = 0;
  let high = stream.extents.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (stream.extents.offsetOf(middle) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

const MIN_PIECE_SIZE = 256 * 1024;
const MAX_PIECES = 2048;

/** So many of the smallest are enough for peers to share: more only cost more requests. */
const ENOUGH_PIECES = 256;

/**
 * The size of a piece: 256 KiB of a stream of up to 64 MiB; of a larger one 512 KiB, or the next
 * power of two that makes at most 2,048 pieces.
 */
export function pieceSize(streamSize: number): number {
  let size = streamSize <= ENOUGH_PIECES * MIN_PIECE_SIZE ? MIN_PIECE_SIZE : 2 * MIN_PIECE_SIZE;
  while (size * MAX_PIECES < streamSize) size *= 2;
  return size;
}
