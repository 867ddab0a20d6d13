import { type ContentStream, pieceSize } from "../../manifest/layout.ts";
import { pieceCount } from "../../wire/availability.ts";
import type { ByteRange } from "../../wire/range.ts";

/** How much of each piece of a content stream is here, and how much of it belongs to right files. */
export class PieceMap {
  /** In bytes; the last piece may be shorter. */
  readonly pieceSize: number;
  readonly #size: number;
  readonly #lacking: Float64Array;
  readonly #unverified: Float64Array;

  constructor(stream: Pick<ContentStream, "size">) {
    this.#size = stream.size;
    this.pieceSize = pieceSize(stream.size);
    const count = pieceCount(stream.size);
    this.#lacking = new Float64Array(count);
    for (let piece = 0; piece < count; piece++) this.#lacking[piece] = this.lengthOf(piece);
    this.#unverified = this.#lacking.slice();
  }

  get count(): number {
    return this.#lacking.length;
  }

  /** Where a piece is in the stream. */
  rangeOf(piece: number): ByteRange {
    const start = piece * this.pieceSize;
    return { start, end: Math.min(this.#size, start + this.pieceSize) };
  }

  /** In bytes. */
  lengthOf(piece: number): number {
    const { start, end } = this.rangeOf(piece);
    return end - start;
  }

  isHere(piece: number): boolean {
    return this.#lacking[piece] === 0;
  }

  /** Whether nothing of it is here. */
  isUntouched(piece: number): boolean {
    return this.#lacking[piece] === this.lengthOf(piece);
  }

  /** Whether all of it belongs to files whose hash was found right. */
  isVerified(piece: number): boolean {
    return this.#unverified[piece] === 0;
  }

  /** How much of it does not, in bytes. */
  unverified(piece: number): number {
    return this.#unverified[piece]!;
  }

  /** Bytes came that were missing. Returns the pieces that are complete now. */
  received(start: number, end: number): number[] {
    const complete: number[] = [];
    for (const [piece, part] of this.parts(start, end)) {
      this.#lacking[piece]! -= part.end - part.start;
      if (this.#lacking[piece] === 0) complete.push(piece);
    }
    return complete;
  }

  /** Bytes are missing again that were here. Returns the pieces that are no longer complete. */
  lost(start: number, end: number): number[] {
    const broken: number[] = [];
    for (const [piece, part] of this.parts(start, end)) {
      if (this.#lacking[piece] === 0) broken.push(piece);
      this.#lacking[piece]! += part.end - part.start;
    }
    return broken;
  }

  /** Bytes were found right. Returns the pieces that are verified as a whole now. */
  verified(start: number, end: number): number[] {
    const whole: number[] = [];
    for (const [piece, part] of this.parts(start, end)) {
      this.#unverified[piece]! -= part.end - part.start;
      if (this.#unverified[piece] === 0) whole.push(piece);
    }
    return whole;
  }

  /** The pieces that a range touches, and what of it is in each. */
  *parts(start: number, end: number): Generator<[piece: number, part: ByteRange]> {
    for (let at = start; at < end;) {
      const piece = Math.floor(at / this.pieceSize);
      const next = Math.min(end, (piece + 1) * this.pieceSize);
      yield [piece, { start: at, end: next }];
      at = next;
    }
  }
}
