import type { ByteRange } from "../../wire/range.ts";

/** What is left of a range when another one is taken out of it: two parts at the most. */
export function without<T extends ByteRange>(range: T, removed: ByteRange): T[] {
  return [
    { ...range, end: Math.min(range.end, removed.start) },
    { ...range, start: Math.max(range.start, removed.end) },
  ].filter(({ start, end }) => start < end);
}

/** A set of byte positions, kept as ranges that neither touch nor overlap, in ascending order. */
export class RangeSet {
  #ranges: ByteRange[] = [];
  #size = 0;

  /** How many positions are in the set. */
  get size(): number {
    return this.#size;
  }

  get ranges(): readonly ByteRange[] {
    return this.#ranges;
  }

  /** Adds a range; what of it is in the set already makes no difference. */
  add(added: ByteRange): void {
    if (added.start >= added.end) return;
    let { start, end } = added;
    const before: ByteRange[] = [];
    const after: ByteRange[] = [];
    for (const range of this.#ranges) {
      if (range.end < start) before.push(range);
      else if (range.start > end) after.push(range);
      else {
        start = Math.min(start, range.start);
        end = Math.max(end, range.end);
      }
    }
    this.#ranges = [...before, { start, end }, ...after];
    this.#size = this.#ranges.reduce((sum, range) => sum + (range.end - range.start), 0);
  }

  /** Takes a range out; what of it is not in the set makes no difference. */
  remove(removed: ByteRange): void {
    if (removed.start >= removed.end) return;
    this.#ranges = this.#ranges.flatMap((range) => without(range, removed));
    this.#size = this.#ranges.reduce((sum, range) => sum + (range.end - range.start), 0);
  }

  /** The parts of a range that are not in the set, in ascending order. */
  missing(within: ByteRange): ByteRange[] {
    const gaps: ByteRange[] = [];
    let start = within.start;
    for (const range of this.#ranges) {
      if (range.end <= start) continue;
      if (range.start >= within.end) break;
      if (range.start > start) gaps.push({ start, end: range.start });
      start = range.end;
    }
    if (start < within.end) gaps.push({ start, end: within.end });
    return gaps;
  }
}
