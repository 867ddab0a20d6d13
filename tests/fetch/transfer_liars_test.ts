import assert from "node:assert/strict";
import { noise } from "../serve/implementations.ts";
import { directory, file } from "../vectors/trees.ts";
import { type Behaviour, FakePeer } from "./fake_peer.ts";
import { Transferring } from "./transferring.ts";

const PIECE = 262_144;

/** Two large files, which share a piece, after small ones: 12 MB, 46 pieces. */
const NODES = [
  file("a", noise(1, 100)),
  directory("d"),
  ...Array.from({ length: 40 }, (_, index) => file(`d/${index + 10}`, noise(index, 25_000))),
  file("d/large", noise(50, 7_000_000)),
  file("d/larger", noise(51, 4_000_001)),
];
const SIZE = 12_000_101;
const LARGE = 1_000_100;
const LARGER = 8_000_100;
const PIECES = 46;

function pieces(has: (piece: number) => boolean, count = PIECES): Uint8Array {
  return Uint8Array.from({ length: count }, (_, piece) => has(piece) ? 1 : 0);
}

const HALVES = {
  even: (piece: number) => piece % 2 === 0,
  odd: (piece: number) => piece % 2 === 1,
};

type Behaviours = (stream: Uint8Array) => Record<string, Behaviour>;

/** Gets a tree from peers that do so, and says what came of it. */
async function transfer(
  behaviours: Behaviours,
  options: Parameters<Transferring["run"]>[0] = {},
) {
  using transferring = await Transferring.of(NODES);
  const { stream } = transferring;
  assert.equal(stream.length, SIZE);
  const peers: Record<string, FakePeer> = {};
  for (const [name, behaviour] of Object.entries(behaviours(stream))) {
    const peer = peers[name] = new FakePeer(name, stream, behaviour);
    const partial = behaviour.has instanceof Uint8Array || behaviour.claims instanceof Uint8Array;
    transferring.add(peer, partial ? "partial" : "have");
  }
  const done = await transferring.run(options);
  if (done) await transferring.check();
  const members = [...transferring.crowd.members.values()];
  return {
    done,
    dropped: transferring.dropped,
    bytes: members.reduce((sum, { tally }) => sum + tally.bytes, 0),
    peers,
    received: transferring.assembly.received,
  };
}

function flipped(stream: Uint8Array, ...positions: number[]): Uint8Array {
  return stream.map((byte, position) => positions.includes(position) ? byte ^ 1 : byte);
}

const PLACES: Record<string, number> = {
  "a small file": 150,
  "the first byte of a large file": LARGE,
  "the middle of a large file": 5_000_000,
  "the last byte of a large file": LARGER - 1,
  "the first byte of the next one": LARGER,
  "the last byte of all": SIZE - 1,
};

for (const [what, position] of Object.entries(PLACES)) {
  for (const compress of ["never", "always"] as const) {
    Deno.test(`one of three seeds flips a bit in ${what}, compress=${compress}`, async () => {
      // So that the one who lies is asked for that byte, the others are slow.
      const { done, dropped, bytes } = await transfer(() => ({
        liar: { wrong: [position] },
        one: { turns: 20 },
        two: { turns: 20 },
      }), { compress });
      assert.equal(done, true);
      assert.ok(dropped.one === undefined && dropped.two === undefined, JSON.stringify(dropped));
      assert.ok(bytes < 2 * SIZE, `${bytes} bytes came`);
    });
  }
}

Deno.test("who flips a bit in everything is found, whatever the others send", async () => {
  const everywhere = Array.from({ length: PIECES }, (_, piece) => piece * PIECE);
  const { done, dropped, bytes } = await transfer(() => ({
    liar: { wrong: everywhere },
    one: { turns: 3 },
    two: { turns: 3 },
  }));
  assert.equal(done, true);
  assert.deepEqual(dropped, { liar: "lied" });
  assert.ok(bytes < 2.5 * SIZE, `${bytes} bytes came`);
});

Deno.test("the same where nobody gives piece digests: one after the other is asked alone", async () => {
  const digestsOf = "none";
  for (const position of Object.values(PLACES)) {
    const { done, dropped } = await transfer(() => ({
      liar: { wrong: [position], digestsOf },
      one: { turns: 20, digestsOf },
      two: { turns: 20, digestsOf },
    }));
    assert.equal(done, true);
    assert.ok(dropped.one === undefined && dropped.two === undefined, JSON.stringify(dropped));
  }
});

Deno.test("a partial peer that has not what it says it has is left, and what it has is used", async () => {
  const { done, dropped } = await transfer(() => ({
    boaster: { has: pieces((piece) => piece < 5), claims: pieces(() => true) },
    seed: { turns: 5 },
  }));
  assert.equal(done, true);
  assert.deepEqual(dropped, { boaster: "failed" });
});

Deno.test("a partial peer that only says it has something ends nothing and holds nobody up", async () => {
  const { done, dropped, received } = await transfer(() => ({
    boaster: { has: pieces(() => false), claims: pieces(() => true) },
    partial: { has: pieces(HALVES.even) },
  }));
  assert.equal(done, false);
  assert.deepEqual(dropped, { boaster: "failed", partial: "failed" });
  assert.ok(received >= 22 * PIECE);
});

Deno.test("the same of one that does not say it with every answer", async () => {
  const { done, dropped } = await transfer(() => ({
    boaster: { has: pieces(() => false), claims: pieces(() => true), taciturn: true },
    partial: { has: pieces(HALVES.even) },
  }));
  assert.equal(done, false);
  assert.deepEqual(dropped, { boaster: "failed", partial: "failed" });
});

Deno.test("who is asked alone, and turns out to have not all, makes place for another one", async () => {
  let asked = false;
  const { done, dropped } = await transfer(() => ({
    liar: { wrong: [2_000_000], digestsOf: "none" },
    // It loses a piece when it is asked for piece digests, which is when something is wrong.
    loser: {
      get digestsOf() {
        asked = true;
        return "none" as const;
      },
      get has() {
        return asked ? pieces((piece) => piece !== 20) : undefined;
      },
      turns: 3,
    } as Behaviour,
    seed: { digestsOf: "none", turns: 10 },
  }));
  assert.equal(asked, true);
  assert.equal(done, true);
  assert.equal(dropped.seed, undefined, JSON.stringify(dropped));
});

Deno.test("a seed that has nothing is left", async () => {
  const { done, dropped } = await transfer(() => ({
    boaster: { has: pieces(() => false), claims: "all" },
    seed: { turns: 5 },
  }));
  assert.equal(done, true);
  assert.deepEqual(dropped, { boaster: "failed" });
});

Deno.test("piece digests that lie beside honest bytes cost nobody his place but who gave them", async () => {
  for (const lies of [[LARGE + 10 * PIECE], [5 * PIECE, 6 * PIECE, 7 * PIECE, 30 * PIECE]]) {
    const { done, dropped } = await transfer((stream) => ({
      source: { digestsOf: flipped(stream, ...lies) },
      even: { has: pieces(HALVES.even) },
      odd: { has: pieces(HALVES.odd) },
    }));
    assert.equal(done, true);
    assert.equal(dropped.even ?? dropped.odd, undefined, JSON.stringify(dropped));
  }
});

Deno.test("a seed whose digests go with its wrong bytes is found when files are complete", async () => {
  for (const position of [5_000_000, LARGER - 1, LARGER, SIZE - 1]) {
    const { done, dropped } = await transfer((stream) => ({
      source: { digestsOf: flipped(stream, position), wrong: [position], turns: 1 },
      even: { has: pieces(HALVES.even), turns: 3 },
      odd: { has: pieces(HALVES.odd), turns: 3 },
    }));
    assert.equal(done, true);
    assert.equal(dropped.even ?? dropped.odd, undefined, JSON.stringify(dropped));
  }
});

Deno.test("who was set aside comes back when nobody else is left", async () => {
  const { done, dropped } = await transfer((stream) => ({
    source: {
      digestsOf: flipped(stream, ...Array.from({ length: PIECES }, (_, n) => n * PIECE)),
      failsAfter: 0,
    },
    honest: { has: pieces(() => true), turns: 5 },
    idle: { has: pieces(() => false) },
  }));
  assert.equal(done, true);
  assert.deepEqual(dropped, { source: "failed", idle: "failed" });
});

Deno.test("of piece digests that lie, two honest peers that agree convince", async () => {
  const { done, dropped, peers } = await transfer((stream) => ({
    source: { digestsOf: flipped(stream, ...Array.from({ length: PIECES }, (_, n) => n * PIECE)) },
    one: { has: pieces(() => true) },
    two: { has: pieces(() => true) },
  }));
  assert.equal(done, true);
  assert.equal(dropped.one ?? dropped.two, undefined, JSON.stringify(dropped));
  assert.ok(peers.one!.sent + peers.two!.sent > 0);
});

Deno.test("a partial peer that sends wrong pieces is set aside by honest digests", async () => {
  const everywhere = Array.from({ length: PIECES }, (_, piece) => piece * PIECE + 1);
  const { done, dropped, bytes } = await transfer(() => ({
    seed: { turns: 3 },
    liar: { has: pieces(() => true), wrong: everywhere },
    honest: { has: pieces(HALVES.odd) },
  }));
  assert.equal(done, true);
  assert.equal(dropped.seed ?? dropped.honest, undefined, JSON.stringify(dropped));
  assert.ok(bytes < 1.6 * SIZE, `${bytes} bytes came`);
});

Deno.test("who gave on what another one deceived it with is given up, and is not called a liar", async () => {
  const digestsOf = "none";
  // Whichever pieces of the large files it is asked for.
  const wrong = Array.from({ length: 40 }, (_, piece) => LARGE + piece * PIECE);
  const { done, dropped } = await transfer(() => ({
    deceived: { has: pieces(() => true), wrong },
    seed: { digestsOf, turns: 5 },
  }));
  assert.equal(done, true);
  assert.deepEqual(dropped, { deceived: "failed" });
});

Deno.test("liars alone come to an end, and nothing of theirs stays", async () => {
  // Whatever they are asked for, something of it is wrong, and each time something else.
  const somewhere = (seed: number) => (question: number) =>
    Array.from({ length: SIZE / 10_000 }, (_, n) => n * 10_000 + (question * 31 * seed) % 10_000);
  for (const digestsOf of ["none", undefined] as const) {
    const of = digestsOf === undefined ? {} : { digestsOf } as const;
    const { done, dropped } = await transfer(() => ({
      one: { wrong: somewhere(1), ...of },
      two: { wrong: somewhere(2), ...of },
      three: { wrong: somewhere(3), ...of },
    }));
    assert.equal(done, false);
    assert.deepEqual(Object.keys(dropped).sort(), ["one", "three", "two"]);
  }
});

Deno.test("partial liars alone come to an end, too", async () => {
  const always = (question: number) => [5_000_000, LARGE + (question * 7919) % 7_000_000];
  const { done } = await transfer(() => ({
    one: { has: pieces(() => true), wrong: always },
    two: { has: pieces(() => true), wrong: [5_000_000] },
    three: { has: pieces(() => true), wrong: [5_000_000] },
  }));
  assert.equal(done, false);
});

Deno.test("one honest seed among many liars is enough", async () => {
  const lies = [5_000_000, 9_000_000, 50];
  const { done, dropped } = await transfer((stream) => ({
    ...Object.fromEntries(
      Array.from({ length: 6 }, (_, n) => [`liar ${n}`, {
        wrong: lies.map((lie) => lie + n),
        digestsOf: flipped(stream, ...lies.map((lie) => lie + n)),
      }]),
    ),
    honest: { turns: 10 },
  }));
  assert.equal(done, true);
  assert.equal(dropped.honest, undefined);
});

Deno.test("who offers pieces and refuses them is not asked for ever", async () => {
  using transferring = await Transferring.of([file("a", noise(1, 1000))]);
  const abort = new AbortController();
  const peer = new FakePeer("fickle", transferring.stream, { has: Uint8Array.of(0) });
  let refused = 0;
  peer.pieces = (_digest, _run, { holdings }) => {
    if (++refused === 5) abort.abort(new Error("it is asked again and again"));
    holdings(Uint8Array.of(0));
    return Promise.resolve(undefined);
  };
  peer.availability = () => Promise.resolve(Uint8Array.of(1));
  transferring.add(peer, "partial");
  assert.equal(await transferring.run({ signal: abort.signal, fruitless: 1 }), false);
  assert.deepEqual(transferring.dropped, { fickle: "failed" });
});
