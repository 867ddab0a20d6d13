/** Who downloads what nobody has: each machine decides for itself from what it has heard. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Turns } from "../../../lib/fetch/search/turns.ts";
import { digestOf } from "../../../lib/manifest/digest_of.ts";
import {
  CLAIM_FRESH_MS,
  MAX_CLAIMS,
  MAX_TURNS_IN_VAIN,
  TURN_NOT_TAKEN_MS,
  WAITING_AT_MOST_MS,
} from "../../../lib/wire/limits.ts";
import { id } from "../../wire/arbitraries.ts";

const ONE = digestOf("sha256new", new Uint8Array([1]));
const SAME = digestOf("sha1new", new Uint8Array([1]));
const OTHER = digestOf("sha256new", new Uint8Array([2]));

const ids = fc.uniqueArray(id, { minLength: 1, maxLength: 8 });

Deno.test("of those who have heard each other, whenever and how often, exactly one downloads", () => {
  const rooms = ids.chain((ids) =>
    fc.record({
      ids: fc.constant(ids),
      heard: fc.shuffledSubarray(
        ids.flatMap((to) => ids.map((from) => [to, from] as const)),
        { minLength: ids.length ** 2 },
      ),
      again: fc.array(fc.tuple(fc.constantFrom(...ids), fc.constantFrom(...ids))),
    })
  );
  fc.assert(fc.property(rooms, ({ ids, heard, again }) => {
    const turns = new Map(ids.map((id) => [id, new Turns(id)]));
    let now = 1000;
    for (const [to, from] of [...heard, ...again]) turns.get(to)!.claimed(ONE, from, now++);
    const mine = ids.filter((id) => turns.get(id)!.isMine([ONE], now));
    assert.deepEqual(mine, [ids.toSorted()[0]]);
    for (const id of ids) assert.equal(turns.get(id)!.isWanted([ONE], now), ids.length > 1);
  }));
});

Deno.test("machines that join one after the other and object to each other never choose two", () => {
  // Each decides, for good, a while after it has joined; who decided answers "pending" from then on.
  const rooms = ids.chain((ids) =>
    fc.record({ ids: fc.constant(ids), at: fc.array(fc.nat(500), { minLength: 8, maxLength: 8 }) })
  );
  fc.assert(fc.property(rooms, ({ ids, at }) => {
    const machines = ids.map((id, index) => ({ id, at: at[index]!, turns: new Turns(id) }));
    const events = machines.flatMap((machine) => [
      { time: machine.at, machine, claims: true },
      { time: machine.at + 150.5, machine, claims: false },
    ]).sort((a, b) => a.time - b.time);
    const present: typeof machines = [];
    const downloading: string[] = [];
    for (const { time, machine, claims } of events) {
      if (!claims) {
        if (machine.turns.isMine([ONE], time)) downloading.push(machine.id);
        continue;
      }
      // It is heard by those who are there, and they answer: with a claim, or that they download.
      for (const other of present) {
        other.turns.claimed(ONE, machine.id, time);
        if (downloading.includes(other.id)) machine.turns.pending(ONE, time);
        else machine.turns.claimed(ONE, other.id, time);
      }
      present.push(machine);
    }
    assert.equal(downloading.length, 1);
  }));
});

Deno.test("alone, or wanting something else, it is one's own turn", () => {
  const turns = new Turns("5");
  assert.ok(turns.isMine([ONE], 0));
  turns.claimed(OTHER, "1", 0);
  turns.claimed(ONE, "5", 0);
  assert.ok(turns.isMine([ONE], 0));
  assert.ok(!turns.isMine([OTHER], 0));
  assert.ok(!turns.isWanted([ONE], 0));
});

Deno.test("who is downloading goes before any claim", () => {
  const turns = new Turns("1");
  turns.claimed(ONE, "2", 0);
  assert.ok(turns.isMine([ONE], 0));
  turns.pending(ONE, 10);
  assert.ok(!turns.isMine([ONE], 10));
});

Deno.test("what is known of one name of a tree holds for all of it", () => {
  for (const digest of [ONE, SAME]) {
    const claimed = new Turns("5");
    claimed.claimed(digest, "1", 0);
    const pending = new Turns("5");
    pending.pending(digest, 0);
    for (const turns of [claimed, pending]) {
      assert.ok(!turns.isMine([ONE, SAME], 0));
      assert.ok(turns.isMine([OTHER], 0));
    }
    assert.ok(claimed.isWanted([ONE, SAME], 0));
  }
});

Deno.test("who has died is out: a claim and a download count for as long as they are repeated", () => {
  for (const digest of [ONE, SAME]) {
    const turns = new Turns("5");
    turns.claimed(digest, "1", 0);
    turns.claimed(digest, "1", 1000);
    assert.ok(!turns.isMine([ONE, SAME], 999 + CLAIM_FRESH_MS));
    assert.ok(turns.isMine([ONE, SAME], 1000 + CLAIM_FRESH_MS));
    assert.ok(!turns.isWanted([ONE, SAME], 1000 + CLAIM_FRESH_MS));
    const after = new Turns("5");
    after.pending(digest, 1000);
    assert.ok(!after.isMine([ONE, SAME], 999 + CLAIM_FRESH_MS));
    assert.ok(after.isMine([ONE, SAME], 1000 + CLAIM_FRESH_MS));
  }
});

/** When it becomes one's own turn, if others go on like this; looked at several times a second. */
function mineAt(turns: Turns, others: (now: number) => void): number {
  for (let now = 0;; now += 250) {
    others(now);
    if (turns.isMine([ONE], now)) return now;
    assert.ok(now < 2 * WAITING_AT_MOST_MS);
  }
}

Deno.test("who claims and never downloads is not waited for long", () => {
  const turns = new Turns("5");
  assert.equal(mineAt(turns, (now) => turns.claimed(ONE, "1", now)), TURN_NOT_TAKEN_MS);
});

Deno.test("when one after the other gives up, the rest do not wait for their turns", () => {
  const turns = new Turns("9");
  let downloads = 0;
  const at = mineAt(turns, (now) => {
    turns.claimed(ONE, "1", now);
    if (now % 4000 !== 0) return;
    downloads++;
    turns.pending(ONE, now);
  });
  assert.equal(downloads, MAX_TURNS_IN_VAIN);
  assert.ok(at <= 4000 + CLAIM_FRESH_MS + 250);
});

Deno.test("who says for ever that he is downloading is not waited for for ever", () => {
  const turns = new Turns("5");
  assert.equal(mineAt(turns, (now) => turns.pending(ONE, now)), WAITING_AT_MOST_MS);
});

Deno.test("who hears of a download begins none, whatever else it has heard", () => {
  const known = fc.array(fc.tuple(id, fc.nat(1000)));
  fc.assert(fc.property(id, known, fc.nat(1000), (own, claims, at) => {
    const turns = new Turns(own);
    for (const [other, when] of claims) turns.claimed(ONE, other, when);
    turns.pending(ONE, at);
    assert.ok(!turns.isMine([ONE], Math.max(at, 1000)));
  }));
});

Deno.test("of more claims than anybody makes the latest are kept", () => {
  const turns = new Turns("5");
  turns.claimed(ONE, "1", 0);
  for (let n = 0; n < MAX_CLAIMS - 1; n++) turns.claimed(ONE, `9-${n}`, 1);
  assert.equal(turns.isMine([ONE], 2), false);
  turns.claimed(ONE, "9", 2);
  assert.equal(turns.isMine([ONE], 2), true, "the one whose turn it was is forgotten");
});
