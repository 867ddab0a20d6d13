import { pieceSize } from "../manifest/layout.ts";
import { decodeBitfield, encodeBitfield } from "./bitfield.ts";
import { MAX_AVAILABILITY_SIZE } from "./limits.ts";

/**
 * The header that tells, as a bitfield, which pieces a partial peer has: with every answer to a
 * request for pieces.
 */
export const PIECES_HEADER = "0share-pieces";

/** Which pieces of an implementation a peer has. */
export interface Availability {
  /** Of the content stream, in bytes. */
  readonly size: number;
  /** In bytes; the last piece may be shorter. */
  readonly pieceSize: number;
  /** All of them, or 0 or 1 for each. */
  readonly pieces: "all" | Uint8Array;
}

/** How many pieces a content stream of this size has. */
export function pieceCount(streamSize: number): number {
  return Math.ceil(streamSize / pieceSize(streamSize));
}

/** What a `/pieces` request is answered with: JSON. */
export function formatAvailability({ size, pieceSize, pieces }: Availability): string {
  return JSON.stringify({
    size,
    pieceSize,
    pieces: pieces === "all" ? pieces : encodeBitfield(pieces),
  });
}

/**
 * Reads the answer to a `/pieces` request, whatever it is. Members that are not known are ignored.
 *
 * @returns undefined for what is none, or whose sizes and pieces do not go together
 */
export function parseAvailability(text: string): Availability | undefined {
  if (text.length > MAX_AVAILABILITY_SIZE) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { size, pieceSize: each, pieces } = Object(value) as Record<string, unknown>;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0 || Object.is(size, -0)) {
    return undefined;
  }
  if (each !== pieceSize(size) || typeof pieces !== "string") return undefined;
  if (pieces === "all") return { size, pieceSize: each, pieces };
  const flags = decodeBitfield(pieces, pieceCount(size));
  return flags === undefined ? undefined : { size, pieceSize: each, pieces: flags };
}
