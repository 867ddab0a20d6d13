import assert from "node:assert/strict";
import { Member } from "../../lib/fetch/member.ts";
import { isSlow, WaitingTurns } from "../../lib/fetch/waiting_turns.ts";

const FAST = 10_000_000;
const SLOW = 10_000;

function member(): Member {
  const made = new Member({ address: "192.0.2.1", port: 1 }, "have");
  made[Symbol.dispose]();
  return made;
}

/** Turns in which somebody made way who brought so much, and nobody has had another one since. */
function turnsAfter(...rates: number[]): WaitingTurns {
  const turns = new WaitingTurns();
  for (const rate of rates) turns.add(member(), rate);
  return turns;
}

Deno.test("where nobody else is, nobody is in the way", () => {
  for (const rate of [SLOW, FAST]) {
    assert.equal(turnsAfter().isInTheWay(rate, 100, false), false);
    assert.equal(turnsAfter().isInTheWay(rate, 1, true), true);
  }
});

Deno.test("who is slow makes way for whoever was never asked", () => {
  assert.ok(isSlow(SLOW) && !isSlow(FAST));
  assert.equal(turnsAfter(SLOW, SLOW).isInTheWay(SLOW, 1, true), true);
});

Deno.test("where others have brought about as much, nobody makes way soon for who is no faster", () => {
  for (const before of [FAST, 1.9 * FAST, 0.6 * FAST]) {
    assert.equal(turnsAfter(before).isInTheWay(FAST, 1, true), false, `unasked, after ${before}`);
    assert.equal(turnsAfter(before).isInTheWay(FAST, 1, false), false, `after ${before}`);
    assert.equal(turnsAfter(before).isInTheWay(FAST, 4, false), true, "but not for ever");
  }
  assert.equal(turnsAfter(SLOW).isInTheWay(FAST, 1, true), true, "who was slow tells nothing");
});

Deno.test("who was clearly faster has another turn at once", () => {
  const turns = turnsAfter(3 * SLOW);
  assert.equal(turns.isInTheWay(SLOW, 1, false), true);
  assert.ok(turns.next() !== undefined);
  assert.equal(turns.next(), undefined);
  assert.equal(turns.isInTheWay(SLOW, 100, false), false, "nobody waits any more");
});
