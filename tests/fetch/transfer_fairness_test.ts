/** Who is wrong, slow or unlucky costs the others little, and nobody else his good name. */

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { PeerBusy, PeerFailed, PeerLied } from "../../lib/errors.ts";
import { noise } from "../serve/implementations.ts";
import { file } from "../vectors/trees.ts";
import { AVAILABILITY_PAUSE_MS } from "../../lib/wire/limits.ts";
import { FakePeer } from "./fake_peer.ts";
import { Transferring } from "./transferring.ts";

const PIECE = 262_144;

function pieces({ pieces }: Transferring, flag: 0 | 1): Uint8Array {
  return new Uint8Array(pieces.map.count).fill(flag);
}

/** Files that lie across the ends of pieces. */
function manyFiles(count: number) {
  return Array.from({ length: count }, (_, n) => file(`${n + 100}`, noise(n, 100_000)));
}

/** Gets everything, which must not take long. */
async function run(transferring: Transferring): Promise<boolean> {
  const abort = new AbortController();
  const timer = globalThis.setTimeout(() => abort.abort(new Error("it does not end")), 60_000);
  try {
    return await transferring.run({ signal: abort.signal });
  } finally {
    clearTimeout(timer);
  }
}

Deno.test("a liar in a piece that two files share is found, whoever the rest of it is from", async () => {
  using transferring = await Transferring.of([
    file("a", noise(1, 3_000_000)),
    file("b", noise(2, 6_000_000)),
  ]);
  const { assembly, stream } = transferring;
  assembly.write(0, stream.slice(0, 3_000_000), "this machine");
  assembly.write(8_000_000, stream.slice(8_000_000), "honest");
  const liar = new FakePeer("liar", stream, { wrong: [3_000_000] });
  transferring.add(liar);
  transferring.add(new FakePeer("honest", stream, { turns: 200 }));
  assert.equal(await run(transferring), true);
  assert.equal(transferring.dropped.honest, undefined);
  assert.ok(liar.asked.length < 50, `it was asked ${liar.asked.length} times`);
});

Deno.test("who sent a file's part of a piece is not to blame for another file's part of it", async () => {
  // Piece 1 belongs to a and b. Of a, which is wrong elsewhere, the source sent it.
  const end = PIECE + PIECE / 2;
  using transferring = await Transferring.of([
    file("a", noise(1, end)),
    file("b", noise(2, 6_000_000 - end)),
  ]);
  const { assembly, stream } = transferring;
  const flipped = (start: number, end: number) => {
    const bytes = stream.slice(start, end);
    bytes[0]! ^= 1;
    return bytes;
  };
  transferring.add(new FakePeer("source", stream, { turns: 5 }));
  transferring.add(new FakePeer("liar", stream, { wrong: [0, end], turns: 500 }));
  transferring.add(
    new FakePeer("partial", stream, { has: pieces(transferring, 0), digestsOf: "none" }),
    "partial",
  );
  assembly.write(0, flipped(0, PIECE), "liar");
  assembly.write(end, flipped(end, 2 * PIECE), "liar");
  const running = run(transferring);
  assembly.write(PIECE, stream.slice(PIECE, end), "source");
  assert.equal(await running, true);
  assert.equal(transferring.dropped.source, undefined);
});

Deno.test("nobody is charged with what another one sent in place of what was forgotten", async () => {
  const large = 32 * PIECE;
  using transferring = await Transferring.of([
    file("a", noise(1, large)),
    file("b", noise(2, 3_000_000)),
  ]);
  const { stream } = transferring;
  const wrong = Array.from({ length: 32 }, (_, piece) => piece * PIECE + 7);
  const lie = stream.map((byte, at) => wrong.includes(at) ? byte ^ 1 : byte);
  transferring.add(new FakePeer("liar", stream, { wrong, digestsOf: lie }));
  transferring.add(new FakePeer("honest", stream, { digestsOf: "none" }));
  assert.equal(await run(transferring), true);
  assert.deepEqual(transferring.dropped, { liar: "lied" });
});

Deno.test("two liars that agree about a small file do not get the others dropped", async () => {
  using transferring = await Transferring.of(manyFiles(60));
  const { stream } = transferring;
  const wrong = [PIECE - 5, PIECE + 5];
  const lie = stream.map((byte, at) => wrong.includes(at) ? byte ^ 1 : byte);
  transferring.add(new FakePeer("partial", stream, { has: pieces(transferring, 0) }), "partial");
  transferring.add(new FakePeer("first", stream, { wrong, digestsOf: "none" }));
  transferring.add(new FakePeer("second", stream, { wrong, digestsOf: lie }));
  transferring.add(new FakePeer("honest", stream, { turns: 300, digestsOf: "none" }));
  assert.equal(await run(transferring), true);
  assert.equal(transferring.dropped.honest, undefined);
});

Deno.test("while one alone has to be asked, nobody waits for those that are dead", async () => {
  using transferring = await Transferring.of(manyFiles(120));
  const { stream } = transferring;
  const wrong = [4_194_304 - 10];
  for (let n = 0; n < 3; n++) {
    transferring.add(new FakePeer(`dead ${n}`, stream, { failsAfter: 0, digestsOf: "none" }));
  }
  transferring.add(new FakePeer("liar", stream, { wrong, digestsOf: "none" }));
  transferring.add(new FakePeer("honest", stream, { turns: 2, digestsOf: "none" }));
  const abort = new AbortController();
  // Less than one turn.
  const timer = globalThis.setTimeout(() => abort.abort(new Error("it waits")), 9000);
  try {
    assert.equal(await transferring.run({ signal: abort.signal }), true);
  } finally {
    clearTimeout(timer);
  }
  assert.equal(transferring.dropped.honest, undefined);
});

Deno.test("a seed that stumbles at the piece digests stays a seed", async () => {
  using transferring = await Transferring.of([file("a", noise(1, 6_000_000))]);
  const { stream } = transferring;
  const seed = new FakePeer("seed", stream, { turns: 5 });
  const give = seed.pieceDigests.bind(seed);
  let times = 0;
  seed.pieceDigests = (...question) =>
    ++times === 1 ? Promise.reject(new PeerFailed("seed", "it is busy")) : give(...question);
  transferring.add(seed);
  transferring.add(new FakePeer("partial", stream, { has: pieces(transferring, 0) }), "partial");
  assert.equal(await run(transferring), true);
  assert.equal(transferring.dropped.seed, undefined);
});

Deno.test("what is here is hashed to the end, though the last peer goes away meanwhile", async () => {
  using transferring = await Transferring.of([file("a", noise(1, 100_000_000))]);
  const { assembly, stream } = transferring;
  for (let at = 1_048_576; at < stream.length; at += PIECE) {
    assembly.write(at, stream.slice(at, at + PIECE), "gone");
  }
  const settle = assembly.settle.bind(assembly);
  let settling = false;
  assembly.settle = async (signal) => {
    settling = true;
    await setTimeout(1.5 * AVAILABILITY_PAUSE_MS);
    await settle(signal);
  };
  // It says no more before it is wrong.
  const peer = new FakePeer("peer", stream, {
    has: pieces(transferring, 1),
    claims: pieces(transferring, 1),
  });
  const say = peer.availability.bind(peer);
  let told = false;
  peer.availability = async (...question) => {
    if (!told) {
      told = true;
      return await say(...question);
    }
    while (!settling) await setTimeout(5);
    throw new PeerLied("peer", "nonsense");
  };
  transferring.add(peer, "partial");
  assert.equal(await run(transferring), true);
  assert.equal(settling, true);
  assert.deepEqual(transferring.dropped, { peer: "lied" });
});

Deno.test("many that have nothing do not hide one that has all", async () => {
  using transferring = await Transferring.of([file("a", noise(1, 3_000_000))]);
  const { stream } = transferring;
  for (let n = 0; n < 30; n++) {
    transferring.add(new FakePeer(`${n}`, stream, { has: pieces(transferring, 0) }), "partial");
  }
  transferring.add(new FakePeer("full", stream, { has: pieces(transferring, 1) }), "partial");
  assert.equal(await run(transferring), true);
});

Deno.test("who always has no place to say what it has is asked for some time only", async () => {
  using transferring = await Transferring.of([file("a", noise(1, 6_000_000))]);
  const { stream } = transferring;
  const busy = new FakePeer("busy", stream, { has: pieces(transferring, 0) });
  let asked = 0;
  busy.availability = () => {
    asked++;
    return Promise.reject(new PeerBusy("busy", 0.001));
  };
  transferring.add(busy, "partial");
  transferring.add(new FakePeer("seed", stream, { pause: 20 }));
  assert.equal(await run(transferring), true);
  assert.ok(asked < 200, `it was asked ${asked} times`);
});

Deno.test("what was of no use after all counts as wasted, of who sent it", async () => {
  using transferring = await Transferring.of([file("a", noise(1, 32 * PIECE))]);
  const { stream } = transferring;
  const wrong = Array.from({ length: 32 }, (_, piece) => piece * PIECE + 7);
  const members = [
    transferring.add(new FakePeer("honest", stream)),
    transferring.add(new FakePeer("liar", stream, { wrong })),
  ];
  assert.equal(await run(transferring), true);
  const used = members.map(({ tally }) => tally.bytes - tally.wasted);
  assert.deepEqual(used, [stream.length, 0]);
});

Deno.test("of something small each of the first peers gets a share", async () => {
  using transferring = await Transferring.of([file("a", noise(1, 6_000_000))]);
  const peers = ["one", "two", "three"].map((name) =>
    new FakePeer(name, transferring.stream, { turns: 3 })
  );
  for (const peer of peers) transferring.add(peer);
  assert.equal(await run(transferring), true);
  for (const { name, sent } of peers) assert.ok(sent > 0, `${name} sent nothing`);
});

Deno.test("who was never asked is asked before anybody who failed", async () => {
  using transferring = await Transferring.of([file("a", noise(1, 6_000_000))]);
  const { stream } = transferring;
  const failing = Array.from(
    { length: 40 },
    (_, index) => new FakePeer(`failing ${index}`, stream, { failsAfter: 0 }),
  );
  const honest = new FakePeer("honest", stream);
  for (const peer of [...failing, honest]) transferring.add(peer);
  let askedBefore: number[] | undefined;
  const { content } = honest;
  honest.content = (...asked) => {
    askedBefore ??= failing.map((peer) => peer.asked.length);
    return content.apply(honest, asked);
  };
  assert.equal(await transferring.run({ retries: [0, 0, 0] }), true);
  assert.ok(askedBefore!.every((times) => times <= 1), `asked ${askedBefore} times before`);
  await transferring.check();
});
