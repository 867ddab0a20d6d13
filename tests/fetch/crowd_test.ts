import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { PeerFailed, PeerLied } from "../../lib/errors.ts";
import { Crowd, isPeerFault } from "../../lib/fetch/crowd.ts";
import type { FetchEvent } from "../../lib/fetch/events.ts";
import type { Member } from "../../lib/fetch/member.ts";
import type { Digest } from "../../lib/manifest/digest.ts";
import { PORT } from "../../lib/wire/limits.ts";
import { Rogue, say, writeAll } from "./rogue.ts";

const DIGEST = `sha1new=${"a".repeat(40)}` as Digest;
const ID = "0123456789abcdef";

function crowdOf(): {
  crowd: Crowd;
  events: FetchEvent[];
  joined: Member[];
  [Symbol.dispose](): void;
} {
  const events: FetchEvent[] = [];
  const joined: Member[] = [];
  const crowd = new Crowd(DIGEST, (event) => events.push(event));
  crowd.onJoin = (member) => joined.push(member);
  return { crowd, events, joined, [Symbol.dispose]: () => crowd[Symbol.dispose]() };
}

function offer(address: string, state: "have" | "partial" | "unknown" = "have", id?: string) {
  return { peer: { address, port: PORT }, digest: DIGEST, id, state };
}

Deno.test("who has all is a seed, who is getting it is partial, who is named may have all", () => {
  using made = crowdOf();
  const { crowd, joined } = made;
  crowd.add(offer("192.0.2.1"));
  crowd.add(offer("192.0.2.2", "partial"));
  crowd.add(offer("192.0.2.3", "unknown"));
  assert.deepEqual(joined.map(({ name, state, passing }) => [name, state, passing]), [
    ["192.0.2.1", "seed", false],
    ["192.0.2.2", "partial", true],
    ["192.0.2.3", "seed", false],
  ]);
  assert.deepEqual(crowd.usable, joined);
  assert.deepEqual([...crowd.members.values()], joined);
});

Deno.test("a peer becomes known once, at one address and port", () => {
  using made = crowdOf();
  const { crowd, joined } = made;
  crowd.add(offer("192.0.2.1"));
  crowd.add(offer("192.0.2.1", "partial"));
  crowd.add({ ...offer("192.0.2.1"), peer: { address: "192.0.2.1", port: 1 } });
  assert.deepEqual(joined.map(({ name }) => name), ["192.0.2.1", "192.0.2.1:1"]);
});

Deno.test("who crawls hides no other way any more, and is given up when it is in the way", async () => {
  await using rogue = new Rogue(async (to) => {
    await say(to, "206 Partial Content", { "content-range": "bytes 0-99999/100000" });
    for (let at = 0; at < 100_000; at += 1000) {
      await writeAll(to, new Uint8Array(1000));
      await setTimeout(500);
    }
  });
  using made = crowdOf();
  const { crowd, joined, events } = made;
  const peer = { address: "127.0.0.1", port: rogue.port };
  crowd.add({ ...offer("127.0.0.1", "have", ID), peer });
  crowd.add(offer("192.0.2.1", "have", ID));
  assert.equal(joined.length, 1);
  const { signal } = new AbortController();
  const range = { start: 0, end: 100_000, size: 100_000 };
  const bytes = (await joined[0]!.peer.content(DIGEST, range, signal))!;
  let came = 0;
  await assert.rejects(async () => {
    for await (const part of bytes.parts()) {
      came += part.bytes.length;
      // It goes on as long as nobody is kept from anything.
      if (joined.length > 1) crowd.isInTheWay = () => came > 25_000;
    }
  }, /makes way for others: it brings \d+ bytes a second$/);
  assert.ok(came > 25_000);
  assert.deepEqual(joined.map(({ name }) => name), [`127.0.0.1:${rogue.port}`, "192.0.2.1"]);
  assert.deepEqual(events, []);
});

Deno.test("one server on several addresses is one member, and the others are kept for later", () => {
  using made = crowdOf();
  const { crowd, joined } = made;
  crowd.add(offer("192.0.2.1", "have", ID));
  crowd.add(offer("198.51.100.1", "have", ID));
  crowd.add(offer("203.0.113.1", "have", ID));
  crowd.add(offer("192.0.2.9", "have", "ffffffffffffffff"));
  assert.deepEqual(joined.map(({ name }) => name), ["192.0.2.1", "192.0.2.9"]);
  crowd.drop(joined[0]!, new PeerFailed(joined[0]!.name, "it sent nothing"));
  assert.deepEqual(
    joined.slice(2).map(({ name, state }) => [name, state]),
    [["198.51.100.1", "seed"], ["203.0.113.1", "seed"]],
  );
});

Deno.test("who copies another's id hides it only until he is dropped, and not after", () => {
  using made = crowdOf();
  const { crowd, joined } = made;
  crowd.add(offer("192.0.2.66", "have", ID));
  crowd.add(offer("192.0.2.1", "have", ID));
  crowd.drop(joined[0]!, new PeerLied(joined[0]!.name, "wrong bytes"));
  assert.equal(joined[1]!.name, "192.0.2.1");
  crowd.add(offer("192.0.2.2", "have", ID));
  assert.deepEqual(crowd.usable.map(({ name }) => name), ["192.0.2.1", "192.0.2.2"]);
});

Deno.test("who is dropped is told of once, with why, and is nothing any more", () => {
  using made = crowdOf();
  const { crowd, events, joined } = made;
  crowd.add(offer("192.0.2.1"));
  crowd.add(offer("192.0.2.2", "partial"));
  crowd.add(offer("192.0.2.3", "partial"));
  crowd.add(offer("192.0.2.4", "partial"));
  const [seed, partial, liar, misled] = joined as [Member, Member, Member, Member];
  crowd.drop(seed, new PeerFailed(seed.name, "it went away"));
  crowd.drop(seed, new PeerLied(seed.name, "too late"));
  crowd.drop(partial, new PeerFailed(partial.name, "it went away"));
  crowd.drop(liar, new PeerLied(liar.name, "more bytes than were asked for"));
  crowd.drop(misled, misled.wrong("wrong bytes"));
  assert.deepEqual(
    events.map((event) => event.kind === "dropped" && [event.peer, event.lied, event.passing]),
    [
      ["192.0.2.1", false, false],
      ["192.0.2.2", false, true],
      ["192.0.2.3", true, false],
      ["192.0.2.4", false, false],
    ],
  );
  assert.deepEqual(crowd.usable, []);
  assert.deepEqual(crowd.archivists, []);
  assert.deepEqual(crowd.troubles.map(({ peer }) => peer), joined.map(({ name }) => name));
  assert.ok(crowd.troubles.every(isPeerFault));
  crowd.add(offer("192.0.2.1"));
  assert.equal(joined.length, 4, "who was dropped does not come back under the same name");
});

Deno.test("members are asked for what goes with their state", () => {
  using made = crowdOf();
  const { crowd, joined } = made;
  const states = ["seed", "partial", "archives", "suspect"] as const;
  for (const [index, state] of states.entries()) {
    crowd.add(offer(`192.0.2.${index}`));
    joined[index]!.state = state;
  }
  const statesOf = (members: Member[]) => members.map(({ state }) => state);
  assert.deepEqual(statesOf(crowd.usable), ["seed", "partial"]);
  assert.deepEqual(statesOf(crowd.archivists), ["seed", "partial", "archives"]);
  assert.deepEqual(statesOf(crowd.suspects), ["suspect"]);
});

Deno.test("somebody who invents peers does not fill the memory", () => {
  using made = crowdOf();
  const { crowd } = made;
  for (let index = 0; index < 400; index++) {
    crowd.add(offer(`10.0.${index >> 8}.${index & 255}`, "have"));
  }
  assert.equal(crowd.members.size, 256);
});

Deno.test("who there was no room for has it when others are given up, machines before their ports", () => {
  using made = crowdOf();
  const { crowd } = made;
  for (let index = 0; index < 300; index++) {
    const { peer, ...rest } = offer(`10.0.0.${index % 32}`, "have");
    crowd.add({ ...rest, peer: { ...peer, port: 1 + (index >> 5) } });
  }
  crowd.add(offer("192.0.2.1", "have"));
  assert.equal(crowd.members.has("192.0.2.1"), false);
  const [first] = crowd.members.values();
  crowd.drop(first!, new PeerFailed(first!.name, "nobody listens there"));
  assert.equal(crowd.members.get("192.0.2.1")?.state, "seed");
  assert.equal(crowd.usable.length, 256);
});

Deno.test("nor does one machine take the places of those that wait", () => {
  using made = crowdOf();
  const { crowd } = made;
  for (let index = 0; index < 256; index++) crowd.add(offer(`10.0.0.${index}`, "have"));
  for (let port = 1; port <= 2000; port++) {
    const { peer, ...rest } = offer("10.0.1.1", "have");
    crowd.add({ ...rest, peer: { ...peer, port } });
  }
  crowd.add(offer("192.0.2.1", "have"));
  for (const member of [...crowd.members.values()].slice(0, 17)) {
    crowd.drop(member, new PeerFailed(member.name, "nobody listens there"));
  }
  assert.equal(crowd.members.get("192.0.2.1")?.state, "seed");
  assert.equal(crowd.usable.filter(({ name }) => name.includes("10.0.1.1")).length, 16);
});

Deno.test("one machine with many ports hides nobody", () => {
  using made = crowdOf();
  const { crowd } = made;
  for (let port = 1; port <= 300; port++) {
    const { peer, ...rest } = offer("10.0.0.1", "have");
    crowd.add({ ...rest, peer: { ...peer, port } });
  }
  assert.equal(crowd.members.size, 16);
  crowd.add(offer("10.0.0.2", "have"));
  assert.ok(crowd.members.has("10.0.0.2"));
});

Deno.test("nor does somebody who invents ways to one", () => {
  using made = crowdOf();
  const { crowd, joined } = made;
  for (let index = 0; index < 400; index++) {
    crowd.add(offer(`10.0.${index >> 8}.${index & 255}`, "have", ID));
  }
  assert.ok(joined.every(({ otherWays }) => otherWays.length <= 16));
  // Nobody is hidden behind them: whoever there is no room for is a member of its own.
  const ways = joined.reduce((sum, { otherWays }) => sum + otherWays.length, 0);
  assert.equal(joined.length + ways, 400);
});

Deno.test("that no more are to be expected is told", () => {
  using made = crowdOf();
  const { crowd } = made;
  let told = 0;
  crowd.onSettled = () => told++;
  assert.equal(crowd.settled, false);
  crowd.settle();
  assert.deepEqual([crowd.settled, told], [true, 1]);
});
