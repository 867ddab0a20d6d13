import {
  createZstdCompress,
  createZstdDecompress,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { SIZED_HEADER_SIZE, writeSizedHeader } from "./zstd_frames.ts";

/**
 * What the functions of `node:zlib` call themselves, once for each of their buffers. It is not
 * documented, but npm packages have called it for ten years (`pngjs` among them), so that Node and
 * Deno keep it; what is done with it here is tried before it is used.
 */
interface Handle {
  onerror: (message: string) => void;
  reset(): void;
  close(): void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
}

/** A stream of `node:zlib`, with what it keeps to itself. */
interface Stream {
  readonly _handle: Handle;
  /** After a call: how much of the output is free, and how much of the input was not taken. */
  readonly _writeState: Uint32Array;
}

/** No more input comes (ZSTD_e_end). */
const END = 2;

/** The stream's own buffer is not used: the smallest there is. */
const UNUSED = { chunkSize: 64 };

/** Of zstd's compression levels, those that are used. */
export type ZstdLevel = 1 | 3 | 6;

export const ZSTD_LEVELS: readonly ZstdLevel[] = [1, 3, 6];

/**
 * Parameters by their number in zstd.h, because Deno 2.6 does not name them: level, window, table of
 * what was seen, chains in it, searches, shortest repetition, one that is long enough, and strategy.
 * What a level means to zstd depends on a size that is not said to it here. These are about what it
 * takes for a piece of 512 KiB; of the fastest level, what makes least of a browser in the same time.
 */
const PARAMETERS: Readonly<Record<ZstdLevel, Readonly<Record<number, number>>>> = {
  1: { 100: 1, 101: 18, 102: 15, 105: 6, 107: 1 },
  3: { 100: 3, 101: 19, 102: 17, 103: 16, 104: 1, 105: 5, 107: 2 },
  6: { 100: 6, 101: 19, 102: 19, 103: 18, 104: 3, 105: 5, 106: 4, 107: 4 },
};

/** The beginning of a frame of unknown size: a magic number, a descriptor, a window (RFC 8878). */
const UNSIZED_HEADER_SIZE = 4 + 1 + 1;

/** A frame of one segment that holds the byte 7, stored. */
const SEVEN = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 0x09, 0, 0, 7);

/** zstd on buffers of the caller. */
export interface ZstdCalls {
  /**
   * Expands one frame into `room`. Of one that is cut off comes what is there.
   *
   * @returns how many bytes that made: all of `room` when there might be more
   * @throws an Error for what is no frame
   */
  expand(frame: Uint8Array, room: Uint8Array): number;
  /**
   * Compresses into `room`, which has to be large enough, one frame that has its content size in its
   * header; it may be followed by an empty one.
   *
   * @returns how many bytes that made
   */
  compress(bytes: Uint8Array, room: Uint8Array, level: ZstdLevel): number;
}

/** What every runtime with zstd can do; each call makes a state and buffers anew. */
export const PLAIN_CALLS: ZstdCalls = {
  expand(frame, room) {
    const bytes = zstdDecompressSync(frame, {
      maxOutputLength: room.length,
      chunkSize: Math.max(UNUSED.chunkSize, room.length),
    });
    room.set(bytes);
    return bytes.length;
  },
  compress(bytes, room, level) {
    const options = { params: PARAMETERS[level], pledgedSrcSize: bytes.length };
    const frame = zstdCompressSync(bytes, options);
    room.set(frame);
    return frame.length;
  },
};

/**
 * The same without what `node:zlib` does beside zstd: making, filling and giving back states and
 * buffers takes as long as expanding a piece does.
 */
class DirectCalls implements ZstdCalls {
  #expander: Stream | undefined;
  /** Undefined where a level does not do what is expected. */
  readonly #compressors = new Map<ZstdLevel, Stream | undefined>();

  expand(frame: Uint8Array, room: Uint8Array): number {
    this.#expander ??= createZstdDecompress(UNUSED) as unknown as Stream;
    try {
      const { made, left } = call(this.#expander, frame, room);
      if (left > 0 && made < room.length) throw new Error("there is something behind the frame");
      return made;
    } catch (error) {
      // What a frame that is none left in it is not worth finding out.
      this.#expander._handle.close();
      this.#expander = undefined;
      throw error;
    }
  }

  compress(bytes: Uint8Array, room: Uint8Array, level: ZstdLevel): number {
    if (!this.#compressors.has(level)) this.#compressors.set(level, this.#compressorOf(level));
    const compressor = this.#compressors.get(level);
    return compressor === undefined
      ? PLAIN_CALLS.compress(bytes, room, level)
      : sizedFrame(compressor, bytes, room);
  }

  #compressorOf(level: ZstdLevel): Stream | undefined {
    try {
      const options = { ...UNUSED, params: PARAMETERS[level] };
      const compressor = createZstdCompress(options) as unknown as Stream;
      const frame = new Uint8Array(64);
      const made = sizedFrame(compressor, Uint8Array.of(7), frame);
      return holdsSeven(this, frame.subarray(0, made)) ? compressor : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Compresses into `room` as `ZstdCalls.compress` does. */
function sizedFrame(compressor: Stream, bytes: Uint8Array, room: Uint8Array): number {
  // A size is only asked for when a state is made, so that it is put into the header here. The
  // window is then the content itself, which is no smaller than what the frame refers back to.
  const start = SIZED_HEADER_SIZE - UNSIZED_HEADER_SIZE;
  const { made, left } = call(compressor, bytes, room.subarray(start));
  if (left > 0) throw new Error("Cannot compress into so little room");
  if (room[start + 4] !== 0) throw new Error("Cannot compress: this is another header");
  writeSizedHeader(room, bytes.length);
  return start + made;
}

function holdsSeven(calls: ZstdCalls, frame: Uint8Array): boolean {
  const room = new Uint8Array(2);
  return calls.expand(frame, room) === 1 && room[0] === 7;
}

function call(
  { _handle, _writeState }: Stream,
  input: Uint8Array,
  output: Uint8Array,
): { made: number; left: number } {
  let failure: string | undefined;
  _handle.onerror = (message) => failure = message;
  _handle.reset();
  _handle.writeSync(END, input, 0, input.length, output, 0, output.length);
  if (failure !== undefined) throw new Error(failure);
  return { made: output.length - _writeState[0]!, left: _writeState[1]! };
}

let calls: ZstdCalls | undefined;

/** The fastest way to call zstd here. Only where the runtime has it. */
export function zstdCalls(): ZstdCalls {
  return calls ??= directCalls() ?? PLAIN_CALLS;
}

/** Undefined where this runtime is built differently. Each compression level is tried when it is used. */
export function directCalls(): ZstdCalls | undefined {
  try {
    const direct = new DirectCalls();
    return holdsSeven(direct, SEVEN) ? direct : undefined;
  } catch {
    return undefined;
  }
}
