import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import fc from "fast-check";
import { PeerFailed, StoreFailed } from "../../lib/errors.ts";
import { DownloadLimit } from "../../lib/fetch/download_limit.ts";
import { RETRIES_MS } from "../../lib/wire/limits.ts";
import { needs } from "../skips.ts";
import { noise, TREES } from "../serve/implementations.ts";
import { directory, file } from "../vectors/trees.ts";
import { FakePeer } from "./fake_peer.ts";
import { Transferring } from "./transferring.ts";

const NODES = [
  file("a", noise(1, 100)),
  directory("d"),
  file("d/b", noise(2, 300_000)),
  file("d/c", noise(3, 1_000_000)),
];
const SIZE = 1_300_100;
const PIECE = 262_144;

Deno.test({
  name: "a peer's stream ends in the right tree, whatever parts it comes in",
  ...needs("posix"),
  async fn() {
    const partSize = fc.constantFrom(999, 16_384, 65_536, 262_143, 262_144, 2_000_000);
    await fc.assert(
      fc.asyncProperty(TREES, partSize, async (nodes, partSize) => {
        using transferring = await Transferring.of(nodes);
        const { stream } = transferring;
        const peer = new FakePeer("peer", stream, { partSize });
        transferring.add(peer);
        assert.equal(await transferring.run(), true);
        assert.equal(peer.sent, stream.length);
        assert.ok(peer.asked.length <= Math.ceil(stream.length / 1_000_000), `${peer.asked}`);
        await transferring.check();
      }),
      { numRuns: 25 },
    );
  },
});

Deno.test({
  name: "peers that fail anywhere hand on to each other, and no byte is fetched twice",
  ...needs("posix"),
  async fn() {
    const steps = fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(TREES, steps, async (nodes, steps) => {
        using transferring = await Transferring.of(nodes);
        const { assembly, stream } = transferring;
        let sent = 0;
        for (const [index, failsAfter] of steps.entries()) {
          const peer = new FakePeer(`peer ${index}`, stream, { failsAfter });
          const member = transferring.add(peer);
          const fails = assembly.stream.size - assembly.received > failsAfter;
          assert.equal(await transferring.run({ retries: [1, 2, 3] }), !fails);
          assert.equal(member.state, fails ? "gone" : "seed");
          sent += peer.sent;
          assert.equal(assembly.received, sent);
          if (!fails) break;
        }
        const last = new FakePeer("last", stream);
        transferring.add(last);
        assert.equal(await transferring.run(), true);
        const all = [...transferring.crowd.members.values()];
        assert.equal(all.reduce((sum, { tally }) => sum + tally.bytes, 0), stream.length);
        assert.equal(all.reduce((sum, { tally }) => sum + tally.wasted, 0), 0);
        await transferring.check();
      }),
      { numRuns: 25 },
    );
  },
});

Deno.test("a peer that sends a wrong file is stopped, and what was right stays", async () => {
  using transferring = await Transferring.of(NODES);
  const { stream } = transferring;
  const liar = new FakePeer("liar", stream, { wrong: [150] });
  const { reason } = await addAndRun(transferring, liar, false);
  assert.match(reason!.message, /"d\/b"/);
  assert.deepEqual(transferring.dropped, { liar: "lied" });
  assert.ok(liar.sent < SIZE, "it was stopped");
  const honest = new FakePeer("honest", stream);
  await addAndRun(transferring, honest, true);
  assert.ok(!honest.asked[0]!.startsWith("0-"), "the first file was right");
  await transferring.check();
});

Deno.test("a wrong file at the very end is found, too", async () => {
  using transferring = await Transferring.of(NODES);
  const { assembly, stream } = transferring;
  await addAndRun(transferring, new FakePeer("liar", stream, { wrong: [SIZE - 1] }), false);
  assert.deepEqual(transferring.dropped, { liar: "lied" });
  assert.equal(assembly.complete, false);
  assert.deepEqual(assembly.missing(), [{ start: 300_100, end: SIZE }]);
});

Deno.test("who goes on with what a liar began is not taken for the liar", async () => {
  using transferring = await Transferring.of(NODES);
  const { assembly, stream } = transferring;
  const liar = new FakePeer("liar", stream, {
    wrong: [400_000],
    failsAfter: 800_000,
    digestsOf: "none",
  });
  await addAndRun(transferring, liar, false);
  assert.deepEqual(transferring.dropped, { liar: "failed" });
  const honest = new FakePeer("honest", stream, { digestsOf: "none" });
  await addAndRun(transferring, honest, true);
  assert.deepEqual(honest.asked, [`800000-${SIZE}`, `300100-${SIZE}`]);
  assert.deepEqual([...assembly.liars.keys()], ["liar"]);
  await transferring.check();
});

Deno.test("only what is missing is asked for, in one request a gap", async () => {
  using transferring = await Transferring.of(NODES);
  const { assembly, stream } = transferring;
  assembly.write(100, stream.slice(100, 300_100), "earlier");
  assembly.write(500_000, stream.slice(500_000, 600_000), "earlier");
  const peer = new FakePeer("peer", stream);
  await addAndRun(transferring, peer, true);
  assert.deepEqual(peer.asked, ["0-100", "300100-500000", `600000-${SIZE}`]);
  await transferring.check();
});

Deno.test("of who may compress, pieces that are missing for the most part come whole, and little as it is", async () => {
  using transferring = await Transferring.of(NODES);
  const { assembly, stream } = transferring;
  const earlier = [[100, 250_000], [320_000, 350_000], [600_000, 1_040_000]] as const;
  for (const [start, end] of earlier) assembly.write(start, stream.slice(start, end), "earlier");
  const peer = new FakePeer("peer", stream, { coding: "compressed" });
  const { tally } = transferring.add(peer);
  assert.equal(await transferring.run({ compress: "always" }), true);
  assert.deepEqual(peer.asked, [
    "0-100",
    `250000-${PIECE}`,
    "pieces 1-1",
    `${2 * PIECE}-600000`,
    `1040000-${4 * PIECE}`,
    "pieces 4-4",
  ]);
  assert.deepEqual(transferring.dropped, {});
  assert.equal(tally.wasted, 30_000);
  assert.ok(tally.wire < tally.bytes, `${tally.wire} of ${tally.bytes}`);
  await transferring.check();
});

Deno.test("whose wire turns out to be slow is asked for the rest of a span compressed", async () => {
  for (const rate of [1e6, 1e9]) {
    using transferring = await Transferring.of(NODES);
    const { assembly, stream } = transferring;
    assembly.write(300_100, stream.slice(300_100, 320_000), "earlier");
    const peer = new FakePeer("peer", stream, { coding: "compressed", rate });
    transferring.add(peer);
    assert.equal(await transferring.run({ compress: "auto" }), true);
    assert.deepEqual(peer.asked, [
      "0-300100",
      ...(rate === 1e6 ? ["pieces 1-1", "pieces 2-4"] : [`320000-${SIZE}`]),
    ]);
    await transferring.check();
  }
});

Deno.test("a short answer at the beginning of a span does not decide how the rest of it is asked for", async () => {
  using transferring = await Transferring.of(NODES);
  const { assembly, stream } = transferring;
  assembly.write(100, stream.slice(100, 20_000), "earlier");
  const peer = new FakePeer("peer", stream, { coding: "compressed", rate: 1e6 });
  transferring.add(peer);
  assert.equal(await transferring.run({ compress: "auto" }), true);
  assert.deepEqual(peer.asked, ["0-100", `20000-${SIZE}`]);
  await transferring.check();
});

Deno.test("a limit holds what comes over the wire, and not what becomes of it", async () => {
  class Counting extends DownloadLimit {
    taken = 0;
    override take(bytes: number): Promise<void> {
      this.taken += bytes;
      return Promise.resolve();
    }
  }
  for (const coding of ["compressed", "none"] as const) {
    using transferring = await Transferring.of(NODES);
    const { stream } = transferring;
    const { tally } = transferring.add(new FakePeer("peer", stream, { coding }));
    const limit = new Counting(1);
    assert.equal(await transferring.run({ compress: "always", limit }), true);
    assert.equal(limit.taken, tally.wire);
    assert.equal(tally.wire < tally.bytes, coding === "compressed");
    await transferring.check();
  }
});

/** The first span of it is missing as a whole, and four fifths of each piece behind that. */
async function lackingFourFifths(): Promise<Transferring> {
  const transferring = await Transferring.of([file("large", noise(4, 32 * PIECE))]);
  const { assembly, stream } = transferring;
  for (let at = 16 * PIECE; at < stream.length; at += PIECE) {
    assembly.write(at, stream.slice(at, at + PIECE / 5), "earlier");
  }
  return transferring;
}

Deno.test("while pieces shrink, those that are missing for the most part come whole", async () => {
  using transferring = await lackingFourFifths();
  const peer = new FakePeer("peer", transferring.stream, { coding: "compressed" });
  transferring.add(peer);
  assert.equal(await transferring.run({ compress: "always" }), true);
  assert.ok(peer.asked.every((what) => what.startsWith("pieces ")), `${peer.asked}`);
  await transferring.check();
});

Deno.test("when pieces turn out not to shrink, no more comes than what of them is missing", async () => {
  for (const coding of ["none", "stored"] as const) {
    using transferring = await lackingFourFifths();
    const peer = new FakePeer("peer", transferring.stream, { coding });
    const { tally } = transferring.add(peer);
    assert.equal(await transferring.run({ compress: "always" }), true);
    const [first, ...others] = peer.asked;
    assert.equal(first, "pieces 0-15");
    assert.equal(others.length, 16, `${coding}: ${others}`);
    assert.ok(others.every((what) => /^\d+-\d+$/.test(what)), `${coding}: ${others}`);
    assert.equal(tally.wasted, 0);
    await transferring.check();
  }
});

Deno.test("when the first piece that is here in part does not shrink, the rest is asked for as it is", async () => {
  using transferring = await Transferring.of([file("large", noise(4, 16 * PIECE))]);
  const { assembly, stream } = transferring;
  for (let at = 0; at < stream.length; at += PIECE) {
    assembly.write(at, stream.slice(at, at + PIECE / 5), "earlier");
  }
  const peer = new FakePeer("peer", stream, { coding: "none" });
  const { tally } = transferring.add(peer);
  assert.equal(await transferring.run({ compress: "always" }), true);
  const [first, ...others] = peer.asked;
  assert.equal(first, "pieces 0-0");
  assert.equal(others.length, 15, `${others}`);
  assert.ok(others.every((what) => /^\d+-\d+$/.test(what)), `${others}`);
  assert.equal(tally.wasted, Math.floor(PIECE / 5));
  await transferring.check();
});

Deno.test("a tree without content is asked of nobody", async () => {
  using transferring = await Transferring.of([directory("d"), file("empty", "")]);
  const peer = new FakePeer("peer", transferring.stream);
  await addAndRun(transferring, peer, true);
  assert.deepEqual(peer.asked, []);
  await transferring.check();
});

Deno.test("progress is told while bytes come, up to the end", async () => {
  using transferring = await Transferring.of(NODES);
  const { assembly, stream } = transferring;
  const told: number[] = [];
  transferring.add(new FakePeer("peer", stream));
  await transferring.run({ onProgress: () => told.push(assembly.received) });
  assert.ok(told.length > 3, `${told}`);
  assert.deepEqual(told, told.toSorted((a, b) => a - b));
  assert.equal(told.at(-1), SIZE);
});

Deno.test("a store that fails is not the peer's fault", async () => {
  using transferring = await Transferring.of(NODES);
  Deno.writeTextFileSync(`${transferring.tree.root}/d/b`, "in the way");
  transferring.add(new FakePeer("peer", transferring.stream));
  await assert.rejects(transferring.run(), StoreFailed);
  assert.deepEqual(transferring.dropped, {});
});

async function addAndRun(transferring: Transferring, peer: FakePeer, succeeds: boolean) {
  const member = transferring.add(peer);
  assert.equal(await transferring.run(), succeeds);
  return member;
}

const MANY = Array.from({ length: 3000 }, (_, n) => file(`f${n}`, noise(n, 1000 + n % 100)));

Deno.test("a transfer whose files another thread creates is over when they are in their places", async () => {
  using transferring = await Transferring.of(MANY);
  transferring.add(new FakePeer("peer", transferring.stream, { turns: 1 }));
  await transferring.assembly.shareWriting();
  assert.equal(await transferring.run(), true);
  await transferring.check();
});

Deno.test("after a transfer that was broken off nothing is written any more", async () => {
  using transferring = await Transferring.of(MANY);
  const { assembly, tree } = transferring;
  transferring.add(new FakePeer("peer", transferring.stream, { turns: 1 }));
  await assembly.shareWriting();
  const abort = new AbortController();
  const reason = new Error("interrupted");
  const onProgress = () => {
    if (assembly.received > 1_000_000) abort.abort(reason);
  };
  await assert.rejects(transferring.run({ signal: abort.signal, onProgress }), reason);
  const there = () => [...Deno.readDirSync(tree.root)].length;
  const before = there();
  assert.ok(before > 100 && before < MANY.length, `${before}`);
  await setTimeout(100);
  assert.equal(there(), before);
  // What is there is whole, and was told.
  assembly.close();
  const again = await tree.assembly(new Uint8Array());
  assert.equal(again.received, assembly.received);
});

Deno.test("what another thread cannot write ends a transfer, and not with what ends it otherwise", async () => {
  using transferring = await Transferring.of(MANY);
  const { assembly, tree } = transferring;
  // So slowly that the other thread gets its time before the end, on a busy machine, too.
  transferring.add(new FakePeer("peer", transferring.stream, { pause: 10 }));
  await assembly.shareWriting();
  Deno.writeTextFileSync(`${tree.root}/f1`, "in the way");
  await assert.rejects(transferring.run(), (error) => {
    assert.ok(error instanceof StoreFailed, String(error));
    assert.match(error.message, /f1"/);
    return true;
  });
  assert.ok(assembly.received < assembly.stream.size, "it is told before everything has come");
});

/** Of 32 pieces: a seed is asked for one of its choice first. */
const LARGE = [file("a", noise(4, 32 * PIECE))];

Deno.test("of something large and new a seed is asked for a piece of its choice, then for the rest", async () => {
  using transferring = await Transferring.of(LARGE);
  const peer = new FakePeer("peer", transferring.stream);
  transferring.add(peer);
  assert.equal(await transferring.run(), true);
  assert.deepEqual(peer.asked[0], "any");
  assert.ok(peer.asked.slice(1).every((question) => /^\d+-\d+$/.test(question)), `${peer.asked}`);
  assert.equal(peer.sent, 32 * PIECE);
  await transferring.check();
});

for (
  const [how, refuse] of [
    ["knows no such question", () => undefined],
    ["fails at that question", () => {
      throw new PeerFailed("peer", "it answered 400");
    }],
  ] as const
) {
  Deno.test(`a seed that ${how} is asked for the content`, async () => {
    using transferring = await Transferring.of(LARGE);
    class Refusing extends FakePeer {
      override anyPiece(): Promise<undefined> {
        this.asked.push("any");
        return Promise.resolve().then(refuse);
      }
    }
    const peer = new Refusing("peer", transferring.stream);
    transferring.add(peer);
    assert.equal(await transferring.run(), true);
    assert.equal(peer.asked.filter((question) => question === "any").length, 1);
    await transferring.check();
  });
}

Deno.test("a seed that owes everything, and is silent, does not keep another from bringing it", async () => {
  using transferring = await Transferring.of([file("a", noise(5, 64 * PIECE))]);
  /** Breaks its first piece off, when it has shown to be fast, and is silent from then on. */
  class Silent extends FakePeer {
    override content(_digest: string, _range: unknown, signal: AbortSignal): Promise<undefined> {
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    }
  }
  transferring.add(new Silent("silent", transferring.stream, { failsAfter: 100_000 }));
  const running = transferring.run({ settled: false });
  await setTimeout(RETRIES_MS[0]! + 200);
  const honest = new FakePeer("honest", transferring.stream);
  transferring.add(honest);
  transferring.crowd.settle();
  assert.equal(await running, true);
  assert.ok(honest.asked.length < 20, `${honest.asked}`);
  await transferring.check();
});
