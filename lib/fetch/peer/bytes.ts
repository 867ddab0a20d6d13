import { PeerFailed, PeerLied } from "../../errors.ts";
import { BLOCK_SIZE } from "../../wire/limits.ts";
import type { ByteRange } from "../../wire/range.ts";
import type { Answer, Times } from "./answer.ts";
import { expanding } from "./expanding.ts";

/** Bytes of a content stream, in the order in which they belong there. */
export interface Part {
  /** Where in the stream they begin. */
  readonly offset: number;
  /** They are gone when the next part is asked for. */
  readonly bytes: Uint8Array;
  /** The compressed frame that they came as: then they are one whole piece. Gone with them. */
  readonly frame?: Uint8Array<ArrayBuffer>;
}

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
    for await (const bytes of this.#body()) yield { bytes };
  }

  #frames(): AsyncGenerator<Omit<Part, "offset">> {
    const each = this.#framed!;
    let left = this.range.end - this.range.start;
    const sizeOf = () => {
      const size = Math.min(each, left);
      if (size === 0) throw new PeerLied(this.#peer, "more pieces than were asked for");
      left -= size;
      return size;
    };
    const most = Math.min(each, left);
    return expanding(this.#body(), { peer: this.#peer, what: "pieces", most, sizeOf });
  }

  async *#body(): AsyncGenerator<Uint8Array> {
    for await (const bytes of this.#answer.bodyInPlace(BLOCK_SIZE)) {
      this.wire += bytes.length;
      yield bytes;
    }
  }
}
