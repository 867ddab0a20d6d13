import { InvalidManifest } from "../errors.ts";
import type { FileEntry, Manifest, SymlinkEntry } from "./manifest.ts";

/** One content of a content stream, and every place of the tree that has it. */
export interface Extent {
  /** Where it begins in the stream, in bytes. */
  readonly offset: number;
  /** In bytes, never 0. */
  readonly size: number;
  /** Lower-case hexadecimal, of the manifest's hash function. */
  readonly hash: string;
  /** In manifest order; the first gives the extent its place in the stream. Never empty. */
  readonly entries: readonly (FileEntry | SymlinkEntry)[];
}

/** The contents of a manifest end to end: what a byte offset means to all peers alike. */
export interface ContentStream {
  /** In bytes. */
  readonly size: number;
  /** In stream order, without gaps. */
  readonly extents: readonly Extent[];
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

function layOut(manifest: Manifest): ContentStream {
  const extents: Content[] = [];
  const index = new ContentIndex(manifest.entries.length);
  let offset = 0;
  for (const entry of manifest.entries) {
    if (entry.kind === "directory" || entry.size === 0) continue;
    const same = index.findOrAdd(extents, entry);
    if (same !== undefined) {
      same.add(entry);
      continue;
    }
    if (offset + entry.size > Number.MAX_SAFE_INTEGER) {
      throw new InvalidManifest("its contents are larger than 2^53 - 1 bytes together");
    }
    extents.push(new Content(offset, entry));
    offset += entry.size;
  }
  return { size: offset, extents };
}

/** There may be hundreds of thousands, nearly all of them in one place only. */
class Content implements Extent {
  readonly offset: number;
  readonly #first: FileEntry | SymlinkEntry;
  #all: (FileEntry | SymlinkEntry)[] | undefined;

  constructor(offset: number, first: FileEntry | SymlinkEntry) {
    this.offset = offset;
    this.#first = first;
  }

  get size(): number {
    return this.#first.size;
  }

  get hash(): string {
    return this.#first.hash;
  }

  get entries(): readonly (FileEntry | SymlinkEntry)[] {
    return this.#all ?? [this.#first];
  }

  add(entry: FileEntry | SymlinkEntry): void {
    if (this.#all === undefined) this.#all = [this.#first, entry];
    else this.#all.push(entry);
  }
}

/** Finds an extent by hash and size: as a hash table, which takes a tenth of a Map's memory. */
class ContentIndex {
  /** Indices of extents, each plus 1; 0 where there is none. At least half of them are 0. */
  readonly #slots: Int32Array;

  /** @param most how many extents there may be */
  constructor(most: number) {
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * most + 1)));
  }

  /** The extent of the same content; undefined if there is none, then the next one counts as that. */
  findOrAdd(extents: readonly Content[], { hash, size }: FileEntry | SymlinkEntry) {
    const mask = this.#slots.length - 1;
    for (let slot = mixed(hash, size) & mask;; slot = slot + 1 & mask) {
      const index = this.#slots[slot]! - 1;
      if (index < 0) {
        this.#slots[slot] = extents.length + 1;
        return undefined;
      }
      const extent = extents[index]!;
      if (extent.hash === hash && extent.size === size) return extent;
    }
  }
}

/** All of a hash counts: in a manifest that somebody made up, beginnings may be alike. */
function mixed(hash: string, size: number): number {
  let mix = size | 0;
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
    if (stream.extents[middle]!.offset <= offset) low = middle;
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
