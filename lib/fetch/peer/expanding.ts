import { InvalidCoding, PeerFailed, PeerLied } from "../../errors.ts";
import { MANIFEST_EXPANSION, MANIFEST_FRAME_SIZE } from "../../wire/limits.ts";
import { expandFrame, roomFor } from "../../wire/zstd.ts";
import { contentSize, FrameSplitter } from "../../wire/zstd_frames.ts";

/** What zstd makes of bytes that do not shrink, at most, in bytes more. */
const ZSTD_OVERHEAD = 1024;

/** Where frames are gathered and expanded: made anew for each, they would be garbage of twice its size. */
interface Room {
  expanded: Uint8Array<ArrayBuffer>;
  gathered: Uint8Array<ArrayBuffer>;
}

/** Rooms for the next answers: there are hundreds of them, one after the other. */
const spare: Room[] = [];
const MAX_SPARE = 16;

/** In bytes: of larger frames there are few. */
const MAX_SPARE_SIZE = 1024 * 1024;

/** A zstd frame, and the bytes that it holds; both are gone when the next one is asked for. */
export interface Expanded {
  readonly bytes: Uint8Array;
  readonly frame: Uint8Array<ArrayBuffer>;
}

/** What frames are to be like. */
export interface Expected {
  /** Who sends them. */
  readonly peer: string;
  /** What they are, in the plural. */
  readonly what: string;
  /** How many bytes one holds at most. */
  readonly most: number;
  /** How many bytes a frame has to hold. @throws PeerLied or InvalidCoding for one that is not wanted */
  readonly sizeOf: (frame: Uint8Array) => number;
}

/**
 * Expands zstd frames that come end to end, in parts of any size.
 *
 * @throws PeerLied when they are no zstd, or hold something else than expected
 * @throws PeerFailed when they end inside of one
 */
export async function* expanding(
  parts: AsyncIterable<Uint8Array>,
  { peer, what, most, sizeOf }: Expected,
): AsyncGenerator<Expanded> {
  const room = spare.pop() ?? { expanded: new Uint8Array(0), gathered: new Uint8Array(64 * 1024) };
  if (room.expanded.length < roomFor(most)) room.expanded = new Uint8Array(roomFor(most));
  const splitter = new FrameSplitter(most + (most >> 6) + ZSTD_OVERHEAD, room.gathered);
  try {
    for await (const part of parts) {
      for (const frame of splitter.push(part)) {
        yield { bytes: expandFrame(frame, sizeOf(frame), room.expanded), frame };
      }
    }
  } catch (cause) {
    if (!(cause instanceof InvalidCoding)) throw cause;
    throw new PeerLied(peer, `${what} that are not zstd: ${cause.message}`, { cause });
  } finally {
    room.gathered = splitter.buffer;
    if (spare.length < MAX_SPARE && most <= MAX_SPARE_SIZE) spare.push(room);
  }
  if (splitter.unfinished) throw new PeerFailed(peer, `its answer ended inside one of the ${what}`);
}

/**
 * Expands a manifest that comes in zstd frames, which bring not much more than what they cost their
 * sender.
 *
 * @throws PeerLied, PeerFailed
 */
export async function* expandingManifest(
  parts: AsyncIterable<Uint8Array>,
  peer: string,
): AsyncGenerator<Uint8Array> {
  const most = MANIFEST_FRAME_SIZE;
  let last = most;
  const sizeOf = (frame: Uint8Array) => {
    const size = contentSize(frame);
    if (size === undefined || size === 0 || size > most) {
      throw new InvalidCoding(`a frame of 1 to ${most} bytes was expected, found ${size}`);
    }
    if (last < most) throw new InvalidCoding(`a frame follows one of ${last} bytes`);
    if (size > MANIFEST_EXPANSION * frame.length) {
      throw new InvalidCoding(`a frame of ${frame.length} bytes holds ${size}`);
    }
    return last = size;
  };
  const expected = { peer, what: "frames of a manifest", most, sizeOf };
  for await (const { bytes } of expanding(parts, expected)) yield bytes;
}
