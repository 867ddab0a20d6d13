import assert from "node:assert/strict";
import { QueryRate } from "../../lib/serve/rate.ts";
import { QUERIES_PER_SECOND, REMEMBERED_ADDRESSES } from "../../lib/wire/limits.ts";

function admitted(rate: QueryRate, address: string, times: number, now: number): number {
  let count = 0;
  for (let query = 0; query < times; query++) if (rate.admits(address, now)) count++;
  return count;
}

Deno.test("an address gets a second's queries answered at once, and no more", () => {
  const rate = new QueryRate();
  assert.equal(admitted(rate, "a", QUERIES_PER_SECOND * 3, 1000), QUERIES_PER_SECOND);
});

Deno.test("one address does not use up what another one may ask", () => {
  const rate = new QueryRate();
  admitted(rate, "a", QUERIES_PER_SECOND * 3, 1000);
  assert.equal(admitted(rate, "b", QUERIES_PER_SECOND, 1000), QUERIES_PER_SECOND);
});

Deno.test("an address may ask again in proportion to the time that passes", () => {
  const rate = new QueryRate();
  admitted(rate, "a", QUERIES_PER_SECOND, 1000);
  const half = admitted(rate, "a", QUERIES_PER_SECOND, 1500);
  assert.equal(half, QUERIES_PER_SECOND / 2);
});

Deno.test("refused queries do not put the next answer off", () => {
  const rate = new QueryRate();
  admitted(rate, "a", QUERIES_PER_SECOND, 0);
  let count = 0;
  for (let now = 1; now <= 10_000; now++) if (rate.admits("a", now)) count++;
  assert.ok(Math.abs(count - 10 * QUERIES_PER_SECOND) <= 1, `${count}`);
});

Deno.test("silence does not save up more than a second's queries", () => {
  const rate = new QueryRate();
  admitted(rate, "a", QUERIES_PER_SECOND, 0);
  assert.equal(admitted(rate, "a", QUERIES_PER_SECOND * 9, 3_600_000), QUERIES_PER_SECOND);
});

Deno.test("forged addresses make it forget whoever was silent longest, not who asks now", () => {
  const rate = new QueryRate();
  admitted(rate, "silent", QUERIES_PER_SECOND, 0);
  admitted(rate, "busy", QUERIES_PER_SECOND, 0);
  for (let index = 0; index < REMEMBERED_ADDRESSES; index++) {
    if (index % 100 === 0) rate.admits("busy", 0);
    rate.admits(`forged ${index}`, 0);
  }
  assert.equal(rate.admits("busy", 0), false);
  assert.equal(rate.admits("silent", 0), true);
});
