import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { Crowd } from "../../lib/fetch/crowd.ts";
import { DownloadLimit } from "../../lib/fetch/download_limit.ts";
import { Fruits } from "../../lib/fetch/fruits.ts";
import { Member } from "../../lib/fetch/member.ts";
import type { Digest } from "../../lib/manifest/digest.ts";

const DIGEST = `sha1new=${"a".repeat(40)}` as Digest;

/** A crowd of one who was asked, and sends nothing by itself. */
function crowdOfOne() {
  const crowd = new Crowd(DIGEST, () => {});
  const member = new Member({ address: "192.0.2.1", port: 1 }, "have");
  crowd.members.set(member.name, member);
  return { crowd, member, [Symbol.dispose]: () => crowd[Symbol.dispose]() };
}

Deno.test("nothing has come of a crowd that sends not a byte for as long as that", async () => {
  using room = crowdOfOne();
  const fruits = new Fruits(room.crowd, undefined, 50);
  assert.equal(fruits.haveFailed(false), false);
  await setTimeout(60);
  assert.equal(fruits.haveFailed(false), true);
});

Deno.test("a byte is a fruit, and so is the time in which there is a reason to wait", async () => {
  using room = crowdOfOne();
  const fruits = new Fruits(room.crowd, undefined, 50);
  await setTimeout(60);
  room.member.tally.bytes++;
  assert.equal(fruits.haveFailed(false), false);
  await setTimeout(60);
  assert.equal(fruits.haveFailed(true), false);
  assert.equal(fruits.haveFailed(false), false, "it counts from the end of that");
  await setTimeout(60);
  room.member.state = "gone";
  assert.equal(fruits.haveFailed(false), false, "nobody is there to be asked");
});

Deno.test("who pays for what came with waiting is not impatient", async () => {
  using room = crowdOfOne();
  const fruits = new Fruits(room.crowd, new DownloadLimit(1000), 50);
  await setTimeout(60);
  assert.equal(fruits.haveFailed(false), false);
});

Deno.test("nor is who waits because another fetch has taken much of the limit", async () => {
  using room = crowdOfOne();
  let time = 0;
  const limit = new DownloadLimit(100_000_000, () => time);
  const fruits = new Fruits(room.crowd, limit, 50);
  limit.owed(20_000_000);
  await setTimeout(60);
  assert.equal(fruits.haveFailed(false), false);
  time += 1000;
  await setTimeout(60);
  assert.equal(fruits.haveFailed(false), true);
});
