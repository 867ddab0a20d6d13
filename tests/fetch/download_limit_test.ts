import assert from "node:assert/strict";
import fc from "fast-check";
import { DownloadLimit } from "../../lib/fetch/download_limit.ts";

/** In bytes per second. */
const RATE = 1_000_000;

Deno.test("a rate is held, however much comes at a time, and time that passes is not lost", () => {
  const steps = fc.array(
    fc.record({ bytes: fc.integer({ min: 1, max: 500_000 }), late: fc.nat(90) }),
    { minLength: 1, maxLength: 200 },
  );
  fc.assert(fc.property(steps, (steps) => {
    let now = 1000;
    let bytes = 0;
    let late = 0;
    const limit = new DownloadLimit(RATE, () => now);
    for (const step of steps) {
      bytes += step.bytes;
      now += limit.owed(step.bytes);
      assert.ok(bytes <= RATE * (now - 1000) / 1000 + 1, "never more than the rate");
      // Whoever waits wakes late; up to a tenth of a second that is made up for.
      now += step.late;
      late += step.late;
    }
    const least = bytes / RATE * 1000;
    const took = now - 1000;
    assert.ok(took <= least + steps.at(-1)!.late + late + 1e-6);
  }));
});

Deno.test("waking late every time makes it no slower", () => {
  let now = 0;
  const limit = new DownloadLimit(RATE, () => now);
  const sent = 1000 * 100_000;
  for (let time = 0; time < 1000; time++) now += limit.owed(100_000) + (time % 2 === 0 ? 50 : 0);
  assert.ok(Math.abs(now - sent / RATE * 1000) <= 100, `${now}`);
});

Deno.test("after a silence a tenth of a second's bytes come at once, and no more", () => {
  let now = 0;
  const limit = new DownloadLimit(RATE, () => now);
  now += 3_600_000;
  assert.equal(limit.owed(100_000), 0);
  assert.equal(limit.owed(100_000), 100);
});

Deno.test("several that take at the same time wait for each other's bytes as well", () => {
  const now = 0;
  const limit = new DownloadLimit(RATE, () => now);
  assert.equal(limit.owed(100_000), 100);
  assert.equal(limit.owed(100_000), 200);
});

Deno.test("who waits can be stopped", async () => {
  const limit = new DownloadLimit(1);
  const abort = new AbortController();
  const reason = new Error("enough");
  const taking = limit.take(1_000_000, abort.signal);
  abort.abort(reason);
  await assert.rejects(taking, reason);
});
