import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { PeerBusy, PeerFailed } from "../../lib/errors.ts";
import { AvailabilityWatch } from "../../lib/fetch/availability_watch.ts";
import type { Member } from "../../lib/fetch/member.ts";
import type { Digest } from "../../lib/manifest/digest.ts";
import { decodeBitfield } from "../../lib/wire/bitfield.ts";
import {
  AVAILABILITY_PAUSE_MS,
  MAX_WATCHED_PEERS,
  URGENT_AVAILABILITY_PAUSE_MS,
} from "../../lib/wire/limits.ts";

const DIGEST = `sha1new=${"a".repeat(40)}` as Digest;
const SIZE = 1_000_000;

type Answer = "all" | Uint8Array | undefined | Error;

/** A member whose peer gives these answers one after the other, and none when there are no more. */
class Asked {
  readonly questions: { wait?: number; known?: string }[] = [];
  readonly member: Member;

  constructor(readonly name: string, readonly answers: Answer[]) {
    const availability = async (
      digest: Digest,
      size: number,
      news: { wait?: number; known?: string },
      signal: AbortSignal,
    ) => {
      assert.deepEqual([digest, size], [DIGEST, SIZE]);
      this.questions.push(news);
      if (this.answers.length === 0) {
        await new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      }
      const answer = this.answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    };
    this.member = { name, peer: { availability } } as unknown as Member;
  }
}

function begin() {
  const abort = new AbortController();
  const told: unknown[] = [];
  const state = { urgent: false };
  const watch = new AvailabilityWatch(DIGEST, SIZE, abort.signal, {
    holds: ({ name }, has) => told.push([name, has === "all" ? has : [...has]]),
    failed: ({ name }, error) => told.push([name, error]),
    isUrgent: () => state.urgent,
  });
  return {
    watch,
    told,
    state,
    async [Symbol.asyncDispose]() {
      abort.abort(new Error("over"));
      await watch.ended;
    },
  };
}

Deno.test("a partial peer is asked until it has everything, each time for what is new", async () => {
  await using begun = begin();
  const { watch, told } = begun;
  const some = Uint8Array.of(1, 0, 1, 0);
  const peer = new Asked("peer", [some, "all"]);
  watch.add(peer.member);
  watch.add(peer.member);
  await setTimeout(1.1 * AVAILABILITY_PAUSE_MS);
  assert.deepEqual(told, [["peer", [1, 0, 1, 0]], ["peer", "all"]]);
  assert.equal(peer.questions.length, 2);
  assert.deepEqual(peer.questions[0], {});
  assert.deepEqual(decodeBitfield(peer.questions[1]!.known!, 4), some);
  assert.ok(peer.questions[1]!.wait! > 0);
});

Deno.test("who just said what it has is not asked for a while", async () => {
  await using begun = begin();
  const { watch } = begun;
  const peer = new Asked("peer", [Uint8Array.of(1, 0, 1, 0)]);
  watch.add(peer.member);
  for (let times = 0; times < 6; times++) {
    await setTimeout(AVAILABILITY_PAUSE_MS / 5);
    watch.heard(peer.member);
  }
  assert.equal(peer.questions.length, 1);
});

Deno.test("who is asked for nothing else is asked again soon, from when that is so", async () => {
  await using begun = begin();
  const { watch } = begun;
  const peer = new Asked("peer", [Uint8Array.of(1, 0, 1, 0)]);
  watch.add(peer.member);
  await setTimeout(3 * URGENT_AVAILABILITY_PAUSE_MS);
  assert.equal(peer.questions.length, 1);
  begun.state.urgent = true;
  await setTimeout(AVAILABILITY_PAUSE_MS / 2);
  assert.equal(peer.questions.length, 2);
});

Deno.test("who is waited for is asked not more than ten times a second", async () => {
  await using begun = begin();
  begun.state.urgent = true;
  const peer = new Asked("peer", Array<Answer>(1000).fill(Uint8Array.of(1, 0, 1, 0)));
  begun.watch.add(peer.member);
  await setTimeout(5.5 * URGENT_AVAILABILITY_PAUSE_MS);
  assert.ok(peer.questions.length <= 6, `${peer.questions.length} questions`);
  assert.ok(peer.questions.length >= 2);
});

Deno.test("who fails, or has nothing any more, is told of; who is busy is asked again", async () => {
  await using begun = begin();
  const { watch, told } = begun;
  const error = new PeerFailed("dead", "it went away");
  watch.add(new Asked("dead", [error]).member);
  const busy = new Asked("busy", [new PeerBusy("busy", 0.01), "all"]);
  watch.add(busy.member);
  watch.add(new Asked("empty", [undefined]).member);
  await setTimeout(100);
  assert.deepEqual(told.filter((one) => Array.isArray(one) && one[0] === "dead"), [[
    "dead",
    error,
  ]]);
  assert.ok(
    told.some((one) => Array.isArray(one) && one[0] === "empty" && one[1] instanceof PeerFailed),
  );
  assert.deepEqual(told.filter((one) => Array.isArray(one) && one[0] === "busy"), [[
    "busy",
    "all",
  ]]);
});

Deno.test("who is removed is told of no more, also when it answers or fails then", async () => {
  await using begun = begin();
  const { watch, told } = begun;
  const peers = [new Asked("one", ["all"]), new Asked("two", [new PeerFailed("two", "away")])];
  for (const { member } of peers) watch.add(member);
  for (const { member } of peers) watch.remove(member);
  await setTimeout(20);
  assert.deepEqual(told, []);
});

Deno.test("of many only some are watched, and others take the places of those that go", async () => {
  await using begun = begin();
  const { watch } = begun;
  const peers = Array.from({ length: MAX_WATCHED_PEERS + 3 }, (_, n) => new Asked(`${n}`, []));
  for (const { member } of peers) watch.add(member);
  const asked = () => peers.filter(({ questions }) => questions.length > 0).length;
  assert.equal(asked(), MAX_WATCHED_PEERS);
  watch.remove(peers[MAX_WATCHED_PEERS + 2]!.member);
  assert.equal(asked(), MAX_WATCHED_PEERS);
  watch.remove(peers[0]!.member);
  watch.remove(peers[1]!.member);
  watch.remove(peers[2]!.member);
  assert.equal(asked(), MAX_WATCHED_PEERS + 2);
});

Deno.test("when all is over nothing is under way", async () => {
  const begun = begin();
  begun.watch.add(new Asked("peer", []).member);
  await begun[Symbol.asyncDispose]();
  assert.deepEqual(begun.told, []);
});
