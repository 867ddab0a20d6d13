import assert from "node:assert/strict";
import { PeerMemory } from "../../../lib/fetch/search/peer_memory.ts";
import { LATELY_MS, WAIT_ALONE_MS, WAIT_WITH_PEERS_MS } from "../../../lib/wire/limits.ts";
import { Scratch } from "../../store/sample.ts";

Deno.test("a search is patient only where a peer was seen lately", () => {
  using scratch = new Scratch();
  const store = `${scratch.path}/0install.net/implementations`;
  const memory = new PeerMemory(store);
  assert.equal(memory.wait(), WAIT_ALONE_MS);
  memory.saw();
  assert.equal(memory.wait(), WAIT_WITH_PEERS_MS);
  // Another run of the program remembers it, but not for ever.
  const next = new PeerMemory(store);
  assert.equal(next.wait(), WAIT_WITH_PEERS_MS);
  assert.equal(next.wait(Date.now() + LATELY_MS - 60_000), WAIT_WITH_PEERS_MS);
  assert.equal(next.wait(Date.now() + LATELY_MS + 60_000), WAIT_ALONE_MS);
});

Deno.test("a peer that is seen again after long is remembered anew", () => {
  using scratch = new Scratch();
  const memory = new PeerMemory(`${scratch.path}/implementations`);
  memory.saw();
  const file = [...Deno.readDirSync(scratch.path)][0]!.name;
  Deno.utimeSync(`${scratch.path}/${file}`, 0, 0);
  assert.equal(memory.wait(), WAIT_ALONE_MS);
  memory.saw();
  assert.equal(memory.wait(), WAIT_WITH_PEERS_MS);
});

Deno.test("what is remembered is not in the store", () => {
  using scratch = new Scratch();
  const store = scratch.directory("implementations");
  new PeerMemory(store).saw();
  assert.deepEqual([...Deno.readDirSync(store)], []);
});

Deno.test("where nothing can be kept, nothing is remembered and nothing fails", () => {
  using scratch = new Scratch();
  Deno.writeTextFileSync(`${scratch.path}/file`, "");
  for (const memory of [new PeerMemory(undefined), new PeerMemory(`${scratch.path}/file/x/y`)]) {
    memory.saw();
    assert.equal(memory.wait(), WAIT_ALONE_MS);
  }
});
