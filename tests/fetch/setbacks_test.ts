import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { PeerBusy, PeerSlow } from "../../lib/errors.ts";
import type { Member } from "../../lib/fetch/member.ts";
import { Setbacks } from "../../lib/fetch/setbacks.ts";
import { MAX_BUSY_ANSWERS, RETRIES_MS } from "../../lib/wire/limits.ts";

const MEMBER = {} as Member;
const OTHER = {} as Member;
const BUSY = new PeerBusy("peer", 0.001);

/** Waits until somebody is not left alone any more. */
async function over(setbacks: Setbacks): Promise<void> {
  while (setbacks.any) await setTimeout(1);
}

Deno.test("who has no place is left alone for as long as it says, and given up some time", async () => {
  const back: Member[] = [];
  using setbacks = new Setbacks((member) => back.push(member));
  for (let times = 0; times < MAX_BUSY_ANSWERS; times++) {
    assert.equal(setbacks.later(MEMBER, BUSY), true);
    assert.equal(setbacks.has(MEMBER), true);
    assert.equal(setbacks.has(OTHER), false);
    await over(setbacks);
  }
  assert.equal(setbacks.later(MEMBER, BUSY), false);
  assert.equal(setbacks.any, false);
  assert.equal(back.length, MAX_BUSY_ANSWERS);
});

Deno.test("failures in a row count, those that come together once, and none after some progress", async () => {
  using setbacks = new Setbacks(() => {});
  assert.equal(setbacks.failed(MEMBER, true), true);
  assert.equal(setbacks.failed(MEMBER, true), true, "at the same time");
  await over(setbacks);
  setbacks.progressed(MEMBER);
  for (let times = 0; times < RETRIES_MS.length; times++) {
    assert.equal(setbacks.failed(MEMBER, true), true);
    await over(setbacks);
  }
  assert.equal(setbacks.failed(MEMBER, true), false);
});

Deno.test("who was waited for before he failed is left one failure earlier", async () => {
  using setbacks = new Setbacks(() => {});
  for (let times = 1; times < RETRIES_MS.length; times++) {
    assert.equal(setbacks.failed(MEMBER, false), true);
    await over(setbacks);
  }
  assert.equal(setbacks.failed(MEMBER, false), false);
});

Deno.test("who makes way is left alone for a while", () => {
  using setbacks = new Setbacks(() => {});
  assert.equal(setbacks.later(MEMBER, new PeerSlow("peer", 100)), true);
  assert.equal(setbacks.has(MEMBER), true);
});
