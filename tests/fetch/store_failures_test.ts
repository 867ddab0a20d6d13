/** What cannot be written here is told as what it is, whatever peers do at the same time. */

import assert from "node:assert/strict";
import { EveryPeerFailed, StoreFailed } from "../../lib/errors.ts";
import { PartialFile } from "../../lib/fetch/assembly/partial.ts";
import { Crowd } from "../../lib/fetch/crowd.ts";
import type { FetchEvent } from "../../lib/fetch/events.ts";
import { fetchImplementation } from "../../lib/fetch/fetch.ts";
import type { Peer, PeerAddress } from "../../lib/fetch/peer/peer.ts";
import { Offers } from "../../lib/fetch/search/search.ts";
import type { Digest } from "../../lib/manifest/digest.ts";
import { startServer } from "../../lib/serve/server.ts";
import { PieceFile } from "../../lib/store/piece_file.ts";
import { openStaging } from "../../lib/store/staging.ts";
import type { OfferState } from "../../lib/wire/reply.ts";
import {
  addImplementation,
  type Implementation,
  noise,
  streamOf,
} from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { Scratch } from "../store/sample.ts";
import { file } from "../vectors/trees.ts";
import { downloadOf } from "./downloading.ts";
import { FakePeer, memberOf } from "./fake_peer.ts";
import { Transferring } from "./transferring.ts";

const DIGEST = `sha1=${"0".repeat(40)}` as Digest;

/** As long as it is bound, a function of Deno's is another one. */
function replacing<T extends object, K extends keyof T>(of: T, name: K, by: T[K]): Disposable {
  const own = of[name];
  of[name] = by;
  return { [Symbol.dispose]: () => of[name] = own };
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

// A block completes a small file that another peer began wrongly, so that somebody is asked alone and
// the ask is aborted, and the next file in it cannot be written.
for (const turns of [12, 16, 20]) {
  Deno.test(`a full disk is told although the ask was aborted meanwhile: ${turns} turns`, async () => {
    using transferring = await Transferring.of([
      file("a", noise(1, 700_000)),
      file("b", noise(2, 200_000)),
      file("c", noise(3, 50_000)),
      file("d", noise(4, 622_864)),
    ]);
    const { stream } = transferring;
    const wrong = (question: number) => question === 1 ? [750_000] : [];
    transferring.add(new FakePeer("one", stream, { digestsOf: "none", wrong }));
    const slower = { digestsOf: "none", turns, partSize: 262_144 } as const;
    transferring.add(new FakePeer("two", stream, slower));
    const write = Deno.FsFile.prototype.writeSync;
    let isFull = false;
    using _full = replacing(
      Deno.FsFile.prototype,
      "writeSync",
      function (this: Deno.FsFile, bytes) {
        if (bytes.length !== 50_000 || isFull) return write.call(this, bytes);
        isFull = true;
        write.call(this, bytes.subarray(0, 4096));
        throw systemError("ENOSPC", "No space left on device (os error 28)");
      },
    );
    await assert.rejects(transferring.run(), (error) => {
      assert.ok(error instanceof StoreFailed, String(error));
      assert.match(error.message, /no space left/);
      return true;
    });
    assert.equal(isFull, true);
  });
}

for (const turns of [5, 8]) {
  Deno.test(`a tree is not complete when a file's second place could not be filled: ${turns} turns`, async () => {
    using scratch = new Scratch();
    const wanted = await addImplementation(scratch.directory("source"), [
      file("a", noise(1, 200_000)),
      file("b", noise(2, 100_000)),
      file("c", noise(3, 400_000)),
      file("c2", noise(3, 400_000)),
      file("d", noise(4, 86_432)),
    ]);
    const stream = streamOf(wanted);
    using staging = await openStaging(scratch.directory("store"), wanted.digest);
    staging.saveManifest(wanted.manifestBytes);
    using crowd = new Crowd(wanted.digest, () => {});
    const wrong = (question: number) => question === 1 ? [230_000] : [];
    for (
      const peer of [
        new FakePeer("one", stream, { digestsOf: "none", wrong }),
        new FakePeer("two", stream, { digestsOf: "none", turns, partSize: 262_144 }),
        new FakePeer("three", stream, { digestsOf: "none" }),
      ]
    ) crowd.members.set(peer.name, memberOf(peer));
    crowd.settle();
    using download = downloadOf(staging);
    const open = Deno.openSync;
    let isFull = false;
    using _full = replacing(Deno, "openSync", (path, options) => {
      if (isFull || !String(path).endsWith(".tree/c2")) return open(path, options);
      isFull = true;
      throw systemError("EMFILE", "Too many open files (os error 24)");
    });
    await assert.rejects(download.fromContent(crowd), StoreFailed);
    assert.equal(isFull, true);
  });
}

Deno.test({
  name: "what could not be begun leaves no file open",
  ...needs("linux"),
  async fn() {
    using scratch = new Scratch();
    const store = scratch.directory("store");
    using _staging = await openStaging(store, DIGEST);
    const openFiles = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const full = () => {
      throw systemError("ENOSPC", "No space left on device (os error 28)");
    };
    using _write = replacing(Deno.FsFile.prototype, "writeSync", full);
    using _truncate = replacing(Deno.FsFile.prototype, "truncateSync", full);
    const before = openFiles();
    for (let n = 0; n < 10; n++) {
      assert.throws(() => new PieceFile(store, DIGEST, new Uint8Array(9)), StoreFailed);
      const path = `${store}/${n}`;
      assert.throws(() => new PartialFile(path, 1000, "sha256", { resume: false }), StoreFailed);
    }
    assert.equal(openFiles(), before);
  },
});

Deno.test("an archive whose names a file system takes for the same is no lie", async () => {
  using scratch = new Scratch();
  const source = scratch.directory("source");
  const names = ["README", "readme"];
  const wanted = await addImplementation(
    source,
    names.map((name, index) => file(name, noise(index, 100))),
  );
  const { stdout: tar } = new Deno.Command("tar", {
    args: ["-C", wanted.path, "--format=ustar", "-cf", "-", ...names],
  }).outputSync();
  using staging = await openStaging(scratch.directory("store"), wanted.digest);
  using download = downloadOf(staging);
  const peer = {
    name: "honest",
    archive: () => Promise.resolve(ReadableStream.from([tar])),
  } as unknown as Peer;
  const open = Deno.openSync;
  using _folding = replacing(Deno, "openSync", (path, options) => {
    const [, directory, name] = /^(.*)\/(.*)$/.exec(String(path))!;
    const same = (other: Deno.DirEntry) => other.name.toLowerCase() === name!.toLowerCase();
    if (options?.createNew && [...Deno.readDirSync(directory!)].some(same)) {
      throw new Deno.errors.AlreadyExists("File exists (os error 17)");
    }
    return open(path, options);
  });
  await assert.rejects(download.fromArchive(peer), (error) => {
    const { cause } = error as { cause: unknown };
    assert.ok(cause instanceof StoreFailed, String(error));
    assert.match(cause.hint ?? "", /differ only in case/);
    return true;
  });
});

/** Fetches from these peers into a new store; gives what it failed with, and whom it dropped. */
async function failed(
  scratch: Scratch,
  { digest }: Implementation,
  peers: readonly (PeerAddress & { state: OfferState | "unknown" })[],
): Promise<{ error: unknown; dropped: (FetchEvent & { kind: "dropped" })[] }> {
  const store = scratch.directory(`store ${crypto.randomUUID()}`);
  const dropped: (FetchEvent & { kind: "dropped" })[] = [];
  const fetching = fetchImplementation([digest], {
    stores: [store],
    sources: [],
    chooseTarget: () => ({ kind: "store", store }),
    search: () => {
      const offers = new Offers();
      for (const { state, ...peer } of peers) offers.add({ peer, digest, id: undefined, state });
      return {
        offers,
        settled: Promise.resolve(),
        announce() {},
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
    share() {},
    keepFrame() {},
    compress: "never",
    limit: undefined,
    nobody: { asked: "", hint: "" },
    report: (event) => {
      if (event.kind === "dropped") dropped.push(event);
    },
    signal: new AbortController().signal,
  });
  const error = await fetching.then(() => undefined, (error) => error);
  return { error, dropped };
}

for (const state of ["partial", "unknown"] as const) {
  Deno.test(`a machine that was deceived is no liar, and what came is not "unverified": found as ${state}`, async () => {
    using scratch = new Scratch();
    const wanted = await addImplementation(scratch.directory("source"), [
      file("large", noise(1, 1_000_000)),
    ]);
    const bytes = streamOf(wanted).slice();
    bytes[600_000]! ^= 1;
    const theirs = scratch.directory("theirs");
    using staging = await openStaging(theirs, wanted.digest);
    staging.saveManifest(wanted.manifestBytes);
    Deno.writeFileSync(`${staging.tree}/large`, bytes);
    using _pieces = new PieceFile(theirs, wanted.digest, new Uint8Array(4).fill(2));
    const server = startServer({
      stores: [theirs],
      port: 0,
      discoveryPort: 0,
      allow: [],
      names: [],
      interfaces: [],
      uploadLimit: undefined,
    }, () => {});
    try {
      const peer = { address: "127.0.0.1", port: server.port, state };
      const { error, dropped } = await failed(scratch, wanted, [peer]);
      assert.deepEqual(dropped.map(({ lied }) => lied), [false]);
      assert.ok(error instanceof EveryPeerFailed, String(error));
      assert.equal(error.lied, false);
    } finally {
      await server.stop();
    }
  });
}

Deno.test("a disk that is full under an archive is told, whatever trouble another peer had", async () => {
  using scratch = new Scratch();
  const wanted = await addImplementation(scratch.directory("source"), [
    file("a", noise(1, 100_000)),
  ]);
  const { stdout: tar } = new Deno.Command("tar", {
    args: ["-C", wanted.path, "--format=ustar", "-cf", "-", "a"],
  }).outputSync();
  const onListen = () => {};
  await using old = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, (request) => {
    const isTree = /^\/implementation\/[^/]+$/.test(new URL(request.url).pathname);
    return isTree ? new Response(tar) : new Response(null, { status: 404 });
  });
  const dead = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  dead.close();
  const write = Deno.FsFile.prototype.writeSync;
  using _full = replacing(Deno.FsFile.prototype, "writeSync", function (this: Deno.FsFile, bytes) {
    if (bytes.length < 20_000) return write.call(this, bytes);
    throw systemError("ENOSPC", "No space left on device (os error 28)");
  });
  const ports = [(dead.addr as Deno.NetAddr).port, old.addr.port];
  const peers = ports.map((port) => ({ address: "127.0.0.1", port, state: "have" as const }));
  const { error } = await failed(scratch, wanted, peers);
  assert.ok(error instanceof StoreFailed, String(error));
  assert.match(error.message, /no space left/);
});
