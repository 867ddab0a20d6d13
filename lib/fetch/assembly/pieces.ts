import type { Digest } from "../../manifest/digest.ts";
import type { ContentStream, Extent } from "../../manifest/layout.ts";
import { PieceFile } from "../../store/piece_file.ts";
import type { ByteRange } from "../../wire/range.ts";
import type { AssemblyObserver } from "./assembly.ts";
import { PieceMap } from "./piece_map.ts";
import { Suppliers } from "./suppliers.ts";

/** Whoever has to know what comes and goes. */
export interface PieceListener {
  /** All of a piece is here. */
  arrived(piece: number): void;
  /** Some of a piece that was here is missing again. */
  missing(piece: number): void;
  /** What somebody sent was of no use after all. */
  wasted(from: string, bytes: number): void;
  /** A content of several peers is wrong. */
  doubted(index: number): void;
  /** A content is right. */
  settled(extent: Extent): void;
}

/**
 * The pieces of a download: which are here, who sent them, and which may be given to others. Says so
 * in staging, for a server on this machine and for whoever continues after this process.
 */
export class Pieces implements AssemblyObserver, Disposable {
  readonly map: PieceMap;
  listener: PieceListener | undefined;
  /** Whose piece digests count; who sends what matches them has only given on what others did. */
  digestSource: string | undefined;
  readonly #matched: Uint8Array;
  readonly #suppliers = new Suppliers();
  #file: PieceFile | undefined;

  constructor(stream: Pick<ContentStream, "size">) {
    this.map = new PieceMap(stream);
    this.#matched = new Uint8Array(this.map.count);
  }

  /** Begins to say so. @throws StoreFailed, as everything that changes a piece does from then on */
  open(store: string, digest: Digest): void {
    const states = Uint8Array.from({ length: this.map.count }, (_, piece) => this.#stateOf(piece));
    this.#file = new PieceFile(store, digest, states);
  }

  /** Who sent the bytes of a piece that are here, as far as they are within a range of the stream. */
  suppliersOf(piece: number, within: ByteRange): ReadonlySet<string> {
    return this.#suppliers.of(piece, within);
  }

  /** Whether a piece may be given to others. */
  isShared(piece: number): boolean {
    return this.#stateOf(piece) === 2;
  }

  /** A piece that is here matches the piece digests, and can be read in the tree. */
  match(piece: number): void {
    this.#matched[piece] = 1;
    this.#tell(piece);
  }

  /**
   * Writes a piece of which nothing is here, and which matches the piece digests: it may be given on as
   * soon as all of it is here.
   */
  writeMatching(piece: number, write: () => void): void {
    this.#matched[piece] = 1;
    try {
      write();
    } finally {
      // A file in it was wrong all the same.
      if (!this.map.isHere(piece)) this.#matched[piece] = 0;
    }
  }

  /** The piece digests are not believed any more: only right files count. */
  unmatch(): void {
    for (let piece = 0; piece < this.map.count; piece++) {
      if (this.#matched[piece] === 0) continue;
      this.#matched[piece] = 0;
      this.#tell(piece);
    }
  }

  received(start: number, end: number, from: string): void {
    for (const [piece, part] of this.map.parts(start, end)) {
      this.#suppliers.received(piece, part.start, part.end, from);
    }
    for (const piece of this.map.received(start, end)) {
      this.#tell(piece);
      this.listener?.arrived(piece);
    }
  }

  lost(start: number, end: number): void {
    for (const [piece, part] of this.map.parts(start, end)) {
      const lost = this.#suppliers.lost(piece, part.start, part.end);
      for (const [from, bytes] of lost) this.listener?.wasted(from, bytes);
    }
    for (const piece of this.map.lost(start, end)) {
      this.#matched[piece] = 0;
      this.#tell(piece);
      this.listener?.missing(piece);
    }
  }

  verified(extent: Extent): void {
    for (const piece of this.map.verified(extent.offset, extent.offset + extent.size)) {
      this.#tell(piece);
    }
    this.listener?.settled(extent);
  }

  isToBlame(peer: string): boolean {
    return this.digestSource === undefined || this.digestSource === peer;
  }

  doubted(index: number): void {
    this.listener?.doubted(index);
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    this.#file = undefined;
  }

  #stateOf(piece: number): 0 | 1 | 2 {
    if (!this.map.isHere(piece)) return 0;
    return this.map.isVerified(piece) || this.#matched[piece] === 1 ? 2 : 1;
  }

  #tell(piece: number): void {
    this.#file?.set(piece, this.#stateOf(piece));
  }
}
