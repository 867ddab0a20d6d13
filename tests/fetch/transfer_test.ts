import assert from "node:assert/strict";
import fc from "fast-check";
import { PeerFailed, PeerLied, StoreFailed } from "../../lib/errors.ts";
import type { Assembly } from "../../lib/fetch/assembly.ts";
import type { Peer } from "../../lib/fetch/peer.ts";
import { transferFrom } from "../../lib/fetch/transfer.ts";
import { needs } from "../skips.ts";
import { noise, TREES } from "../serve/implementations.ts";
import { directory, file } from "../vectors/trees.ts";
import { FetchedTree } from "./trees.ts";

interface Behaviour {
  /** Fails after so many bytes, all requests together. */
  readonly failsAfter?: number;
  /** Positions of the stream that it gets wrong. */
  readonly wrong?: readonly number[];
  /** In parts of at most so many bytes. */
  readonly partSize?: number;
}

/** A peer that says what it was told to say, and remembers what it was asked for. */
class FakePeer {
  readonly asked: string[] = [];
  sent = 0;

  constructor(
    readonly name: string,
    readonly stream: Uint8Array,
    readonly behaviour: Behaviour = {},
  ) {}

  async *content(
    _digest: string,
    range: { start: number; end: number; size: number },
  ): AsyncGenerator<Uint8Array> {
    const { failsAfter = Infinity, wrong = [], partSize = 65_536 } = this.behaviour;
    this.asked.push(`${range.start}-${range.end}`);
    assert.equal(range.size, this.stream.length);
    assert.ok(range.start < range.end && range.end <= range.size);
    for (let at = range.start; at < range.end;) {
      const size = Math.min(partSize, range.end - at, failsAfter - this.sent);
      if (size <= 0) throw new PeerFailed(this.name, "it went away");
      const part = this.stream.slice(at, at + size);
      for (const position of wrong) {
        if (part[position - at] !== undefined) part[position - at]! ^= 1;
      }
      at += size;
      this.sent += size;
      yield part;
    }
  }
}

function transfer(
  tree: FetchedTree,
  assembly: Assembly,
  peer: FakePeer,
  onProgress = () => {},
): Promise<void> {
  const { signal } = new AbortController();
  return transferFrom(peer as unknown as Peer, tree.wanted.digest, assembly, {
    signal,
    onProgress,
  });
}

async function finish(tree: FetchedTree, assembly: Assembly): Promise<void> {
  assembly.finish();
  assembly.close();
  await tree.check();
}

const NODES = [
  file("a", noise(1, 100)),
  directory("d"),
  file("d/b", noise(2, 300_000)),
  file("d/c", noise(3, 1_000_000)),
];
const SIZE = 1_300_100;

Deno.test({
  name: "a peer's stream ends in the right tree, whatever parts it comes in",
  ...needs("posix"),
  async fn() {
    const partSize = fc.constantFrom(999, 16_384, 65_536, 262_143, 262_144, 2_000_000);
    await fc.assert(
      fc.asyncProperty(TREES, partSize, async (nodes, partSize) => {
        using tree = await FetchedTree.of(nodes);
        const assembly = tree.assembly();
        const peer = new FakePeer("peer", tree.stream, { partSize });
        await transfer(tree, assembly, peer);
        assert.equal(peer.sent, tree.stream.length);
        assert.ok(peer.asked.length <= 1);
        await finish(tree, assembly);
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
        using tree = await FetchedTree.of(nodes);
        const assembly = tree.assembly();
        let sent = 0;
        for (const [index, failsAfter] of steps.entries()) {
          const peer = new FakePeer(`peer ${index}`, tree.stream, { failsAfter });
          const fails = assembly.stream.size - assembly.received > failsAfter;
          const transferring = transfer(tree, assembly, peer);
          await (fails ? assert.rejects(transferring, PeerFailed) : transferring);
          sent += peer.sent;
          assert.equal(assembly.received, sent);
        }
        const last = new FakePeer("last", tree.stream);
        await transfer(tree, assembly, last);
        assert.equal(sent + last.sent, tree.stream.length);
        await finish(tree, assembly);
      }),
      { numRuns: 25 },
    );
  },
});

Deno.test("a peer that sends a wrong file is stopped, and what was right stays", async () => {
  using tree = await FetchedTree.of(NODES);
  const assembly = tree.assembly();
  const liar = new FakePeer("liar", tree.stream, { wrong: [150] });
  await assert.rejects(transfer(tree, assembly, liar), (error) => {
    assert.ok(error instanceof PeerLied);
    assert.equal(error.peer, "liar");
    assert.match(error.message, /"d\/b"/);
    return true;
  });
  assert.ok(liar.sent < SIZE, "it was stopped");
  const honest = new FakePeer("honest", tree.stream);
  await transfer(tree, assembly, honest);
  assert.ok(!honest.asked[0]!.startsWith("0-"), "the first file was right");
  await finish(tree, assembly);
});

Deno.test("a wrong file at the very end is found, too", async () => {
  using tree = await FetchedTree.of(NODES);
  const assembly = tree.assembly();
  const liar = new FakePeer("liar", tree.stream, { wrong: [SIZE - 1] });
  await assert.rejects(transfer(tree, assembly, liar), PeerLied);
  assert.equal(assembly.complete, false);
  assert.deepEqual(assembly.missing(), [{ start: 300_100, end: SIZE }]);
});

Deno.test("who goes on with what a liar began is not taken for the liar", async () => {
  using tree = await FetchedTree.of(NODES);
  const assembly = tree.assembly();
  const liar = new FakePeer("liar", tree.stream, { wrong: [400_000], failsAfter: 800_000 });
  await assert.rejects(transfer(tree, assembly, liar), PeerFailed);
  const honest = new FakePeer("honest", tree.stream);
  await transfer(tree, assembly, honest);
  assert.deepEqual(honest.asked, [`800000-${SIZE}`, `300100-${SIZE}`]);
  assert.deepEqual([...assembly.liars.keys()], ["liar"]);
  await finish(tree, assembly);
});

Deno.test("only what is missing is asked for, in one request a gap", async () => {
  using tree = await FetchedTree.of(NODES);
  const assembly = tree.assembly();
  assembly.write(100, tree.stream.slice(100, 300_100), "earlier");
  assembly.write(500_000, tree.stream.slice(500_000, 600_000), "earlier");
  const peer = new FakePeer("peer", tree.stream);
  await transfer(tree, assembly, peer);
  assert.deepEqual(peer.asked, ["0-100", "300100-500000", `600000-${SIZE}`]);
  await finish(tree, assembly);
});

Deno.test("a tree without content is asked of nobody", async () => {
  using tree = await FetchedTree.of([directory("d"), file("empty", "")]);
  const assembly = tree.assembly();
  const peer = new FakePeer("peer", tree.stream);
  await transfer(tree, assembly, peer);
  assert.deepEqual(peer.asked, []);
  await finish(tree, assembly);
});

Deno.test("progress is told while bytes come, up to the end", async () => {
  using tree = await FetchedTree.of(NODES);
  const assembly = tree.assembly();
  const told: number[] = [];
  const peer = new FakePeer("peer", tree.stream);
  await transfer(tree, assembly, peer, () => told.push(assembly.received));
  assert.ok(told.length > 3, `${told}`);
  assert.deepEqual(told, told.toSorted((a, b) => a - b));
  assert.equal(told.at(-1), SIZE);
  assembly.close();
});

Deno.test("a store that fails is not the peer's fault", async () => {
  using tree = await FetchedTree.of(NODES);
  const assembly = tree.assembly();
  Deno.writeTextFileSync(`${tree.root}/d/b`, "in the way");
  const peer = new FakePeer("peer", tree.stream);
  await assert.rejects(transfer(tree, assembly, peer), StoreFailed);
  assembly.close();
});
