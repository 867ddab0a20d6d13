import assert from "node:assert/strict";
import fc from "fast-check";
import { RangeSet } from "../../../lib/fetch/assembly/range_set.ts";
import type { ByteRange } from "../../../lib/wire/range.ts";

const RANGE: fc.Arbitrary<ByteRange> = fc.tuple(fc.nat(40), fc.nat(12)).map(([start, size]) => ({
  start,
  end: start + size,
}));

/** The same set, position by position. */
class Model {
  readonly #positions = new Set<number>();

  add({ start, end }: ByteRange): void {
    for (let at = start; at < end; at++) this.#positions.add(at);
  }

  remove({ start, end }: ByteRange): void {
    for (let at = start; at < end; at++) this.#positions.delete(at);
  }

  get size(): number {
    return this.#positions.size;
  }

  /** The runs of positions within a range that are, or are not, in the set. */
  runs({ start, end }: ByteRange, inSet: boolean): ByteRange[] {
    const runs: { start: number; end: number }[] = [];
    for (let at = start; at < end; at++) {
      if (this.#positions.has(at) !== inSet) continue;
      if (runs.at(-1)?.end === at) runs.at(-1)!.end++;
      else runs.push({ start: at, end: at + 1 });
    }
    return runs;
  }
}

Deno.test("a range set holds what was added to it, however it overlaps, in as few ranges as can be", () => {
  fc.assert(fc.property(fc.array(RANGE, { maxLength: 20 }), (added) => {
    const set = new RangeSet();
    const model = new Model();
    for (const range of added) {
      set.add(range);
      model.add(range);
      assert.equal(set.size, model.size);
      assert.deepEqual(set.ranges, model.runs({ start: 0, end: 60 }, true));
    }
  }));
});

Deno.test("a range set says exactly which parts of a range it lacks", () => {
  fc.assert(fc.property(fc.array(RANGE, { maxLength: 10 }), RANGE, (added, within) => {
    const set = new RangeSet();
    const model = new Model();
    for (const range of added) {
      set.add(range);
      model.add(range);
    }
    assert.deepEqual(set.missing(within), model.runs(within, false));
  }));
});

Deno.test("a range set loses what is removed from it, and nothing else", () => {
  const step = fc.record({ range: RANGE, remove: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
    const set = new RangeSet();
    const model = new Model();
    for (const { range, remove } of steps) {
      if (remove) {
        set.remove(range);
        model.remove(range);
      } else {
        set.add(range);
        model.add(range);
      }
      assert.equal(set.size, model.size);
      assert.deepEqual(set.ranges, model.runs({ start: 0, end: 60 }, true));
    }
  }));
});

Deno.test("a range set is exact up to 2^53", () => {
  const set = new RangeSet();
  const end = Number.MAX_SAFE_INTEGER;
  set.add({ start: end - 2, end });
  set.add({ start: 0, end: end - 3 });
  assert.deepEqual(set.missing({ start: 0, end }), [{ start: end - 3, end: end - 2 }]);
  assert.equal(set.size, end - 1);
});
