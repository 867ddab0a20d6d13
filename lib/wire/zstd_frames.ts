import { InvalidCoding } from "../errors.ts";

/** Of every frame, little-endian (RFC 8878, section 3.1.1). */
const MAGIC = 0xfd2fb528;

/** The descriptor of a frame that is a single segment and whose size follows in 4 bytes. */
const SIZED_SEGMENT = 0xa0;

const BLOCK_HEADER_SIZE = 3;
const CHECKSUM_SIZE = 4;

/** The kind of block that is one byte, repeated. */
const RLE = 1;

/**
 * Cuts zstd frames that come end to end, in parts of any size, where each ends (RFC 8878). Nothing is
 * expanded here: only the headers of frames and blocks are looked at.
 */
export class FrameSplitter {
  readonly #maxFrameSize: number;
  #buffer: Uint8Array<ArrayBuffer>;
  /** Where in the buffer the first frame begins that was not given out. */
  #start = 0;
  #filled = 0;
  /** How far that frame has been looked through, from its beginning. */
  #seen = 0;

  /**
   * @param maxFrameSize in bytes: a longer frame is refused
   * @param buffer where to gather what comes; another one takes its place when it is too small
   */
  constructor(
    maxFrameSize: number,
    buffer: Uint8Array<ArrayBuffer> = new Uint8Array(64 * 1024),
  ) {
    this.#maxFrameSize = maxFrameSize;
    this.#buffer = buffer;
  }

  /** Where it gathers what comes: free when nobody pushes any more. */
  get buffer(): Uint8Array<ArrayBuffer> {
    return this.#buffer;
  }

  /** Whether a frame has begun that has not ended. */
  get unfinished(): boolean {
    return this.#filled > this.#start;
  }

  /**
   * Takes what came, and gives the frames that are complete now; each is gone when the next one is
   * asked for.
   *
   * @throws InvalidCoding for what is no zstd frame, or too long for one
   */
  *push(bytes: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
    this.#append(bytes);
    for (let size; (size = this.#frameSize()) !== undefined;) {
      const frame = this.#buffer.subarray(this.#start, this.#start + size);
      this.#start += size;
      this.#seen = 0;
      yield frame;
    }
  }

  #append(bytes: Uint8Array): void {
    const begun = this.#buffer.subarray(this.#start, this.#filled);
    const size = begun.length + bytes.length;
    if (size > this.#buffer.length) {
      this.#buffer = new Uint8Array(Math.max(2 * this.#buffer.length, size));
    }
    this.#buffer.set(begun);
    this.#buffer.set(bytes, begun.length);
    this.#start = 0;
    this.#filled = size;
  }

  /** The size of the first frame; undefined while not all of it is here. */
  #frameSize(): number | undefined {
    const here = this.#buffer.subarray(this.#start, this.#filled);
    if (this.#seen === 0) {
      const size = headerSize(here);
      if (size === undefined) return undefined;
      this.#seen = size;
    }
    for (;;) {
      const block = blockAt(here, this.#seen);
      if (block === undefined) return undefined;
      if (block.end > this.#maxFrameSize) {
        throw new InvalidCoding(`a zstd frame of over ${this.#maxFrameSize} bytes`);
      }
      if (here.length < block.end) return undefined;
      if (block.isLast) return block.end;
      this.#seen = block.end;
    }
  }
}

/** The size of the frame that these bytes begin with, which has to be here as a whole. */
export function frameSize(bytes: Uint8Array): number {
  for (let at = headerSize(bytes);;) {
    const block = at === undefined ? undefined : blockAt(bytes, at);
    if (block === undefined) throw new InvalidCoding("a zstd frame that does not end");
    if (block.isLast) return block.end;
    at = block.end;
  }
}

/** How many bytes a frame says that it holds; undefined if it does not say, or not all of its header is here. */
export function contentSize(frame: Uint8Array): number | undefined {
  const header = headerSize(frame);
  if (header === undefined) return undefined;
  const { sizeOfSize } = describe(frame[4]!);
  if (sizeOfSize === 0) return undefined;
  let size = 0;
  for (let at = header - 1; at >= header - sizeOfSize; at--) size = size * 256 + frame[at]!;
  // In two bytes, what fits in one needs not be told.
  return sizeOfSize === 2 ? size + 256 : size;
}

/** The size of the header that `writeSizedHeader` writes, in bytes. */
export const SIZED_HEADER_SIZE = 4 + 1 + 4;

/** Begins a frame that is a single segment, and says how many bytes it holds: less than 2^32. */
export function writeSizedHeader(frame: Uint8Array, size: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, SIZED_SEGMENT);
  view.setUint32(5, size, true);
}

/** The size of a frame's header; undefined while that is not here. */
function headerSize(frame: Uint8Array): number | undefined {
  if (frame.length < 5) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset);
  if (view.getUint32(0, true) !== MAGIC) throw new InvalidCoding("it is not a zstd frame");
  const { singleSegment, sizeOfSize, sizeOfDictionary } = describe(view.getUint8(4));
  const size = 5 + (singleSegment ? 0 : 1) + sizeOfDictionary + sizeOfSize;
  return frame.length < size ? undefined : size;
}

/** What the descriptor of a frame says about its header; sizes are in bytes. */
function describe(descriptor: number) {
  const singleSegment = (descriptor >> 5 & 1) === 1;
  return {
    singleSegment,
    sizeOfSize: [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!,
    sizeOfDictionary: [0, 1, 2, 4][descriptor & 3]!,
  };
}

/** Where a block of a frame ends, with the checksum behind a last one; undefined while unknown. */
function blockAt(frame: Uint8Array, at: number): { end: number; isLast: boolean } | undefined {
  if (frame.length < at + BLOCK_HEADER_SIZE) return undefined;
  const header = frame[at]! | frame[at + 1]! << 8 | frame[at + 2]! << 16;
  const kind = header >> 1 & 3;
  if (kind === 3) throw new InvalidCoding("a zstd block of a kind that there is not");
  const size = kind === RLE ? 1 : header >> 3;
  const isLast = (header & 1) === 1;
  const hasChecksum = (frame[4]! >> 2 & 1) === 1;
  const checksum = isLast && hasChecksum ? CHECKSUM_SIZE : 0;
  return { end: at + BLOCK_HEADER_SIZE + size + checksum, isLast };
}
