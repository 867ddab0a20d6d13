import { InvalidCoding } from "../errors.ts";
import { zstdCalls, type ZstdLevel } from "./zstd_calls.ts";
import { frameSize, SIZED_HEADER_SIZE, writeSizedHeader } from "./zstd_frames.ts";

/** The largest block, in bytes, whatever the window (RFC 8878, section 3.1.1.2.4). */
const MAX_BLOCK_SIZE = 128 * 1024;
const BLOCK_HEADER_SIZE = 3;

/** In bytes: whether there is more than was expected shows in what is behind it. */
const MARGIN = 64;

/** What compressing makes of bytes that do not shrink: 3 bytes a block, and the ends of the frame. */
const MAX_GROWTH = 1024;

/** For what is being compressed: one call follows the other. */
let scratch = new Uint8Array(0);

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

/**
 * These bytes as one zstd frame with its content size in its header. Only where `hasZstd`.
 *
 * @param level the fastest, if left out
 */
export function compressFrame(bytes: Uint8Array, level: ZstdLevel = 1): Uint8Array<ArrayBuffer> {
  const most = bytes.length + (bytes.length >> 8) + MAX_GROWTH;
  if (scratch.length < most) scratch = new Uint8Array(most);
  const made = zstdCalls().compress(bytes, scratch, level);
  // Deno's zlib may put an empty frame behind the one that holds everything. And what is kept must
  // not be a small part of a large buffer.
  return scratch.slice(0, frameSize(scratch.subarray(0, made)));
}

/** The same without compressing, for what does not shrink. Needs no zstd. */
export function storedFrame(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blocks = Math.max(1, Math.ceil(bytes.length / MAX_BLOCK_SIZE));
  const frame = new Uint8Array(SIZED_HEADER_SIZE + blocks * BLOCK_HEADER_SIZE + bytes.length);
  writeSizedHeader(frame, bytes.length);
  let at = SIZED_HEADER_SIZE;
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

/** How large a room has to be for a frame of so many bytes of content to be expanded in it. */
export function roomFor(size: number): number {
  return size + MARGIN;
}

/**
 * What a frame holds. Only where `hasZstd`.
 *
 * @param room where to expand it to, of at least `roomFor(size)` bytes: what is returned is in there
 * @throws InvalidCoding when that is not exactly `size` bytes, or nothing at all
 */
export function expandFrame(
  frame: Uint8Array,
  size: number,
  room: Uint8Array<ArrayBuffer> = new Uint8Array(roomFor(size)),
): Uint8Array<ArrayBuffer> {
  let made;
  try {
    made = zstdCalls().expand(frame, room.subarray(0, roomFor(size)));
  } catch (cause) {
    throw new InvalidCoding("it is not a zstd frame of the expected size", { cause });
  }
  if (made !== size) {
    throw new InvalidCoding(`a frame of ${size} bytes was expected, found ${made}`);
  }
  return room.subarray(0, size);
}
