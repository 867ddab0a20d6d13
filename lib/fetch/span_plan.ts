import type { ByteRange } from "../wire/range.ts";
import type { PieceMap } from "./assembly/piece_map.ts";
import { joinOverGaps } from "./gaps.ts";

/** One question: a run of whole pieces (`last` inclusive), which may come compressed, or a range of bytes. */
export type SpanQuestion =
  | { readonly kind: "pieces"; readonly first: number; readonly last: number }
  | { readonly kind: "range"; readonly start: number; readonly end: number };

/** How pieces are expected to shrink. */
export interface Shrinking {
  /** What a compressed piece takes on the wire, as a part of its size. */
  readonly ratio: number;
  /** Whether some came already; otherwise it is only hoped for. */
  readonly tried: boolean;
}

/** So much of a piece has to be missing for it to be asked for as a whole, however much it shrinks. */
const ENOUGH = 0.15;

/** With so much of it missing it is asked for as a whole, even if it does not shrink. */
const NEARLY_ALL = 0.9;

/** Of pieces that are here in part so many are asked for at once: others may not shrink like these. */
const LONGEST_IN_PART = 8;

/** What a ratio has to have changed by to make another plan. */
const OTHER_RATIO = 0.1;

/** The next piece may shrink less than the last ones did. */
const CAUTION = 1.2;

/**
 * How to ask for what is missing of a span: whole pieces come compressed, and may be less on the wire
 * than the missing part of them as it is.
 *
 * @param missing in ascending order, none touching another
 * @param expected undefined if no piece comes compressed
 * @returns what covers all that is missing, in ascending order
 */
export function planSpan(
  map: PieceMap,
  missing: readonly ByteRange[],
  expected: Shrinking | undefined,
): SpanQuestion[] {
  const questions: SpanQuestion[] = [];
  let run: { kind: "pieces"; first: number; last: number } | undefined;
  /** Whether some of the run is here. */
  let inPart = false;
  let ranges: { start: number; end: number }[] = [];
  const endRanges = () => {
    questions.push(...joinOverGaps(ranges).map((range) => ({ kind: "range", ...range } as const)));
    ranges = [];
  };
  const worthwhile = expected === undefined
    ? Infinity
    : Math.min(NEARLY_ALL, Math.max(ENOUGH, CAUTION * expected.ratio));
  const longestInPart = expected?.tried === false ? 1 : LONGEST_IN_PART;
  for (const [piece, parts] of byPiece(map, missing)) {
    const lacking = parts.reduce((sum, { start, end }) => sum + end - start, 0);
    const size = map.lengthOf(piece);
    if (lacking >= worthwhile * size) {
      endRanges();
      inPart ||= lacking < size;
      const goesOn = run?.last === piece - 1 && !(inPart && piece - run.first >= longestInPart);
      if (goesOn) run!.last = piece;
      else {
        questions.push(run = { kind: "pieces", first: piece, last: piece });
        inPart = lacking < size;
      }
      continue;
    }
    for (const part of parts) {
      const before = ranges.at(-1);
      if (before !== undefined && before.end === part.start) before.end = part.end;
      else ranges.push({ ...part });
    }
  }
  endRanges();
  return questions;
}

/** Whether what is left of a span should be planned anew, when something else is expected now. */
export function isOtherPlan(before: Shrinking | undefined, now: Shrinking | undefined): boolean {
  if (before === undefined || now === undefined) return before !== now;
  return before.tried !== now.tried || Math.abs(before.ratio - now.ratio) > OTHER_RATIO;
}

/** The pieces that lack something, in ascending order, and what of each is missing. */
function byPiece(map: PieceMap, missing: readonly ByteRange[]): Map<number, ByteRange[]> {
  const pieces = new Map<number, ByteRange[]>();
  for (const { start, end } of missing) {
    for (const [piece, part] of map.parts(start, end)) {
      const parts = pieces.get(piece);
      if (parts === undefined) pieces.set(piece, [part]);
      else parts.push(part);
    }
  }
  return pieces;
}
