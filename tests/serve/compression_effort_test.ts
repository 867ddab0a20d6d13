import assert from "node:assert/strict";
import { CompressionEffort } from "../../lib/serve/compression_effort.ts";
import type { ZstdLevel } from "../../lib/wire/zstd_calls.ts";

/** How long the fastest level takes for a piece, in milliseconds, and how much longer the others. */
const COMPRESSING = 1.4;
const FACTORS = { 1: 1, 3: 1.4, 6: 3.6 } as const;

/** Compresses pieces one after the other, each of which the wire takes so long for. */
class Sending {
  now = 5000;
  processor = 70;
  readonly effort = new CompressionEffort({
    now: () => this.now,
    processor: () => this.processor,
  });

  /** @param times in milliseconds: `beside` is what the processor does for others meanwhile */
  pieces(
    count: number,
    { wire, reading = 0.5, beside = 0 }: { wire: number; reading?: number; beside?: number },
  ): ZstdLevel[] {
    return Array.from({ length: count }, () => {
      const level = this.effort.begin();
      const compressing = COMPRESSING * FACTORS[level];
      this.now += reading + compressing;
      this.processor += reading + compressing;
      this.effort.spent(reading, compressing);
      this.now += Math.max(wire, beside);
      this.processor += beside;
      return level;
    });
  }
}

Deno.test("over a fast wire everything is compressed as fast as can be", () => {
  const levels = new Sending().pieces(500, { wire: 1.2 });
  assert.deepEqual(new Set(levels), new Set([1]));
});

Deno.test("over a slow wire it is compressed well, from the first few pieces on", () => {
  const levels = new Sending().pieces(100, { wire: 14 });
  assert.deepEqual(new Set(levels.slice(0, 14)), new Set([1]));
  assert.deepEqual(new Set(levels.slice(20)), new Set([6]));
});

Deno.test("over a wire that is neither it is compressed a little better", () => {
  const levels = new Sending().pieces(200, { wire: 3.5 });
  assert.deepEqual(new Set(levels.slice(50)), new Set([3]));
});

Deno.test("over the slowest wires, too, where a piece takes seconds", () => {
  const levels = new Sending().pieces(10, { wire: 1500 });
  assert.deepEqual(levels, [1, 1, 1, 1, 1, 1, 1, 1, 6, 6]);
});

Deno.test("what takes long to read is not compressed well beside that", () => {
  const levels = new Sending().pieces(200, { wire: 4, reading: 4 });
  assert.deepEqual(new Set(levels), new Set([1]));
});

Deno.test("when the other side stops for a moment, it is compressed as fast as before", () => {
  const sending = new Sending();
  const levels = Array.from({ length: 20 }, () => {
    sending.now += 300;
    return sending.pieces(100, { wire: 1.2 });
  });
  assert.deepEqual(new Set(levels.flat()), new Set([1]));
});

Deno.test("who is busy with other things has no time to compress well", () => {
  const levels = new Sending().pieces(200, { wire: 14, beside: 13 });
  assert.deepEqual(new Set(levels), new Set([1]));
});

Deno.test("a wait for the disk is no time to compress well either", () => {
  const sending = new Sending();
  const levels = Array.from({ length: 50 }, () => {
    const level = sending.effort.begin();
    sending.now += 40;
    sending.processor += 1;
    sending.effort.spent(38, 2);
    sending.now += 1;
    return level;
  });
  assert.deepEqual(new Set(levels), new Set([1]));
});

Deno.test("when a fast wire follows a slow one, it is soon as fast as can be again", () => {
  const sending = new Sending();
  sending.pieces(100, { wire: 14 });
  const levels = sending.pieces(200, { wire: 1.2 });
  assert.equal(levels[0], 6);
  assert.deepEqual(new Set(levels.slice(60)), new Set([1]));
});

Deno.test("the wait for pieces that were compressed before does not count", () => {
  const sending = new Sending();
  const levels = Array.from({ length: 200 }, () => {
    for (let kept = 0; kept < 10; kept++) {
      sending.now += 1.2;
      sending.effort.passedOver();
    }
    return sending.pieces(1, { wire: 1.2 })[0];
  });
  assert.deepEqual(new Set(levels), new Set([1]));
});

Deno.test("at first, and after a pause, it is compressed as fast as can be", () => {
  const sending = new Sending();
  sending.now += 60_000;
  assert.deepEqual(new Set(sending.pieces(200, { wire: 1.2 })), new Set([1]));
  sending.pieces(100, { wire: 14 });
  sending.now += 60_000;
  assert.deepEqual(new Set(sending.pieces(200, { wire: 1.2 })), new Set([1]));
});
