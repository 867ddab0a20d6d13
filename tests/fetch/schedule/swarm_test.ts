import assert from "node:assert/strict";
import { type Ask, Schedule } from "../../../lib/fetch/schedule/schedule.ts";
import { randomFrom } from "../random.ts";

const PIECE = 256 * 1024;

function scheduleOf(pieces: number, seed = 1): Schedule {
  return new Schedule({ pieces, pieceSize: PIECE, random: randomFrom(seed) });
}

/** Flags of `count` pieces, 1 for the given ones. */
function flags(count: number, ...pieces: number[]): Uint8Array {
  return Uint8Array.from({ length: count }, (_, piece) => pieces.includes(piece) ? 1 : 0);
}

function joinPartial(schedule: Schedule, name: string, has: Uint8Array): void {
  schedule.join(name, false);
  schedule.offer(name, has);
}

/** Asks as "PEER PIECE" or "PEER any PIECES". */
function textsOf(asks: readonly Ask[]): string[] {
  return asks.map((ask) => {
    if (ask.kind === "piece") return `${ask.peer} ${ask.piece}`;
    assert.equal(ask.kind, "any");
    const lacks = ask.kind === "any" ? [...ask.lacks.keys()].filter((p) => ask.lacks[p] === 1) : [];
    return `${ask.peer} any ${lacks}`;
  }).sort();
}

Deno.test("a partial peer that offered nothing is asked nothing", () => {
  const schedule = scheduleOf(4);
  schedule.join("p", false);
  assert.deepEqual(schedule.next(), []);
  schedule.offer("p", flags(4, 2));
  assert.deepEqual(textsOf(schedule.next()), ["p 2"]);
});

Deno.test("a seed is asked for any of what no partial peer has", () => {
  const schedule = scheduleOf(4);
  schedule.join("s", true);
  joinPartial(schedule, "p", flags(4, 1));
  schedule.arrived(3);
  assert.deepEqual(textsOf(schedule.next()), ["p 1", "s any 0,2"]);
});

Deno.test("a seed is asked for what partial peers have when those are busy", () => {
  const schedule = scheduleOf(3);
  schedule.join("s", true);
  joinPartial(schedule, "p", flags(3, 0, 1, 2));
  const asks = schedule.next();
  const piece = asks.find((ask) => ask.kind === "piece");
  assert.ok(piece?.kind === "piece");
  const others = [0, 1, 2].filter((other) => other !== piece.piece);
  assert.deepEqual(textsOf(asks), [`p ${piece.piece}`, `s any ${others}`]);
});

Deno.test("the rarest piece comes first", () => {
  const schedule = scheduleOf(3);
  joinPartial(schedule, "a", flags(3, 0, 1, 2));
  joinPartial(schedule, "b", flags(3, 0, 1));
  joinPartial(schedule, "c", flags(3, 0));
  schedule.pause("b");
  schedule.pause("c");
  assert.deepEqual(textsOf(schedule.next()), ["a 2"]);
});

Deno.test("what lacks near the first piece that does comes before what is rarer, and the rarest of it", () => {
  const schedule = scheduleOf(100);
  for (let piece = 0; piece < 10; piece++) schedule.arrived(piece);
  joinPartial(schedule, "a", flags(100, 20, 41, 42));
  for (const [name, ...has] of [["b", 20, 41], ["c", 20]] as const) {
    joinPartial(schedule, name, flags(100, ...has));
    schedule.pause(name);
  }
  assert.deepEqual(textsOf(schedule.next()), ["a 41"]);
});

Deno.test("a seed chooses from the first of what lacks, from more the more may be choosing", () => {
  const choices = [["s"], ["s", "t"]].map((seeds) => {
    const schedule = scheduleOf(100);
    for (const name of seeds) schedule.join(name, true);
    for (const name of ["p", "q"]) joinPartial(schedule, name, flags(100, 0));
    const [ask] = schedule.next().filter(({ kind }) => kind === "any");
    return ask!.kind === "any" ? [...ask!.lacks.keys()].filter((p) => ask!.lacks[p] === 1) : [];
  });
  assert.deepEqual(choices.map((pieces) => [pieces[0], pieces.at(-1)]), [[1, 20], [1, 36]]);
});

Deno.test("rarity follows what peers offer now, and who left", () => {
  const schedule = scheduleOf(2);
  joinPartial(schedule, "a", flags(2, 0, 1));
  joinPartial(schedule, "b", flags(2, 0));
  joinPartial(schedule, "c", flags(2, 1));
  for (const name of ["b", "c"]) schedule.pause(name);
  schedule.pause("a");
  schedule.offer("b", flags(2, 1));
  schedule.resume("a");
  const [ask] = schedule.next();
  assert.deepEqual(textsOf([ask!]), ["a 0"]);
  schedule.over(ask!.id);
  schedule.leave("b");
  schedule.leave("c");
  joinPartial(schedule, "d", flags(2, 0));
  schedule.pause("d");
  assert.deepEqual(textsOf(schedule.next()), ["a 1"]);
});

Deno.test("ties are broken at random", () => {
  const chosen = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const schedule = scheduleOf(4, seed);
    joinPartial(schedule, "p", flags(4, 0, 1, 2, 3));
    chosen.add(textsOf(schedule.next())[0]!);
  }
  assert.deepEqual([...chosen].sort(), ["p 0", "p 1", "p 2", "p 3"]);
});

Deno.test("a piece that is in flight is not asked of another while others are lacking", () => {
  const schedule = scheduleOf(2);
  joinPartial(schedule, "a", flags(2, 0));
  joinPartial(schedule, "b", flags(2, 0));
  const asks = schedule.next();
  assert.equal(asks.length, 1, "piece 1 is lacking, and nobody has it");
});

Deno.test("when everything is in flight, idle peers are asked for what is in flight once", () => {
  const schedule = scheduleOf(2);
  for (const name of ["a", "b", "c"]) joinPartial(schedule, name, flags(2, 0));
  schedule.arrived(1);
  const asks = schedule.next();
  assert.equal(asks.length, 2, "never more than twice");
  schedule.arrived(0);
  assert.ok(asks.every(({ id }) => schedule.useless(id)));
});

Deno.test("no more seeds are asked for any piece than there are pieces to pick", () => {
  const schedule = scheduleOf(2);
  for (const name of ["s", "t", "u"]) schedule.join(name, true);
  joinPartial(schedule, "p", flags(2));
  const asks = schedule.next();
  assert.equal(asks.filter(({ kind }) => kind === "any").length, 2);
  assert.equal(asks.length, 2);
});

Deno.test("what a seed chose is in flight, and not in what others may choose", () => {
  const schedule = scheduleOf(3);
  for (const name of ["s", "t"]) schedule.join(name, true);
  joinPartial(schedule, "p", flags(3));
  const [first, second] = schedule.next();
  schedule.chosen(first!.id, 2);
  schedule.arrived(0);
  schedule.over(second!.id);
  assert.deepEqual(textsOf(schedule.next()), [`${second!.peer} any 1`]);
});

Deno.test("a choice that is of no use makes the ask useless", () => {
  const schedule = scheduleOf(3);
  for (const name of ["s", "t", "u"]) schedule.join(name, true);
  joinPartial(schedule, "p", flags(3));
  const [a, b, c] = schedule.next();
  schedule.chosen(a!.id, 0);
  schedule.chosen(b!.id, 0);
  schedule.chosen(c!.id, 0);
  assert.deepEqual([a, b, c].map((ask) => schedule.useless(ask!.id)), [false, false, true]);
});

Deno.test("a choice that was not offered makes the ask useless", () => {
  const schedule = scheduleOf(3);
  schedule.join("s", true);
  joinPartial(schedule, "p", flags(3));
  schedule.arrived(0);
  const [ask] = schedule.next();
  schedule.chosen(ask!.id, 0);
  assert.equal(schedule.useless(ask!.id), true);
  schedule.over(ask!.id);
  const [again] = schedule.next();
  schedule.chosen(again!.id, 7);
  assert.equal(schedule.useless(again!.id), true);
});

Deno.test("an ask for any piece is useless when all that it may bring has come", () => {
  const schedule = scheduleOf(3);
  schedule.join("s", true);
  joinPartial(schedule, "p", flags(3, 0));
  const asks = schedule.next();
  const any = asks.find(({ kind }) => kind === "any")!;
  schedule.arrived(1);
  assert.equal(schedule.useless(any.id), false);
  schedule.arrived(2);
  assert.equal(schedule.useless(any.id), true);
});

Deno.test("at most 14 asks are in flight, one of them to a seed that alone has something", () => {
  const schedule = scheduleOf(101);
  for (let peer = 0; peer < 30; peer++) {
    joinPartial(schedule, `p${peer}`, flags(101, ...Array(100).keys()));
  }
  schedule.join("s", true);
  const asks = schedule.next();
  assert.equal(asks.length, 14);
  assert.equal(new Set(asks.map(({ peer }) => peer)).size, 14);
  const seed = asks.find(({ peer }) => peer === "s");
  assert.deepEqual(textsOf([seed!]), ["s any 100"]);
});

Deno.test("a span ends after the piece that it is at when a partial peer joins", () => {
  const schedule = scheduleOf(16);
  schedule.join("s", true);
  const [span] = schedule.next();
  assert.ok(span?.kind === "span");
  schedule.arrived(0);
  joinPartial(schedule, "p", flags(16, 5));
  assert.deepEqual(textsOf(schedule.next()), ["p 5"]);
  assert.equal(schedule.useless(span.id), false);
  schedule.arrived(1);
  assert.equal(schedule.useless(span.id), true);
  schedule.over(span.id);
  const rest = Array.from({ length: 14 }, (_, index) => index + 2).filter((piece) => piece !== 5);
  assert.deepEqual(textsOf(schedule.next()), [`s any ${rest}`]);
});

Deno.test("a partial peer that got everything counts as a seed", () => {
  const schedule = scheduleOf(4);
  joinPartial(schedule, "p", flags(4, 1));
  joinPartial(schedule, "q", flags(4));
  schedule.complete("p");
  assert.deepEqual(textsOf(schedule.next()), ["p any 0,1,2,3"]);
  schedule.offer("p", flags(4));
  schedule.join("p", false);
  schedule.arrived(0);
  assert.deepEqual(schedule.next(), []);
});

Deno.test("spans come back when the partial peers are gone", () => {
  const schedule = scheduleOf(4);
  schedule.join("s", true);
  joinPartial(schedule, "p", flags(4));
  const [any] = schedule.next();
  schedule.over(any!.id);
  schedule.leave("p");
  const [span] = schedule.next();
  assert.ok(span?.kind === "span" && span.first === 0 && span.end === 4);
});

Deno.test("an offer that a peer changes later does not change what is known", () => {
  const schedule = scheduleOf(2);
  const has = flags(2, 0);
  joinPartial(schedule, "p", has);
  has[1] = 1;
  schedule.arrived(0);
  assert.deepEqual(schedule.next(), []);
});

Deno.test("a peer that joins again is not forgotten", () => {
  const schedule = scheduleOf(2);
  joinPartial(schedule, "p", flags(2, 1));
  schedule.join("p", false);
  assert.deepEqual(textsOf(schedule.next()), ["p 1"]);
});

Deno.test("events about peers and asks that nobody knows mean nothing", () => {
  const schedule = scheduleOf(2);
  schedule.offer("x", flags(2, 0, 1));
  schedule.complete("x");
  schedule.pause("x");
  schedule.resume("x");
  schedule.leave("x");
  schedule.over(7);
  schedule.chosen(7, 0);
  assert.equal(schedule.useless(7), true);
  assert.deepEqual(schedule.next(), []);
});

Deno.test("a peer is idle while it could be asked, and nothing more is idle when all is here", () => {
  const schedule = new Schedule({ pieces: 2, pieceSize: PIECE, random: randomFrom(1) });
  schedule.join("a", false);
  assert.equal(schedule.isIdle("a"), true);
  assert.equal(schedule.isIdle("b"), false, "nobody knows it");
  schedule.pause("a");
  assert.equal(schedule.isIdle("a"), false);
  schedule.resume("a");
  schedule.offer("a", Uint8Array.of(1, 0));
  assert.equal(schedule.next().length, 1);
  assert.equal(schedule.isIdle("a"), false);
  schedule.leave("a");
  schedule.join("c", false);
  for (const piece of [0, 1]) schedule.arrived(piece);
  assert.equal(schedule.isIdle("c"), false);
});

Deno.test("who brings next to nothing is asked only when nobody else can be", () => {
  for (let seed = 0; seed < 20; seed++) {
    const schedule = scheduleOf(3, seed);
    joinPartial(schedule, "crawls", flags(3, 0));
    const [first] = schedule.next();
    schedule.over(first!.id, { bytes: 6000, seconds: 1 });
    joinPartial(schedule, "fast", flags(3, 0));
    assert.deepEqual(textsOf(schedule.next()), ["fast 0"]);
  }
});
