import assert from "node:assert/strict";
import { parseAvailability } from "../../lib/wire/availability.ts";
import { encodeBitfield } from "../../lib/wire/bitfield.ts";
import { MAX_WAITS_PER_ADDRESS } from "../../lib/wire/limits.ts";
import { directory, file, type Node } from "../vectors/trees.ts";
import { Answering } from "./answering.ts";
import { Download } from "./downloads.ts";
import { type Implementation, noise } from "./implementations.ts";

const PIECE = 262_144;

const NODES: readonly Node[] = [file("a", noise(1, 2 * PIECE)), file("b", noise(2, 1000))];

class Fixture extends Answering {
  /** An implementation that is only being downloaded here. */
  async downloading(): Promise<{ added: Implementation; download: Download; path: string }> {
    const added = await this.add(NODES, 1);
    Deno.renameSync(added.path, `${this.scratch.path}/away`);
    const download = new Download(this.stores[0]!, { ...added, path: `${this.scratch.path}/away` });
    return { added, download, path: `/implementation/${added.digest}/pieces` };
  }

  async pieces(path: string): Promise<"all" | number[] | undefined> {
    const response = await this.ask(path);
    const text = await response.text();
    if (response.status !== 200) return undefined;
    const pieces = parseAvailability(text)!.pieces;
    return pieces === "all" ? "all" : [...pieces];
  }
}

/** Whether something settles within some turns of the event loop and this many milliseconds. */
async function isPending(promise: Promise<unknown>, milliseconds = 250): Promise<boolean> {
  let settled = false;
  void promise.finally(() => settled = true);
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return !settled;
}

Deno.test("of what is complete all pieces are here, and nobody waits for more", async () => {
  using fixture = new Fixture();
  const { digest } = await fixture.add(NODES);
  for (const query of ["", "?wait=3600", "?wait=3600&known=all"]) {
    const response = await fixture.ask(`/implementation/${digest}/pieces${query}`);
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(
      await response.text(),
      `{"size":${2 * PIECE + 1000},"pieceSize":${PIECE},"pieces":"all"}`,
    );
  }
  const empty = await fixture.add([directory("d")]);
  assert.equal(await fixture.pieces(`/implementation/${empty.digest}/pieces`), "all");
});

Deno.test("that it is known already is no answer: what is here changes", async () => {
  using fixture = new Fixture();
  const { digest } = await fixture.add(NODES);
  const response = await fixture.ask(`/implementation/${digest}/pieces`, {
    headers: { "if-none-match": `"${digest}"` },
  });
  assert.equal(response.status, 200);
  await response.body!.cancel();
});

Deno.test("of a download those pieces are here that are verified", async () => {
  using fixture = new Fixture();
  const { download, path } = await fixture.downloading();
  using _download = download;
  assert.deepEqual(await fixture.pieces(path), [0, 0, 0]);
  download.set(2, 1);
  download.set(1, 0);
  assert.deepEqual(await fixture.pieces(path), [0, 1, 0]);
  const head = await fixture.ask(`${path}?wait=3600`, { method: "HEAD" });
  assert.equal(head.status, 200);
});

Deno.test("what is not here is 404, and not waited for", async () => {
  using fixture = new Fixture();
  const path = `/implementation/sha1new=${"0".repeat(40)}/pieces?wait=3600`;
  assert.equal((await fixture.ask(path)).status, 404);
});

Deno.test("whoever waits is told when a piece comes, when all is done, and when it is given up", async () => {
  using fixture = new Fixture();
  const { download, path } = await fixture.downloading();
  const piece = fixture.pieces(`${path}?wait=3600`);
  assert.ok(await isPending(piece));
  download.set(2, 2);
  assert.deepEqual(await piece, [0, 0, 1]);
  const all = fixture.pieces(`${path}?wait=3600`);
  assert.ok(await isPending(all));
  download.set(2, 0, 1);
  download.commit();
  assert.notEqual(await all, undefined);
  assert.equal(await fixture.pieces(`${path}?wait=3600`), "all");
});

Deno.test("whoever waits for a download that is given up learns that it is gone", async () => {
  using fixture = new Fixture();
  const { download, path } = await fixture.downloading();
  const waiting = fixture.pieces(`${path}?wait=3600`);
  assert.ok(await isPending(waiting));
  download.abandon();
  assert.equal(await waiting, undefined);
});

Deno.test("nothing that came between two requests is missed by who says what it knows", async () => {
  using fixture = new Fixture();
  const { download, path } = await fixture.downloading();
  using _download = download;
  const known = (...flags: number[]) => encodeBitfield(Uint8Array.from(flags));
  download.set(2, 1);
  const asked = `${path}?wait=3600&known=`;
  assert.deepEqual(await fixture.pieces(asked + known(0, 0, 0)), [0, 1, 0]);
  const waiting = fixture.pieces(asked + known(0, 1, 0));
  assert.ok(await isPending(waiting));
  download.set(0, 1);
  assert.deepEqual(await waiting, [0, 0, 0]);
});

Deno.test("a wait ends when its time is over, with what is here", async () => {
  using fixture = new Fixture();
  const { download, path } = await fixture.downloading();
  using _download = download;
  assert.deepEqual(await fixture.pieces(`${path}?wait=0.05`), [0, 0, 0]);
  assert.deepEqual(await fixture.pieces(`${path}?wait=0`), [0, 0, 0]);
});

Deno.test("waits are bounded for each address, take no transfer's place, and end with the server", async () => {
  using fixture = new Fixture();
  const { download, path } = await fixture.downloading();
  using _download = download;
  download.set(2, 0);
  const waits = Array.from(
    { length: MAX_WAITS_PER_ADDRESS },
    () => fixture.ask(`${path}?wait=3600`),
  );
  const refused = await fixture.ask(`${path}?wait=3600`);
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  assert.equal((await fixture.ask(path)).status, 200);
  const piece = await fixture.ask(`${path}/0`);
  assert.equal(piece.status, 200);
  await piece.body!.cancel();
  const other = fixture.ask(`${path}?wait=3600`, { from: "192.168.1.9" });
  assert.ok(await isPending(other, 20));
  fixture.stopping.abort();
  for (const response of await Promise.all([...waits, other])) assert.equal(response.status, 200);
  const after = fixture.ask(`${path}?wait=3600`);
  assert.equal((await after).status, 200);
});
