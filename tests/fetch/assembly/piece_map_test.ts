import assert from "node:assert/strict";
import fc from "fast-check";
import { PieceMap } from "../../../lib/fetch/assembly/piece_map.ts";
import { pieceSize } from "../../../lib/manifest/layout.ts";
import { pieceCount } from "../../../lib/wire/availability.ts";

function streamOf(size: number): { size: number } {
  return { size };
}

/** In 4 KiB, so that a model is small: 1 to 6 pieces and something. */
const UNIT = 4096;
const SIZE = fc.tuple(fc.integer({ min: 1, max: 400 }), fc.nat(UNIT - 1)).map(([units, rest]) =>
  units * UNIT + rest
);

/** Says of each unit, and of the rest, whether it is so. */
class Model {
  readonly units: Uint8Array;

  constructor(readonly size: number) {
    this.units = new Uint8Array(Math.ceil(size / UNIT));
  }

  set(start: number, end: number, value: 0 | 1): void {
    this.units.fill(value, start / UNIT, Math.ceil(end / UNIT));
  }

  whole(piece: number): boolean {
    const each = pieceSize(this.size);
    const first = piece * each / UNIT;
    return this.units.subarray(first, Math.min(this.units.length, first + each / UNIT))
      .every((unit) => unit === 1);
  }

  runs(value: 0 | 1): { start: number; end: number }[] {
    const runs: { start: number; end: number }[] = [];
    for (const [index, unit] of this.units.entries()) {
      if (unit !== value) continue;
      const start = index * UNIT;
      const end = Math.min(this.size, start + UNIT);
      if (runs.at(-1)?.end === start) runs.at(-1)!.end = end;
      else runs.push({ start, end });
    }
    return runs;
  }
}

Deno.test("a piece is here when all of it came and nothing was lost, whatever the order", () => {
  const step = fc.record({
    choose: fc.nat(),
    cut: fc.nat(),
    length: fc.nat(300),
    lose: fc.boolean(),
  });
  fc.assert(fc.property(SIZE, fc.array(step, { maxLength: 40 }), (size, steps) => {
    const map = new PieceMap(streamOf(size));
    const model = new Model(size);
    assert.equal(map.count, pieceCount(size));
    for (const { choose, cut, length, lose } of steps) {
      const runs = model.runs(lose ? 1 : 0);
      if (runs.length === 0) continue;
      const run = runs[choose % runs.length]!;
      const units = Math.ceil((run.end - run.start) / UNIT);
      const start = run.start + cut % units * UNIT;
      const end = Math.min(run.end, start + (1 + length) * UNIT);
      const before = Array.from({ length: map.count }, (_, piece) => model.whole(piece));
      model.set(start, end, lose ? 0 : 1);
      const changed = before.flatMap((was, piece) => was === model.whole(piece) ? [] : [piece]);
      assert.deepEqual(lose ? map.lost(start, end) : map.received(start, end), changed);
      for (const [piece] of before.entries()) assert.equal(map.isHere(piece), model.whole(piece));
    }
  }));
});

Deno.test("a piece is verified when all the files are that it belongs to", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 500_000 }), { minLength: 1, maxLength: 12 });
  fc.assert(fc.property(sizes, fc.infiniteStream(fc.nat()), (sizes, choose) => {
    const size = sizes.reduce((sum, size) => sum + size, 0);
    const map = new PieceMap(streamOf(size));
    let at = 0;
    const files = sizes.map((size) => ({ start: at, end: at += size, done: false }));
    for (let left = files.slice(); left.length > 0;) {
      const file = left[choose.next().value! % left.length]!;
      left = left.filter((other) => other !== file);
      const whole = (piece: number) => {
        const { start, end } = map.rangeOf(piece);
        return files.every((file) => file.done || file.end <= start || file.start >= end);
      };
      const before = Array.from({ length: map.count }, (_, piece) => whole(piece));
      file.done = true;
      const now = before.flatMap((was, piece) => was || !whole(piece) ? [] : [piece]);
      assert.deepEqual(map.verified(file.start, file.end), now);
      for (const [piece] of before.entries()) assert.equal(map.isVerified(piece), whole(piece));
    }
  }));
});

Deno.test("pieces lie end to end, and the last one may be shorter", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (size) => {
    const map = new PieceMap(streamOf(size));
    if (size === 0) {
      assert.equal(map.count, 0);
      return;
    }
    assert.equal(map.rangeOf(0).start, 0);
    assert.equal(map.rangeOf(map.count - 1).end, size);
    const piece = Math.floor(map.count / 2);
    if (piece > 0) assert.equal(map.rangeOf(piece - 1).end, map.rangeOf(piece).start);
    assert.ok(map.lengthOf(piece) > 0 && map.lengthOf(piece) <= map.pieceSize);
  }));
});
