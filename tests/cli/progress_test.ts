import assert from "node:assert/strict";
import fc from "fast-check";
import type { Output } from "../../lib/cli/output.ts";
import { ProgressBar, progressLine } from "../../lib/cli/progress.ts";

const STATE = fc.tuple(fc.maxSafeInteger(), fc.maxSafeInteger()).map(([a, b]) => ({
  done: Math.min(Math.abs(a), Math.abs(b)),
  total: Math.max(Math.abs(a), Math.abs(b)),
})).chain(({ done, total }) =>
  fc.record({
    done: fc.constant(done),
    total: fc.constant(total),
    peers: fc.nat(),
    rate: fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1e12, noNaN: true })),
  })
);

Deno.test("the line fits every terminal, leaving the last column free", () => {
  fc.assert(fc.property(STATE, fc.nat(200), (state, width) => {
    const line = progressLine(state, width);
    assert.ok(line.length <= Math.max(0, width - 1), `${line.length} of ${width}: ${line}`);
    assert.doesNotMatch(line, /NaN|Infinity|undefined|-\d/);
  }));
});

Deno.test("the line says share, bytes, rate, time left and peers", () => {
  const state = { done: 500_000, total: 2_000_000, peers: 1, rate: 500_000 };
  assert.equal(
    progressLine(state, 100),
    `[${"#".repeat(8)}${"-".repeat(22)}]  25 %  500 kB of 2.00 MB  500 kB/s  3 s left  1 peer`,
  );
  assert.match(progressLine({ ...state, peers: 2, rate: 0 }, 100), /0 bytes\/s {2}2 peers$/);
});

Deno.test("everything is only said to be there when it is", () => {
  assert.match(progressLine({ done: 999, total: 1000, peers: 1, rate: 1 }, 100), / 99 %/);
  assert.match(progressLine({ done: 1000, total: 1000, peers: 1, rate: 1 }, 100), /100 %/);
  assert.match(progressLine({ done: 0, total: 0, peers: 1, rate: 0 }, 100), /100 %/);
});

class FakeOutput {
  readonly bars: string[] = [];
  constructor(readonly terminal: boolean) {}
  bar(text: string): void {
    this.bars.push(text);
  }
}

function barOn(terminal: boolean): { output: FakeOutput; bar: ProgressBar } {
  const output = new FakeOutput(terminal);
  return { output, bar: new ProgressBar(output as unknown as Output) };
}

Deno.test("the bar is not drawn where there is no terminal", () => {
  const { output, bar } = barOn(false);
  bar.update("a", { done: 1, total: 2, peers: 1 }, 1000);
  assert.deepEqual(output.bars, []);
});

Deno.test("the bar is drawn now and then, and erased in the end", () => {
  const { output, bar } = barOn(true);
  for (let now = 1000; now < 2000; now += 10) {
    bar.update("a", { done: now, total: 2000, peers: 1 }, now);
  }
  assert.ok(output.bars.length >= 5 && output.bars.length <= 20, `${output.bars.length}`);
  bar[Symbol.dispose]();
  assert.equal(output.bars.at(-1), "");
});

Deno.test("several downloads are one bar", () => {
  const { output, bar } = barOn(true);
  bar.update("a", { done: 100, total: 200, peers: 1 }, 1000);
  bar.update("b", { done: 100, total: 600, peers: 3 }, 2000);
  assert.match(output.bars.at(-1)!, / 25 % {2}200 bytes of 800 bytes/);
});

Deno.test("the rate follows the last seconds, and is never negative", () => {
  const { output, bar } = barOn(true);
  bar.update("a", { done: 0, total: 10_000, peers: 1 }, 1000);
  bar.update("a", { done: 1000, total: 10_000, peers: 1 }, 2000);
  assert.match(output.bars.at(-1)!, /1\.00 kB\/s {2}9 s left/);
  // Nothing for longer than it looks back.
  bar.update("a", { done: 1000, total: 10_000, peers: 1 }, 4000);
  bar.update("a", { done: 1000, total: 10_000, peers: 1 }, 6000);
  assert.match(output.bars.at(-1)!, / 0 bytes\/s/);
  // A large file was wrong: it is missing again.
  bar.update("a", { done: 500, total: 10_000, peers: 1 }, 6500);
  assert.match(output.bars.at(-1)!, / 0 bytes\/s/);
});
