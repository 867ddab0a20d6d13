import type { ByteRange } from "../wire/range.ts";

/** What may be asked for although it is here already, as a part of what is missing. */
const WASTE = 0.01;

/**
 * Joins ranges over small gaps, the smallest first, as long as that adds little: a question costs as
 * much as some bytes do.
 *
 * @param ranges in ascending order, none touching another
 */
export function joinOverGaps(ranges: readonly ByteRange[]): ByteRange[] {
  const missing = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  const gaps = ranges.slice(1).map(({ start }, index) => ({
    index,
    size: start - ranges[index]!.end,
  }));
  let left = missing * WASTE;
  const joined = new Set<number>();
  for (const { index, size } of gaps.sort((a, b) => a.size - b.size)) {
    if (size > left) break;
    left -= size;
    joined.add(index);
  }
  const result: { start: number; end: number }[] = [];
  for (const [index, { start, end }] of ranges.entries()) {
    if (index > 0 && joined.has(index - 1)) result.at(-1)!.end = end;
    else result.push({ start, end });
  }
  return result;
}
