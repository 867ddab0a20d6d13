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
  const extents: (Extent & { entries: (FileEntry | SymlinkEntry)[] })[] = [];
  // By hash, and the others of the same hash by both: that two sizes share a hash happens only in
  // a manifest that somebody made up, and 200,000 joined keys would cost more than all the rest.
  const byHash = new Map<string, number>();
  const bySize = new Map<string, number>();
  let offset = 0;
  for (const entry of manifest.entries) {
    if (entry.kind === "directory" || entry.size === 0) continue;
    let index = byHash.get(entry.hash);
    if (index !== undefined && extents[index]!.size !== entry.size) {
      index = bySize.get(`${entry.size} ${entry.hash}`);
      if (index === undefined) bySize.set(`${entry.size} ${entry.hash}`, extents.length);
    } else if (index === undefined) {
      byHash.set(entry.hash, extents.length);
    }
    if (index !== undefined) {
      extents[index]!.entries.push(entry);
      continue;
    }
    if (offset + entry.size > Number.MAX_SAFE_INTEGER) {
      throw new InvalidManifest("its contents are larger than 2^53 - 1 bytes together");
    }
    extents.push({ offset, size: entry.size, hash: entry.hash, entries: [entry] });
    offset += entry.size;
  }
  return { size: offset, extents };
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

/** The size of a piece: 256 KiB, or the next power of two that makes at most 2,048 pieces. */
export function pieceSize(streamSize: number): number {
  let size = MIN_PIECE_SIZE;
  while (size * MAX_PIECES < streamSize) size *= 2;
  return size;
}
