import assert from "node:assert/strict";
import fc from "fast-check";
import { joinOverGaps } from "../../lib/fetch/gaps.ts";
import type { ByteRange } from "../../lib/wire/range.ts";

/** Ranges in ascending order, none touching another; gaps of all sizes. */
const RANGES: fc.Arbitrary<ByteRange[]> = fc.array(
  fc.tuple(
    fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2000 })),
    fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 5000 })),
  ),
  { maxLength: 20 },
).map((steps) => {
  let at = 0;
  return steps.map(([gap, size]) => {
    const start = at += gap;
    return { start, end: at += size };
  });
});

function sizeOf(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

function covers(ranges: readonly ByteRange[], { start, end }: ByteRange): boolean {
  return ranges.some((range) => range.start <= start && end <= range.end);
}

Deno.test("joined ranges leave nothing out, stay apart and in order, and add 1 % at most", () => {
  fc.assert(fc.property(RANGES, (ranges) => {
    const joined = joinOverGaps(ranges);
    for (const range of ranges) assert.ok(covers(joined, range));
    for (const [index, { start, end }] of joined.entries()) {
      assert.ok(start < end);
      assert.ok(index === 0 || joined[index - 1]!.end < start);
      assert.ok(ranges.some((range) => range.start === start), "none begins where nothing lacks");
      assert.ok(ranges.some((range) => range.end === end), "none ends where nothing lacks");
    }
    assert.ok(sizeOf(joined) <= 1.01 * sizeOf(ranges));
  }));
});

Deno.test("another gap could not be joined, too: the smallest ones were", () => {
  fc.assert(fc.property(RANGES, (ranges) => {
    const joined = joinOverGaps(ranges);
    const left = 0.01 * sizeOf(ranges) - (sizeOf(joined) - sizeOf(ranges));
    const gaps = joined.slice(1).map(({ start }, index) => start - joined[index]!.end);
    assert.ok(gaps.every((gap) => gap > left));
  }));
});
