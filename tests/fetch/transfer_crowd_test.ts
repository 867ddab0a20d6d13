import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import type { Member } from "../../lib/fetch/member.ts";
import { noise } from "../serve/implementations.ts";
import { directory, file } from "../vectors/trees.ts";
import { type Behaviour, FakePeer } from "./fake_peer.ts";
import { Transferring } from "./transferring.ts";

const PIECE = 262_144;

/** Small files and large ones, whose ends are not those of pieces: 12 MB, 46 pieces. */
const NODES = [
  file("a", noise(1, 100)),
  directory("d"),
  ...Array.from({ length: 40 }, (_, index) => file(`d/${index + 10}`, noise(index, 25_000))),
  file("d/large", noise(50, 7_000_000)),
  file("d/larger", noise(51, 4_000_001)),
];
const PIECES = 46;

function pieces(has: (piece: number) => boolean, count = PIECES): Uint8Array {
  return Uint8Array.from({ length: count }, (_, piece) => has(piece) ? 1 : 0);
}

/** Begins with one peer for each behaviour, in that order. */
async function begin(
  behaviours: Record<string, Behaviour>,
  nodes = NODES,
): Promise<{
  transferring: Transferring;
  peers: Record<string, FakePeer>;
  members: Record<string, Member>;
  [Symbol.dispose](): void;
}> {
  const transferring = await Transferring.of(nodes);
  const peers: Record<string, FakePeer> = {};
  const members: Record<string, Member> = {};
  for (const [name, behaviour] of Object.entries(behaviours)) {
    const peer = peers[name] = new FakePeer(name, transferring.stream, behaviour);
    const partial = behaviour.has instanceof Uint8Array || behaviour.claims instanceof Uint8Array;
    members[name] = transferring.add(peer, partial ? "partial" : "have");
  }
  return {
    transferring,
    peers,
    members,
    [Symbol.dispose]: () => transferring[Symbol.dispose](),
  };
}

function sum(members: Record<string, Member>, what: "bytes" | "wasted"): number {
  return Object.values(members).reduce((sum, { tally }) => sum + tally[what], 0);
}

for (const count of [2, 4]) {
  Deno.test(`${count} seeds share the work, and hardly a byte comes twice`, async () => {
    const names = Array.from({ length: count }, (_, index) => `seed ${index}`);
    using begun = await begin(Object.fromEntries(names.map((name) => [name, { turns: 3 }])));
    const { transferring, members } = begun;
    assert.equal(await transferring.run(), true);
    const { length } = transferring.stream;
    for (const [name, { tally }] of Object.entries(members)) {
      assert.ok(tally.bytes > 0.3 * length / count, `${name} sent ${tally.bytes} of ${length}`);
    }
    assert.ok(sum(members, "bytes") <= length + 4 * PIECE, `${sum(members, "bytes")}`);
    assert.deepEqual(transferring.dropped, {});
    await transferring.check();
  });
}

Deno.test("what a member is counted for is what came from it, and what was of no use", async () => {
  using begun = await begin({ one: { turns: 2 }, other: { turns: 5, partSize: 10_000 } });
  const { transferring, members, peers } = begun;
  await transferring.run();
  for (const [name, { tally }] of Object.entries(members)) {
    assert.equal(tally.wire, tally.bytes, name);
    assert.ok(tally.bytes <= peers[name]!.sent, name);
    assert.ok(tally.questions >= peers[name]!.asked.length, name);
  }
  assert.equal(sum(members, "bytes") - sum(members, "wasted"), transferring.stream.length);
});

Deno.test("compressed pieces are taken as what they hold, and counted as what they are", async () => {
  using begun = await begin({ one: {}, other: {} });
  const { transferring, members, peers } = begun;
  assert.equal(await transferring.run({ compress: "always" }), true);
  for (const [name, { asked }] of Object.entries(peers)) {
    assert.ok(asked.length > 0 && asked.every((what) => what.startsWith("pieces ")), name);
    const { tally } = members[name]!;
    assert.ok(tally.wire > tally.bytes, "these frames are stored, with a header each");
  }
  await transferring.check();
});

Deno.test("who dies midway costs what was in flight to it", async () => {
  using begun = await begin({ mortal: { failsAfter: 3_000_000 }, other: { turns: 2 } });
  const { transferring, members } = begun;
  assert.equal(await transferring.run(), true);
  assert.ok(sum(members, "bytes") <= transferring.stream.length + 5 * PIECE);
  await transferring.check();
});

Deno.test("when all die, that is told, and what came stays", async () => {
  using begun = await begin({ one: { failsAfter: 3_000_000 }, two: { failsAfter: 1_000_000 } });
  const { transferring } = begun;
  assert.equal(await transferring.run(), false);
  assert.deepEqual(transferring.dropped, { one: "failed", two: "failed" });
  assert.ok(transferring.assembly.received > 2_500_000);
});

Deno.test("who has no place is asked again when it said, and used then", async () => {
  using begun = await begin({ busy: { busy: { times: 2, seconds: 0.05 } } });
  const { transferring, peers } = begun;
  assert.equal(await transferring.run(), true);
  assert.ok(peers.busy!.asked.length >= 3);
  assert.deepEqual(transferring.dropped, {});
  await transferring.check();
});

Deno.test("while one has no place, another one is asked; who never has one is left", async () => {
  using begun = await begin({
    busy: { busy: { times: Infinity, seconds: 0.001 } },
    other: { turns: 30 },
  });
  const { transferring, peers } = begun;
  assert.equal(await transferring.run(), true);
  assert.equal(peers.busy!.sent, 0);
  assert.ok(peers.busy!.asked.length <= 31);
  await transferring.check();

  using alone = await begin({ busy: { busy: { times: Infinity, seconds: 0.001 } } });
  assert.equal(await alone.transferring.run(), false);
  assert.deepEqual(alone.transferring.dropped, { busy: "failed" });
  assert.equal(alone.peers.busy!.asked.length, 31);
});

Deno.test("who joins late is used", async () => {
  using begun = await begin({ first: { turns: 5 } });
  const { transferring, members } = begun;
  const late = new FakePeer("late", transferring.stream, { turns: 1 });
  const running = transferring.run({
    onProgress: () => {
      if (transferring.crowd.members.has("late")) return;
      if (transferring.assembly.received > 2_000_000) members.late = transferring.add(late);
    },
  });
  assert.equal(await running, true);
  assert.ok(members.late!.tally.bytes > 3_000_000, `${members.late!.tally.bytes}`);
  await transferring.check();
});

Deno.test("nobody there is waited for until all had their time", async () => {
  using begun = await begin({});
  const { transferring } = begun;
  const running = transferring.run({ settled: false });
  await setTimeout(20);
  transferring.crowd.settle();
  assert.equal(await running, false);
});

Deno.test("who comes when nobody was there is used", async () => {
  using begun = await begin({});
  const { transferring } = begun;
  const running = transferring.run({ settled: false });
  await setTimeout(20);
  transferring.add(new FakePeer("late", transferring.stream));
  assert.equal(await running, true);
  await transferring.check();
});

Deno.test("a seed that turns out to be partial is used for what it has", async () => {
  for (const compress of ["always", "never"] as const) {
    const has = pieces((piece) => piece < 20);
    using begun = await begin({ half: {}, seed: { turns: 20 } });
    const { transferring, peers, members } = begun;
    peers.half!.behaviour.has = has;
    assert.equal(await transferring.run({ compress }), true);
    assert.equal(members.half!.state, "partial");
    assert.ok(members.half!.tally.bytes > 0);
    assert.deepEqual(transferring.dropped, {});
    await transferring.check();
  }
});

Deno.test("who knows only archives is asked for no content again, and is no failure", async () => {
  using begun = await begin({ old: { has: "archives" }, seed: { turns: 3 } });
  const { transferring, members, peers } = begun;
  assert.equal(await transferring.run(), true);
  assert.equal(members.old!.state, "archives");
  assert.equal(peers.old!.asked.length, 1);
  assert.deepEqual(transferring.dropped, {});
  await transferring.check();

  using alone = await begin({ old: { has: "archives" } });
  assert.equal(await alone.transferring.run(), false);
  assert.deepEqual(alone.transferring.crowd.archivists, [alone.members.old]);
});

Deno.test("partial peers that have all between them are enough", async () => {
  using begun = await begin({
    even: { has: pieces((piece) => piece % 2 === 0) },
    odd: { has: pieces((piece) => piece % 2 === 1) },
    some: { has: pieces((piece) => piece % 3 === 1) },
  });
  const { transferring, members } = begun;
  assert.equal(await transferring.run(), true);
  assert.deepEqual(transferring.dropped, {});
  for (const { tally } of Object.values(members)) assert.ok(tally.bytes > 10 * PIECE / 2);
  await transferring.check();
});

Deno.test("what a partial peer gets meanwhile is asked of it", async () => {
  const has = pieces((piece) => piece < 20);
  using begun = await begin({ half: { has } });
  const { transferring } = begun;
  const running = transferring.run({
    onProgress: () => {
      if (transferring.assembly.received > 19 * PIECE) has.fill(1);
    },
  });
  assert.equal(await running, true);
  await transferring.check();
});

Deno.test("when nobody has the rest, that is told after some patience, and what came stays", async () => {
  using begun = await begin({
    one: { has: pieces((piece) => piece < 20) },
    two: { has: pieces((piece) => piece > 10 && piece < 30) },
  });
  const { transferring, members } = begun;
  assert.equal(await transferring.run(), false);
  assert.deepEqual(transferring.dropped, { one: "failed", two: "failed" });
  assert.equal(transferring.assembly.received, 30 * PIECE);
  assert.equal(sum(members, "wasted"), 0);
});

Deno.test("a seed that comes when partial peers have nothing more gives the rest", async () => {
  using begun = await begin({ half: { has: pieces((piece) => piece < 20) } });
  const { transferring, members } = begun;
  const running = transferring.run({ settled: false });
  await setTimeout(100);
  assert.equal(transferring.assembly.received, 20 * PIECE);
  members.seed = transferring.add(new FakePeer("seed", transferring.stream));
  assert.equal(await running, true);
  assert.ok(members.seed.tally.bytes < transferring.stream.length - 18 * PIECE);
  await transferring.check();
});

Deno.test("pieces that match a seed's digests may be given on before files are complete", async () => {
  using begun = await begin({ seed: { turns: 10 }, partial: { has: pieces(() => false) } });
  const { transferring } = begun;
  let shared = 0;
  const running = transferring.run({
    onProgress: () => {
      const { assembly, pieces: { map } } = transferring;
      if (assembly.received > 6_000_000) return;
      for (let piece = 8; piece < map.count; piece++) {
        if (transferring.pieces.isShared(piece)) shared++;
      }
    },
  });
  assert.equal(await running, true);
  assert.ok(shared > 0, "the large files were far from complete");
  await transferring.check();
});

Deno.test("a seed that comes when partial peers are there already is asked for piece digests", async () => {
  using begun = await begin({ half: { has: pieces((piece) => piece < 20) } });
  const { transferring } = begun;
  const seed = new FakePeer("seed", transferring.stream);
  const running = transferring.run({ settled: false });
  await setTimeout(20);
  transferring.add(seed);
  assert.equal(await running, true);
  assert.ok(seed.asked.includes("piece digests"));
});

Deno.test("after an abort nothing is written, and whoever aborts may close the files at once", async () => {
  const behaviours: Record<string, Behaviour>[] = [
    { one: { turns: 2 }, two: {} },
    { one: { turns: 2 }, partial: { has: pieces((piece) => piece % 2 === 0) } },
  ];
  for (const behaviour of behaviours) {
    using begun = await begin(behaviour);
    const { transferring } = begun;
    const abort = new AbortController();
    const reason = new Error("that is enough");
    let at = 0;
    const running = transferring.run({
      signal: abort.signal,
      onProgress: () => {
        if (at > 0 || transferring.assembly.received < 3_000_000) return;
        at = transferring.assembly.received;
        abort.abort(reason);
      },
    });
    await assert.rejects(running, reason);
    const { received } = transferring.assembly;
    assert.ok(received <= at + PIECE, "what was being written was finished, and no more");
    transferring.assembly.close();
    await setTimeout(20);
    assert.equal(transferring.assembly.received, received);
  }
});

Deno.test("what is aborted before it begins asks nobody", async () => {
  using begun = await begin({ seed: {} });
  const reason = new Error("too late");
  await assert.rejects(begun.transferring.run({ signal: AbortSignal.abort(reason) }), reason);
  assert.deepEqual(begun.peers.seed!.asked, []);
});
