import { DamagedImplementation } from "../errors.ts";
import { pieceSize } from "../manifest/layout.ts";
import { CHUNK_SIZE } from "../wire/limits.ts";
import type { Source } from "./body.ts";
import { ContentReader, type Unhashed } from "./content.ts";
import type { Held } from "./held.ts";
import type { KnownFiles } from "./known_files.ts";

export interface PieceReaderOptions {
  readonly known?: KnownFiles | undefined;
  /** Finds the implementation anew, when it is no longer where it was. */
  readonly again?: (() => Held | undefined) | undefined;
}

/**
 * Reads a run of pieces, in order or not.
 *
 * Of a download only verified pieces come out: each is looked up after it was read, because a fetch
 * may take a piece back, and changes nothing of it before it says so. A download that is finished
 * meanwhile is read on where it is then.
 */
export class PieceReader implements Source {
  readonly #again: () => Held | undefined;
  readonly #known: KnownFiles | undefined;
  readonly #pieceSize: number;
  readonly #size: number;
  readonly #end: number;
  #held: Held;
  #reader: ContentReader | undefined;
  #next: number;

  /** Pieces `first` to `last`, inclusive, which must exist. */
  constructor(held: Held, first: number, last: number, options: PieceReaderOptions = {}) {
    this.#held = held;
    this.#again = options.again ?? (() => undefined);
    this.#known = options.known;
    this.#size = held.stream.size;
    this.#pieceSize = pieceSize(this.#size);
    this.#next = first * this.#pieceSize;
    this.#end = Math.min(this.#size, (last + 1) * this.#pieceSize);
  }

  /** In bytes. */
  get left(): number {
    return this.#end - this.#next;
  }

  /**
   * The next bytes of the run, at most `CHUNK_SIZE`; undefined at the end.
   *
   * @throws DamagedImplementation
   */
  next(): Uint8Array<ArrayBuffer> | undefined {
    const length = Math.min(CHUNK_SIZE, this.left);
    if (length === 0) return undefined;
    const chunk = new Uint8Array(length);
    this.#read(this.#next, chunk);
    this.#next += length;
    return chunk;
  }

  /** The size of a piece, in bytes. */
  sizeOf(piece: number): number {
    return Math.min(this.#pieceSize, this.#size - piece * this.#pieceSize);
  }

  /** The files of the bytes that were read last that no hash has decided on. */
  get unhashed(): readonly Unhashed[] {
    return this.#reader?.unhashed ?? [];
  }

  /**
   * All of a piece of the run.
   *
   * @param room where to read it to, at least as large as the piece
   * @throws DamagedImplementation
   */
  piece(piece: number, room: Uint8Array): Uint8Array {
    const bytes = room.subarray(0, this.sizeOf(piece));
    this.#read(piece * this.#pieceSize, bytes);
    return bytes;
  }

  close(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }

  #read(start: number, into: Uint8Array): void {
    try {
      this.#readOnce(start, into);
    } catch (error) {
      if (!(error instanceof DamagedImplementation) || this.#held.piecesHere === undefined) {
        throw error;
      }
      const again = this.#again();
      if (again === undefined || again.piecesHere !== undefined) throw error;
      this.#held = again;
      this.close();
      this.#readOnce(start, into);
    }
  }

  #readOnce(start: number, into: Uint8Array): void {
    if (this.#reader?.position !== start) {
      this.close();
      this.#reader = new ContentReader(this.#held, start, this.#end, { known: this.#known });
    }
    this.#reader!.read(into);
    const piece = Math.floor(start / this.#pieceSize);
    const { digest, piecesHere } = this.#held;
    if (piecesHere === undefined || piecesHere()?.[piece] === 1) return;
    throw new DamagedImplementation(digest, `piece ${piece}`, "it is no longer here");
  }
}
