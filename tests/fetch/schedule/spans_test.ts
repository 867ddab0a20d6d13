import assert from "node:assert/strict";
import { type Ask, Schedule } from "../../../lib/fetch/schedule/schedule.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const PIECE = 256 * KIB;

function scheduleOf(pieces: number, ...seeds: string[]): Schedule {
  const schedule = new Schedule({ pieces, pieceSize: PIECE, random: () => 0.5 });
  for (const seed of seeds) schedule.join(seed, true);
  return schedule;
}

/** Asks as "PEER FIRST-END", the end exclusive. */
function spansOf(asks: readonly Ask[]): string[] {
  return asks.map((ask) => {
    assert.equal(ask.kind, "span");
    return ask.kind === "span" ? `${ask.peer} ${ask.first}-${ask.end}` : "";
  });
}

/** All of a span comes, at a rate in bytes per second. */
function finish(schedule: Schedule, ask: Ask | undefined, rate: number): void {
  assert.ok(ask?.kind === "span");
  for (let piece = ask.first; piece < ask.end; piece++) schedule.arrived(piece);
  const bytes = (ask.end - ask.first) * PIECE;
  schedule.over(ask.id, { bytes, seconds: bytes / rate });
}

Deno.test("a first span is 4 MiB, the next half a second, then two while nobody else is there", () => {
  const schedule = scheduleOf(1000, "a");
  const first = schedule.next();
  assert.deepEqual(spansOf(first), ["a 0-16"]);
  finish(schedule, first[0], 20 * MIB);
  const second = schedule.next();
  assert.deepEqual(spansOf(second), ["a 16-56"]);
  finish(schedule, second[0], 20 * MIB);
  assert.deepEqual(spansOf(schedule.next()), ["a 56-216"]);
});

Deno.test("a peer whose span is broken off goes on where that was, in order", () => {
  const schedule = scheduleOf(1000, "a");
  finish(schedule, schedule.next()[0], 20 * MIB);
  const [second] = schedule.next();
  assert.deepEqual(spansOf([second!]), ["a 16-56"]);
  for (let piece = 16; piece < 32; piece++) schedule.arrived(piece);
  schedule.over(second!.id, { bytes: 4 * MIB, seconds: 0.2 });
  assert.deepEqual(spansOf(schedule.next()), ["a 32-192"]);
});

Deno.test("asks for nothing more without an event", () => {
  const schedule = scheduleOf(1000, "a", "b");
  assert.equal(schedule.next().length, 2);
  assert.deepEqual(schedule.next(), []);
});

Deno.test("who is asked is in the way of somebody untried when there is no place for him", () => {
  const names = Array.from({ length: 15 }, (_, index) => `${index}`);
  const schedule = scheduleOf(1000, ...names);
  const asks = schedule.next();
  assert.equal(asks.length, 14);
  assert.ok(asks.every(({ peer }) => schedule.isInTheWay(peer, 1000)));
  assert.equal(schedule.isInTheWay("14", 1000), false, "it is not asked");
  schedule.pause("14");
  assert.equal(schedule.isInTheWay("0", 1000), false, "nobody could be asked");
});

Deno.test("nobody is in the way of who has nothing of what lacks", () => {
  const names = Array.from({ length: 14 }, (_, index) => `${index}`);
  const schedule = scheduleOf(1000, ...names);
  assert.equal(schedule.next().length, 14);
  schedule.join("partial", false);
  assert.equal(schedule.isInTheWay("0", 1000), false);
  const last = Uint8Array.from({ length: 1000 }, (_, piece) => piece === 999 ? 1 : 0);
  schedule.offer("partial", last);
  assert.equal(schedule.isInTheWay("0", 1000), true);
  schedule.arrived(999);
  assert.equal(schedule.isInTheWay("0", 1000), false);
});

Deno.test("of those that were tried, nobody is in the way of who was not clearly faster", () => {
  const schedule = scheduleOf(2, "a", "b");
  const [a] = schedule.next();
  assert.equal(schedule.isInTheWay("b", 499), false, "it is not idle");
  schedule.over(a!.id, { bytes: 999, seconds: 1 });
  assert.equal(schedule.isInTheWay("b", 500), false);
  assert.equal(schedule.isInTheWay("b", 499), true);
});

Deno.test("spans are neither under 1 MiB nor over 256 MiB", () => {
  const slow = scheduleOf(2000, "a");
  finish(slow, slow.next()[0], 1);
  assert.deepEqual(spansOf(slow.next()), ["a 16-20"]);
  const fast = scheduleOf(2000, "a");
  finish(fast, fast.next()[0], 1e12);
  assert.deepEqual(spansOf(fast.next()), ["a 16-1040"]);
});

Deno.test("a rate follows what is measured", () => {
  const schedule = scheduleOf(1000, "a");
  finish(schedule, schedule.next()[0], 10 * MIB);
  finish(schedule, schedule.next()[0], 5 * MIB);
  const [ask] = schedule.next();
  assert.ok(ask?.kind === "span");
  assert.equal(ask.end - ask.first, 60);
});

Deno.test("pieces that are larger than a span are asked one by one", () => {
  const schedule = new Schedule({ pieces: 3, pieceSize: 32 * MIB, random: () => 0 });
  schedule.join("a", true);
  assert.deepEqual(spansOf(schedule.next()), ["a 0-1"]);
});

Deno.test("what is here already is not asked", () => {
  const schedule = scheduleOf(100, "a");
  for (const piece of [0, 1, 2, 7]) schedule.arrived(piece);
  const asks = schedule.next();
  assert.deepEqual(spansOf(asks), ["a 3-7"]);
  finish(schedule, asks[0], 8 * MIB);
  assert.deepEqual(spansOf(schedule.next()), ["a 8-24"]);
});

Deno.test("all peers together get the stream nearly in order, half a second at a time", () => {
  const schedule = scheduleOf(1016, "a", "b");
  const asks = schedule.next();
  assert.deepEqual(spansOf(asks), ["a 0-16", "b 16-32"]);
  finish(schedule, asks[1], 8 * MIB);
  assert.deepEqual(spansOf(schedule.next()), ["b 32-48"]);
  finish(schedule, asks[0], 16 * MIB);
  assert.deepEqual(spansOf(schedule.next()), ["a 48-80"]);
});

Deno.test("what a peer leaves behind is asked of the next one first", () => {
  const schedule = scheduleOf(1016, "a", "b");
  schedule.next();
  schedule.leave("a");
  schedule.join("c", true);
  assert.deepEqual(spansOf(schedule.next()), ["c 0-16"]);
});

Deno.test("something small is divided among the peers that are there", () => {
  const schedule = scheduleOf(8, "a", "b", "c", "d");
  assert.deepEqual(spansOf(schedule.next()).map((text) => text.slice(0, 1)), ["a", "b", "c", "d"]);
  const one = scheduleOf(1, "a", "b");
  assert.deepEqual(spansOf(one.next()), ["a 0-1"], "one piece is not asked of two");
});

Deno.test("an idle peer takes over the second half of the slowest ask", () => {
  const schedule = scheduleOf(16, "a");
  const [victim] = schedule.next();
  schedule.join("b", true);
  const asks = schedule.next();
  assert.deepEqual(spansOf(asks), ["b 8-16"]);
  for (let piece = 0; piece < 7; piece++) schedule.arrived(piece);
  assert.equal(schedule.useless(victim!.id), false);
  schedule.arrived(7);
  assert.equal(schedule.useless(victim!.id), true, "the rest is another's now");
  assert.equal(schedule.useless(asks[0]!.id), false);
});

Deno.test("a fast peer takes over more than half", () => {
  const schedule = scheduleOf(40, "a", "b");
  const [a, b] = schedule.next();
  assert.deepEqual(spansOf([a!, b!]), ["a 0-16", "b 16-28"]);
  schedule.over(a!.id, { bytes: 1, seconds: 1 / MIB });
  schedule.pause("a");
  finish(schedule, b, 15 * MIB);
  schedule.pause("b");
  schedule.resume("a");
  assert.deepEqual(spansOf(schedule.next()), ["a 0-4"], "at 1 MiB/s");
  for (let piece = 4; piece < 16; piece++) schedule.arrived(piece);
  for (let piece = 28; piece < 40; piece++) schedule.arrived(piece);
  schedule.resume("b");
  assert.deepEqual(spansOf(schedule.next()), ["b 0-4"], "at 15 MiB/s");
});

Deno.test("what was taken over is asked again when that fails", () => {
  const schedule = scheduleOf(16, "a");
  schedule.next();
  schedule.join("b", true);
  schedule.next();
  schedule.leave("b");
  schedule.join("c", true);
  assert.deepEqual(spansOf(schedule.next()), ["c 8-12"], "its half: a goes on at 12");
});

Deno.test("a last piece is asked at most twice, and the later ask is useless then", () => {
  const schedule = scheduleOf(34, "a", "b", "c");
  const asks = schedule.next();
  assert.equal(asks.length, 3);
  const last = asks.find((ask) => ask.kind === "span" && ask.first === 0)!;
  for (const ask of asks) if (ask !== last) finish(schedule, ask, 8 * MIB);
  for (let piece = 1; piece < 34; piece++) schedule.arrived(piece);
  const again = schedule.next();
  assert.equal(again.length, 1);
  assert.match(spansOf(again)[0]!, /^[abc] 0-1$/);
  schedule.arrived(0);
  assert.ok(schedule.useless(last.id));
  assert.ok(schedule.done);
  schedule.over(last.id);
  assert.deepEqual(schedule.next(), []);
});

Deno.test("a peer that would be no earlier takes nothing over", () => {
  const schedule = scheduleOf(32, "a", "b");
  const [a, b] = schedule.next();
  assert.deepEqual(spansOf([a!, b!]), ["a 0-16", "b 16-24"]);
  finish(schedule, b, MIB);
  const [more] = schedule.next();
  assert.deepEqual(spansOf([more!]), ["b 24-28"]);
  finish(schedule, a, 1000 * MIB);
  assert.deepEqual(spansOf(schedule.next()), ["a 28-32"]);
  finish(schedule, more, MIB);
  // b takes a quarter of a second for one piece, a a millisecond for all four.
  assert.deepEqual(schedule.next(), []);
});

Deno.test("a paused peer is asked nothing until it goes on", () => {
  const schedule = scheduleOf(100, "a");
  schedule.pause("a");
  assert.deepEqual(schedule.next(), []);
  schedule.resume("a");
  assert.equal(schedule.next().length, 1);
});

Deno.test("what a peer owed when it left or failed is asked again", () => {
  const schedule = scheduleOf(16, "a");
  const [ask] = schedule.next();
  schedule.arrived(0);
  schedule.over(ask!.id);
  const [again] = schedule.next();
  assert.deepEqual(spansOf([again!]), ["a 1-16"]);
  schedule.leave("a");
  assert.equal(schedule.useless(again!.id), true);
  schedule.over(again!.id, { bytes: 1, seconds: 1 });
  schedule.join("b", true);
  assert.deepEqual(spansOf(schedule.next()), ["b 1-16"]);
});

Deno.test("a piece that was wrong is needed again", () => {
  const schedule = scheduleOf(2, "a");
  finish(schedule, schedule.next()[0], MIB);
  assert.equal(schedule.done, true);
  schedule.missing(1);
  schedule.missing(1);
  assert.equal(schedule.done, false);
  assert.deepEqual(spansOf(schedule.next()), ["a 1-2"]);
  schedule.arrived(1);
  schedule.arrived(1);
  assert.equal(schedule.done, true);
});

Deno.test("the fastest of many peers are asked first, and those of unknown rate before", () => {
  const names = Array.from({ length: 15 }, (_, index) => `p${index}`);
  const schedule = scheduleOf(2000, ...names);
  const asks = schedule.next();
  assert.equal(asks.length, 14, "no more than 14 at once");
  for (const [index, ask] of asks.entries()) finish(schedule, ask, (20 - index) * MIB);
  assert.deepEqual(
    schedule.next().map(({ peer }) => peer),
    ["p14", ...names.slice(0, 13)],
  );
});

Deno.test("an implementation without content is done at once", () => {
  const schedule = scheduleOf(0, "a");
  assert.equal(schedule.done, true);
  assert.deepEqual(schedule.next(), []);
});

/** Of a stream of which nothing is here. */
function untouchedOf(pieces: number, ...seeds: string[]): Schedule {
  const schedule = new Schedule({ pieces, pieceSize: PIECE, random: () => 0.5, untouched: true });
  for (const seed of seeds) schedule.join(seed, true);
  return schedule;
}

Deno.test("each seed is asked for a piece of its choice first, and for spans when one has come", () => {
  const schedule = untouchedOf(64, "a", "b");
  const [a, b] = schedule.next();
  for (const ask of [a, b]) {
    assert.ok(ask?.kind === "any");
    assert.deepEqual([...ask.lacks], new Array(64).fill(1));
  }
  assert.deepEqual(schedule.next(), []);
  schedule.chosen(a!.id, 7);
  schedule.arrived(7);
  schedule.over(a!.id, { bytes: PIECE, seconds: 0.01 });
  schedule.join("c", true);
  assert.deepEqual(spansOf(schedule.next()), ["c 0-7", "a 8-58"]);
});

Deno.test("of what is small, or partly here, no seed chooses", () => {
  assert.deepEqual(spansOf(untouchedOf(63, "a", "b").next()), ["a 0-16", "b 16-32"]);
  assert.deepEqual(spansOf(scheduleOf(64, "a", "b").next()), ["a 0-16", "b 16-32"]);
  const resumed = untouchedOf(64, "a");
  resumed.arrived(0);
  assert.deepEqual(spansOf(resumed.next()), ["a 1-17"]);
});

Deno.test("a seed that gave no piece of its choice is asked for a span", () => {
  for (const result of [undefined, { bytes: 1000, seconds: 0.01 }]) {
    const schedule = untouchedOf(64, "a");
    const [first] = schedule.next();
    assert.equal(first!.kind, "any");
    schedule.over(first!.id, result);
    assert.equal(spansOf(schedule.next()).length, 1);
  }
});

Deno.test("who joins while another one owes everything, and brings nothing, takes over from that", () => {
  const schedule = untouchedOf(64, "a");
  const [first] = schedule.next();
  schedule.over(first!.id, { bytes: 200_000, seconds: 0.005 });
  assert.deepEqual(spansOf(schedule.next()), ["a 0-64"]);
  schedule.join("b", true);
  const [second] = schedule.next();
  assert.deepEqual(spansOf([second!]).length, 1);
  assert.equal(schedule.useless(second!.id), false);
});
