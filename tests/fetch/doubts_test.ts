import assert from "node:assert/strict";
import { PeerBusy, PeerLied } from "../../lib/errors.ts";
import { PieceCheck } from "../../lib/fetch/assembly/piece_check.ts";
import { Doubts, type DoubtsOptions } from "../../lib/fetch/doubts.ts";
import { noise } from "../serve/implementations.ts";
import { file } from "../vectors/trees.ts";
import { FakePeer } from "./fake_peer.ts";
import { Transferring } from "./transferring.ts";

/** A tree of one file, and seeds of it. */
async function begin(
  names: readonly string[] = ["one", "two"],
  size = 1000,
  options: Partial<DoubtsOptions> = {},
) {
  const transferring = await Transferring.of([file("a", noise(1, size))]);
  const { assembly, crowd, pieces, stream } = transferring;
  const abort = new AbortController();
  const check = new PieceCheck();
  const doubts = new Doubts({
    digest: transferring.tree.wanted.digest,
    crowd,
    assembly,
    pieces,
    check,
    signal: abort.signal,
    leave: () => {},
    readmit: () => {},
    changed: () => {},
    ...options,
  });
  const peers = names.map((name) => new FakePeer(name, stream));
  const members = peers.map((peer) => transferring.add(peer));
  return {
    ...{ abort, assembly, check, crowd, doubts, members, peers, pieces, stream },
    [Symbol.dispose]() {
      doubts[Symbol.dispose]();
      transferring[Symbol.dispose]();
    },
  };
}

/** Finds out about each content that is doubted from now on; settled when that is done. */
function resolveWhatIsDoubted({ pieces, doubts }: Awaited<ReturnType<typeof begin>>) {
  const tasks: Promise<void>[] = [];
  pieces.listener = {
    arrived: () => {},
    missing: () => {},
    wasted: () => {},
    doubted: (index) => tasks.push(doubts.resolve(index)),
    settled: () => {},
  };
  return tasks;
}

Deno.test("when the one that is asked alone is set aside, another one is asked alone", async () => {
  using begun = await begin();
  const { assembly, doubts, members: [one, two], stream } = begun;
  const tasks = resolveWhatIsDoubted(begun);
  assembly.write(0, stream.subarray(0, 500).map((byte) => byte ^ 1), "one");
  assembly.write(500, stream.subarray(500), "two");
  await Promise.all(tasks);
  assert.equal(doubts.alone, one);
  doubts.suspect(one!, 0);
  assert.equal(doubts.alone, two);
});

Deno.test("who never has a place for piece digests is not asked for them for ever", async () => {
  using begun = await begin(["busy"]);
  const { abort, check, doubts, peers: [busy] } = begun;
  let times = 0;
  busy!.pieceDigests = () => {
    if (++times === 100) abort.abort();
    return Promise.reject(new PeerBusy("busy", 0.001));
  };
  await doubts.adoptDigests();
  assert.ok(times < 100, "it was asked until nobody wanted to know any more");
  assert.equal(check.source, undefined);
});

Deno.test("piece digests of who was found to lie meanwhile are not adopted", async () => {
  using begun = await begin(["liar", "honest"]);
  const { check, crowd, doubts, members: [member], peers: [liar] } = begun;
  const give = liar!.pieceDigests.bind(liar);
  liar!.pieceDigests = async (...question) => {
    const digests = await give(...question);
    crowd.drop(member!, new PeerLied("liar", "wrong bytes"));
    return digests;
  };
  await doubts.adoptDigests();
  assert.equal(check.source, "honest");
});

Deno.test("what is doubted when everything is ended stays for the next run", async () => {
  using begun = await begin(["one", "two"], 300_000);
  const { abort, assembly, peers: [one], stream } = begun;
  one!.pieceDigests = () => {
    abort.abort();
    return Promise.reject(abort.signal.reason);
  };
  const tasks = resolveWhatIsDoubted(begun);
  assembly.write(0, stream.subarray(0, 500).map((byte) => byte ^ 1), "one");
  assembly.write(500, stream.subarray(500), "two");
  await Promise.all(tasks);
  assert.equal(tasks.length, 1);
  assert.equal(assembly.received, 300_000);
});

Deno.test("who is asked alone and takes long makes place for another one, and has another turn", async () => {
  const turns: (string | undefined)[] = [];
  const enough = Promise.withResolvers<void>();
  const changed = () => {
    turns.push(begun.doubts.alone?.name);
    if (turns.length === 4) enough.resolve();
  };
  using begun = await begin(["one", "two"], 1000, { turn: 10, changed });
  const { assembly, doubts, stream } = begun;
  assembly.write(0, stream.subarray(0, 500).map((byte) => byte ^ 1), "one");
  resolveWhatIsDoubted(begun);
  assembly.write(500, stream.subarray(500), "two");
  await enough.promise;
  doubts[Symbol.dispose]();
  assert.deepEqual(turns, ["one", "two", "one", "two"]);
});

Deno.test("the turns of one that never has a place do not grow beyond what a timer can wait", async () => {
  let changes = 0;
  using begun = await begin(["one", "two"], 1000, { turn: 3_600_000, changed: () => changes++ });
  const { assembly, doubts, stream } = begun;
  resolveWhatIsDoubted(begun);
  assembly.write(0, stream.subarray(0, 500).map((byte) => byte ^ 1), "one");
  assembly.write(500, stream.subarray(500), "two");
  await new Promise((resolve) => setTimeout(resolve, 10));
  const before = changes;
  for (let times = 0; times < 100; times++) doubts.paused(doubts.alone!);
  await new Promise((resolve) => setTimeout(resolve, 50));
  doubts[Symbol.dispose]();
  assert.equal(changes, before);
});

Deno.test("nobody is asked alone any more when the transfer is over", async () => {
  using begun = await begin();
  const { abort, assembly, doubts, stream } = begun;
  const tasks = resolveWhatIsDoubted(begun);
  abort.abort();
  assembly.write(0, stream.subarray(0, 500).map((byte) => byte ^ 1), "one");
  assembly.write(500, stream.subarray(500), "two");
  await Promise.all(tasks);
  assert.equal(tasks.length, 1);
  assert.equal(doubts.alone, undefined);
});
