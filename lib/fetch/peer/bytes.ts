import { InvalidCoding, PeerFailed, PeerLied } from "../../errors.ts";
import { BLOCK_SIZE } from "../../wire/limits.ts";
import type { ByteRange } from "../../wire/range.ts";
import { expandFrame, roomFor } from "../../wire/zstd.ts";
import { FrameSplitter } from "../../wire/zstd_frames.ts";
import type { Answer, Times } from "./answer.ts";

/** Bytes of a content stream, in the order in which they belong there. */
export interface Part {
  /** Where in the stream they begin. */
  readonly offset: number;
  /** They are gone when the next part is asked for. */
  readonly bytes: Uint8Array;
  /** The compressed frame that they came as: then they are one whole piece. Gone with them. */
  readonly frame?: Uint8Array<ArrayBuffer>;
}

/** What zstd makes of bytes that do not shrink, at most, in bytes more. */
const ZSTD_OVERHEAD = 1024;

/** What a peer answers with: a range of the content stream, exactly as many bytes, as they come. */
export class Bytes implements Disposable {
  readonly range: ByteRange;
  /** What has come over the wire, in bytes. */
  wire = 0;
  readonly #peer: string;
  readonly #answer: Answer;
  readonly #framed: number | undefined;

  /** @param framed the size of a piece, if each comes as a zstd frame; the last may be shorter */
  constructor(peer: string, answer: Answer, range: ByteRange, framed: number | undefined) {
    this.range = range;
    this.#peer = peer;
    this.#answer = answer;
    this.#framed = framed;
  }

  /** Whether they come compressed. */
  get compressed(): boolean {
    return this.#framed !== undefined;
  }

  /** What they took so far. */
  get times(): Times {
    return this.#answer.times;
  }

  /**
   * @throws PeerFailed when it ends early, stalls or breaks off
   * @throws PeerLied when it is more, or no zstd
   */
  async *parts(): AsyncGenerator<Part> {
    const { start, end } = this.range;
    let at = start;
    for await (const part of this.#framed === undefined ? this.#plain() : this.#frames()) {
      if (at + part.bytes.length > end) {
        throw new PeerLied(this.#peer, "more bytes than were asked for");
      }
      yield { ...part, offset: at };
      at += part.bytes.length;
    }
    if (at < end) throw new PeerFailed(this.#peer, `its answer ended ${end - at} bytes early`);
  }

  [Symbol.dispose](): void {
    this.#answer[Symbol.dispose]();
  }

  async *#plain(): AsyncGenerator<Omit<Part, "offset">> {
    for await (const bytes of this.#answer.bodyInPlace(BLOCK_SIZE)) {
      this.wire += bytes.length;
      yield { bytes };
    }
  }

  async *#frames(): AsyncGenerator<Omit<Part, "offset">> {
    const each = this.#framed!;
    const splitter = new FrameSplitter(each + (each >> 6) + ZSTD_OVERHEAD);
    let left = this.range.end - this.range.start;
    const room = new Uint8Array(roomFor(Math.min(each, left)));
    try {
      for await (const bytes of this.#answer.bodyInPlace(BLOCK_SIZE)) {
        this.wire += bytes.length;
        for (const frame of splitter.push(bytes)) {
          const size = Math.min(each, left);
          if (size === 0) throw new PeerLied(this.#peer, "more pieces than were asked for");
          yield { bytes: expandFrame(frame, size, room), frame };
          left -= size;
        }
      }
    } catch (cause) {
      if (!(cause instanceof InvalidCoding)) throw cause;
      throw new PeerLied(this.#peer, `pieces that are not zstd: ${cause.message}`, { cause });
    }
    if (splitter.unfinished) throw new PeerFailed(this.#peer, "its answer ended inside a piece");
  }
}
