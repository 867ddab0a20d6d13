import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { InvalidCoding } from "../errors.ts";
import { FrameSplitter } from "./zstd_frames.ts";

/** Parameters by their number in zstd.h: Deno 2.6 does not name them. */
const COMPRESSION_LEVEL = 100;

/** The fastest level that still finds what repeats: a server compresses while others wait. */
const LEVEL = 1;

/** A magic number, and a header that says: one segment, its size follows in 4 bytes (RFC 8878). */
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const SINGLE_SEGMENT = 0xa0;

/** The largest block, in bytes, whatever the window (RFC 8878, section 3.1.1.2.4). */
const MAX_BLOCK_SIZE = 128 * 1024;
const BLOCK_HEADER_SIZE = 3;

/** In bytes: a chunk that is full makes zlib begin another one; and it takes none of under 64. */
const CHUNK_MARGIN = 64;

let can: boolean | undefined;

/** Whether this runtime has zstd: Deno 2.6 exports the functions, and they do not work. */
export function hasZstd(): boolean {
  if (can === undefined) {
    try {
      can = compressFrame(new Uint8Array(1)).length > 0;
    } catch {
      can = false;
    }
  }
  return can;
}

/** These bytes as one zstd frame with its content size in its header. Only where `hasZstd`. */
export function compressFrame(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const options = { params: { [COMPRESSION_LEVEL]: LEVEL }, pledgedSrcSize: bytes.length };
  const compressed = zstdCompressSync(bytes, options);
  // Deno's zlib may put an empty frame behind the one that holds everything. Cutting it off also
  // makes a copy: what is kept must not be a small part of a large buffer.
  const [frame] = new FrameSplitter(compressed.length).push(compressed);
  return frame!;
}

/** The same without compressing, for what does not shrink. Needs no zstd. */
export function storedFrame(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blocks = Math.max(1, Math.ceil(bytes.length / MAX_BLOCK_SIZE));
  const start = MAGIC.length + 5;
  const frame = new Uint8Array(start + blocks * BLOCK_HEADER_SIZE + bytes.length);
  frame.set([...MAGIC, SINGLE_SEGMENT]);
  new DataView(frame.buffer).setUint32(MAGIC.length + 1, bytes.length, true);
  let at = start;
  for (let block = 0; block < blocks; block++) {
    const part = bytes.subarray(block * MAX_BLOCK_SIZE, (block + 1) * MAX_BLOCK_SIZE);
    // The lowest bit marks the last block, the next two its kind: 0 is stored.
    const header = part.length << 3 | (block === blocks - 1 ? 1 : 0);
    frame.set([header & 0xff, header >> 8 & 0xff, header >> 16], at);
    frame.set(part, at + BLOCK_HEADER_SIZE);
    at += BLOCK_HEADER_SIZE + part.length;
  }
  return frame;
}

/**
 * What a frame holds. Only where `hasZstd`.
 *
 * @throws InvalidCoding when that is not exactly `size` bytes, or nothing at all
 */
export function expandFrame(frame: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  let bytes;
  try {
    // With room for all of it at once, nothing has to be put together afterwards.
    const chunkSize = size + CHUNK_MARGIN;
    bytes = zstdDecompressSync(frame, { maxOutputLength: Math.max(1, size), chunkSize });
  } catch (cause) {
    throw new InvalidCoding("it is not a zstd frame of the expected size", { cause });
  }
  if (bytes.length !== size) {
    throw new InvalidCoding(`a frame of ${size} bytes was expected, found ${bytes.length}`);
  }
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}
