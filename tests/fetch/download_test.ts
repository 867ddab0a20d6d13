import assert from "node:assert/strict";
import { PeerBusy, PeerFailed, PeerLied } from "../../lib/errors.ts";
import { DownloadLimit } from "../../lib/fetch/download_limit.ts";
import type { Peer } from "../../lib/fetch/peer/peer.ts";
import { Partials } from "../../lib/serve/partials.ts";
import { PieceFile } from "../../lib/store/piece_file.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { addImplementation, noise } from "../serve/implementations.ts";
import { Scratch } from "../store/sample.ts";
import { file } from "../vectors/trees.ts";
import { downloadOf } from "./downloading.ts";

Deno.test("who has no place for an archive is asked again, and given up some time", async () => {
  using scratch = new Scratch();
  const { digest } = await addImplementation(scratch.directory("source"), [file("a", noise(1, 9))]);
  using staging = await openStaging(scratch.directory("store"), digest);
  using download = downloadOf(staging);
  let asked = 0;
  const peerWith = (places: number) => ({
    name: "busy",
    archive: () =>
      ++asked < places ? Promise.reject(new PeerBusy("busy", 0.001)) : Promise.resolve(undefined),
  } as unknown as Peer);
  assert.equal(await download.fromArchive(peerWith(3)), undefined);
  assert.equal(asked, 3);
  await assert.rejects(download.fromArchive(peerWith(Infinity)), PeerFailed);
});

Deno.test("an archive is held to the limit", async () => {
  using scratch = new Scratch();
  const { digest } = await addImplementation(scratch.directory("source"), [file("a", noise(1, 9))]);
  using staging = await openStaging(scratch.directory("store"), digest);
  const taken: number[] = [];
  class Counting extends DownloadLimit {
    override take(bytes: number): Promise<void> {
      taken.push(bytes);
      return Promise.resolve();
    }
  }
  using download = downloadOf(staging, new Counting(1));
  const archive: Peer["archive"] = async (_digest, _signal, pace) => {
    await pace!(7);
    return undefined;
  };
  await download.fromArchive({ name: "old", archive } as Peer);
  assert.deepEqual(taken, [7]);
});

Deno.test("what comes as an archive is not given on as pieces that were verified before", async () => {
  using scratch = new Scratch();
  const wanted = await addImplementation(scratch.directory("source"), [file("a", noise(1, 1000))]);
  const store = scratch.directory("store");
  using staging = await openStaging(store, wanted.digest);
  staging.saveManifest(wanted.manifestBytes);
  const partials = new Partials();
  let offered: unknown = "nobody looked";
  const archive = async function* () {
    offered = partials.find(store, wanted.digest)?.piecesHere?.();
    yield new TextEncoder().encode("no tar");
  };
  const peer = { name: "liar", archive: () => Promise.resolve(archive()) };
  using download = downloadOf(staging);
  new PieceFile(store, wanted.digest, Uint8Array.of(2))[Symbol.dispose]();
  assert.deepEqual([...partials.find(store, wanted.digest)?.piecesHere?.() ?? []], [1]);
  await assert.rejects(download.fromArchive(peer as unknown as Peer), PeerLied);
  assert.equal(offered, undefined);
});
