import { InvalidCoding } from "../errors.ts";

/** Of every frame, little-endian (RFC 8878, section 3.1.1). */
const MAGIC = 0xfd2fb528;

/** In bytes: magic number, descriptor, window, dictionary, content size. */
const MAX_HEADER_SIZE = 4 + 1 + 1 + 4 + 8;

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
  #buffer = new Uint8Array(64 * 1024);
  /** Where in the buffer the first frame begins that was not given out. */
  #start = 0;
  #filled = 0;
  /** How far that frame has been looked through, from its beginning. */
  #seen = 0;
  #hasChecksum = false;

  /** @param maxFrameSize in bytes: a longer frame is refused */
  constructor(maxFrameSize: number) {
    this.#maxFrameSize = maxFrameSize;
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
    if (this.#seen === 0 && !this.#readHeader()) return undefined;
    const here = this.#filled - this.#start;
    for (;;) {
      if (here < this.#seen + BLOCK_HEADER_SIZE) return undefined;
      const at = this.#start + this.#seen;
      const header = this.#buffer[at]! | this.#buffer[at + 1]! << 8 | this.#buffer[at + 2]! << 16;
      const kind = header >> 1 & 3;
      if (kind === 3) throw new InvalidCoding("a zstd block of a kind that there is not");
      const size = kind === RLE ? 1 : header >> 3;
      const isLast = (header & 1) === 1;
      const end = this.#seen + BLOCK_HEADER_SIZE + size +
        (isLast && this.#hasChecksum ? CHECKSUM_SIZE : 0);
      if (end > this.#maxFrameSize) {
        throw new InvalidCoding(`a zstd frame of over ${this.#maxFrameSize} bytes`);
      }
      if (here < end) return undefined;
      if (isLast) return end;
      this.#seen = end;
    }
  }

  #readHeader(): boolean {
    const here = this.#filled - this.#start;
    if (here < 5) return false;
    const view = new DataView(this.#buffer.buffer, this.#start);
    if (view.getUint32(0, true) !== MAGIC) throw new InvalidCoding("it is not a zstd frame");
    const descriptor = view.getUint8(4);
    const singleSegment = (descriptor >> 5 & 1) === 1;
    const sizeOfSize = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    const sizeOfDictionary = [0, 1, 2, 4][descriptor & 3]!;
    const size = 5 + (singleSegment ? 0 : 1) + sizeOfDictionary + sizeOfSize;
    if (here < Math.min(size, MAX_HEADER_SIZE)) return false;
    this.#hasChecksum = (descriptor >> 2 & 1) === 1;
    this.#seen = size;
    return true;
  }
}
