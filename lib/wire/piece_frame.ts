/** A piece of a content stream as one zstd frame. */
export interface PieceFrame {
  /** Its number. */
  readonly piece: number;
  /** Of the piece, in bytes. */
  readonly size: number;
  /** The SHA-256 of the piece, in hexadecimal. */
  readonly sha256: string;
  /** The frame. */
  readonly frame: Uint8Array<ArrayBuffer>;
}
