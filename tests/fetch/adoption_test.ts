import assert from "node:assert/strict";
import { PeerFailed, PeerLied } from "../../lib/errors.ts";
import { Adoption } from "../../lib/fetch/adoption.ts";
import { PieceCheck } from "../../lib/fetch/assembly/piece_check.ts";
import { noise } from "../serve/implementations.ts";
import { file } from "../vectors/trees.ts";
import { FakePeer } from "./fake_peer.ts";
import { Transferring } from "./transferring.ts";

/** Lets digests be adopted of seeds whose answers are replaced, and says of whom they were. */
async function adopt(answers: Record<string, FakePeer["pieceDigests"] | undefined>) {
  using transferring = await Transferring.of([file("a", noise(1, 1000))]);
  const { assembly, crowd, pieces, stream } = transferring;
  for (const [name, answer] of Object.entries(answers)) {
    const peer = new FakePeer(name, stream);
    if (answer !== undefined) peer.pieceDigests = answer;
    transferring.add(peer);
  }
  const check = new PieceCheck();
  const lied: string[] = [];
  const adoption = new Adoption({
    digest: transferring.tree.wanted.digest,
    ...{ crowd, assembly, pieces, check },
    signal: new AbortController().signal,
    patience: 50,
    lied(member, error) {
      lied.push(member.name);
      crowd.drop(member, error);
    },
  });
  const running = adoption.run();
  assert.equal(adoption.running, true);
  await running;
  assert.equal(adoption.running, false);
  return { source: check.source, lied, dropped: transferring.dropped };
}

Deno.test("a seed that takes too long for its piece digests makes place for another one", async () => {
  const silent: FakePeer["pieceDigests"] = (_digest, _count, signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const { source, dropped } = await adopt({ silent, prompt: undefined });
  assert.equal(source, "prompt");
  assert.deepEqual(dropped, {});
});

Deno.test("a seed that fails is asked once more, after all others, and not dropped for it", async () => {
  const asked: string[] = [];
  const fails = (name: string) => () => {
    asked.push(name);
    return Promise.reject(new PeerFailed(name, "reset"));
  };
  const { source, dropped } = await adopt({ one: fails("one"), two: fails("two") });
  assert.equal(source, undefined);
  assert.deepEqual(asked, ["one", "two", "one", "two"]);
  assert.deepEqual(dropped, {});
});

Deno.test("a seed whose answer contradicts itself is a liar, and the next one is asked", async () => {
  const lies = () => Promise.reject(new PeerLied("liar", "too many"));
  const { lied, source } = await adopt({ liar: lies, honest: undefined });
  assert.equal(source, "honest");
  assert.deepEqual(lied, ["liar"]);
});
