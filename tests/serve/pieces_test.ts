import assert from "node:assert/strict";
import { zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { encodeBitfield } from "../../lib/wire/bitfield.ts";
import { MAX_TRANSFERS_PER_ADDRESS } from "../../lib/wire/limits.ts";
import { hasZstd } from "../../lib/wire/zstd.ts";
import { directory, file, type Node } from "../vectors/trees.ts";
import { Answering } from "./answering.ts";
import { Download } from "./downloads.ts";
import { addTree, incompressible, noise, streamOf } from "./implementations.ts";

const PIECE = 262_144;

/** Four pieces of letters, the last one short. */
const NODES: readonly Node[] = [
  file("a", noise(1, 2 * PIECE + 100)),
  directory("d"),
  file("d/b", noise(2, 1000)),
  file("d/c", noise(3, PIECE)),
];

function bits(...flags: number[]): string {
  return encodeBitfield(Uint8Array.from(flags));
}

function flip(path: string, at: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[at]! ^= 1;
  Deno.writeFileSync(path, bytes);
}

const ZSTD = { headers: { "accept-encoding": "gzip, zstd" } };

Deno.test("a run of pieces is that part of the content stream", async () => {
  using answering = new Answering();
  const added = await answering.add(NODES);
  const stream = streamOf(added);
  const runs: [path: string, start: number, end: number][] = [
    ["0", 0, PIECE],
    ["1", PIECE, 2 * PIECE],
    ["3", 3 * PIECE, stream.length],
    ["0-3", 0, stream.length],
    ["1-2", PIECE, 3 * PIECE],
  ];
  for (const [path, start, end] of runs) {
    const response = await answering.ask(`/implementation/${added.digest}/pieces/${path}`);
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get("content-length"), `${end - start}`);
    assert.equal(response.headers.get("content-encoding"), null);
    assert.equal(response.headers.get("0share-pieces"), null);
    assert.equal(response.headers.get("etag"), `"${added.digest}"`);
    assert.deepEqual(await response.bytes(), stream.slice(start, end));
  }
});

Deno.test("pieces that do not exist are not here", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  for (const path of ["4", "0-4", "99999999999999"]) {
    const response = await answering.ask(`/implementation/${digest}/pieces/${path}`);
    assert.equal(response.status, 404, path);
  }
  const empty = await answering.add([directory("d")]);
  assert.equal((await answering.ask(`/implementation/${empty.digest}/pieces/0`)).status, 404);
});

Deno.test("a download gives the pieces that it has verified, and says which, with every answer", async () => {
  using answering = new Answering();
  const added = await answering.add(NODES, 1);
  const stream = streamOf(added);
  using download = new Download(answering.stores[0]!, added);
  // The whole would be found first.
  Deno.renameSync(added.path, `${answering.scratch.path}/away`);
  download.set(2, 1, 2);
  download.set(1, 0);
  const path = `/implementation/${added.digest}/pieces`;
  const here = await answering.ask(`${path}/1-2`);
  assert.equal(here.status, 200);
  assert.equal(here.headers.get("0share-pieces"), bits(0, 1, 1, 0));
  assert.deepEqual(await here.bytes(), stream.slice(PIECE, 3 * PIECE));
  for (const run of ["0", "3", "0-1", "2-3"]) {
    const missing = await answering.ask(`${path}/${run}`);
    assert.equal(missing.status, 404, run);
    assert.equal(missing.headers.get("0share-pieces"), bits(0, 1, 1, 0));
    await missing.body!.cancel();
  }
  download.set(2, 0);
  const later = await answering.ask(`${path}/0`, { method: "HEAD" });
  assert.equal(later.status, 200);
  assert.equal(later.headers.get("0share-pieces"), bits(1, 1, 1, 0));
  assert.equal(later.headers.get("content-length"), `${PIECE}`);
});

Deno.test("who has a piece already is told so if it is here", async () => {
  using answering = new Answering();
  const added = await answering.add(NODES, 1);
  using download = new Download(answering.stores[0]!, added);
  Deno.renameSync(added.path, `${answering.scratch.path}/away`);
  download.set(2, 1);
  const path = `/implementation/${added.digest}/pieces`;
  const headers = { "if-none-match": `"${added.digest}"` };
  const here = await answering.ask(`${path}/1`, { headers });
  assert.equal(here.status, 304);
  assert.equal(here.headers.get("etag"), `"${added.digest}"`);
  assert.equal(here.headers.get("vary"), "accept-encoding");
  for (const run of ["0", "9", "1-2"]) {
    assert.equal((await answering.ask(`${path}/${run}`, { headers })).status, 404, run);
  }
  for (const response of [here, await answering.ask(`${path}/0`, { headers })]) {
    assert.equal(response.headers.get("0share-pieces"), bits(0, 1, 0, 0));
  }
});

Deno.test("a download gives its manifest and nothing else that takes a whole", async () => {
  using answering = new Answering();
  const added = await answering.add(NODES, 1);
  using download = new Download(answering.stores[0]!, added);
  Deno.renameSync(added.path, `${answering.scratch.path}/away`);
  download.set(2, 0, 1, 2, 3);
  const { digest } = added;
  const manifest = await answering.ask(`/implementation/${digest}/manifest`);
  assert.deepEqual(await manifest.bytes(), added.manifestBytes);
  for (
    const path of [
      `/implementation/${digest}`,
      `/implementation/${digest}/content`,
      `/implementation/${digest}/piece-digests`,
      `/${digest}.tar`,
    ]
  ) {
    const response = await answering.ask(path);
    assert.equal(response.status, 404, path);
    await response.body!.cancel();
  }
});

Deno.test("whoever lets the server choose gets each piece once before any comes again", async () => {
  using answering = new Answering();
  const added = await answering.add(NODES);
  const stream = streamOf(added);
  const ask = (lacks: string, from?: string) =>
    answering.ask(`/implementation/${added.digest}/pieces/any?lacks=${lacks}`, {
      ...(from === undefined ? {} : { from }),
    });
  // What is named counts as well.
  await (await answering.ask(`/implementation/${added.digest}/pieces/2`)).bytes();
  const chosen: number[] = [];
  for (const from of ["192.168.1.2", "192.168.1.3", "192.168.1.4"]) {
    const response = await ask(bits(1, 1, 1, 1), from);
    assert.equal(response.status, 200);
    const location = response.headers.get("content-location")!;
    const [, piece] = /^\/implementation\/(?:.*)\/pieces\/(\d)$/.exec(location)!;
    chosen.push(Number(piece));
    const start = Number(piece) * PIECE;
    assert.match(response.headers.get("cache-control")!, /no-store/);
    assert.deepEqual(await response.bytes(), stream.slice(start, start + PIECE));
  }
  assert.deepEqual(chosen.sort(), [0, 1, 3]);
  const only = await ask(bits(0, 0, 1, 0));
  assert.match(only.headers.get("content-location")!, /\/2$/);
  await only.body!.cancel();
});

Deno.test("a piece whose sending was given up is chosen again first", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const path = `/implementation/${digest}/pieces/any?lacks=${bits(1, 1, 0, 0)}`;
  const first = await answering.ask(path);
  const location = first.headers.get("content-location");
  await first.body!.cancel();
  await (await answering.ask(`/implementation/${digest}/pieces/${location!.endsWith("0") ? 1 : 0}`))
    .bytes();
  const second = await answering.ask(path);
  assert.equal(second.headers.get("content-location"), location);
  await second.body!.cancel();
});

Deno.test("when nothing is lacked that is here, nothing is chosen", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const ask = (lacks: string) =>
    answering.ask(`/implementation/${digest}/pieces/any?lacks=${lacks}`);
  assert.equal((await ask(bits(0, 0, 0, 0))).status, 404);
  for (const lacks of ["", "gAA", bits(1, 1, 1, 1, 1)]) {
    assert.equal((await ask(lacks)).status, 400, lacks);
  }
});

Deno.test("of a download a piece is chosen that is both here and lacked", async () => {
  using answering = new Answering();
  const added = await answering.add(NODES, 1);
  using download = new Download(answering.stores[0]!, added);
  Deno.renameSync(added.path, `${answering.scratch.path}/away`);
  const ask = () =>
    answering.ask(`/implementation/${added.digest}/pieces/any?lacks=${bits(1, 0, 1, 1)}`);
  download.set(2, 1);
  const nothing = await ask();
  assert.equal(nothing.status, 404);
  assert.equal(nothing.headers.get("0share-pieces"), bits(0, 1, 0, 0));
  download.set(2, 2);
  const chosen = await ask();
  assert.match(chosen.headers.get("content-location")!, /\/2$/);
  assert.equal(chosen.headers.get("0share-pieces"), bits(0, 1, 1, 0));
  await chosen.body!.cancel();
});

Deno.test("pieces take places like everything else, and a choice without a place is none", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const begun = [];
  for (let n = 0; n < MAX_TRANSFERS_PER_ADDRESS; n++) {
    begun.push(await answering.ask(`/implementation/${digest}/pieces/${n % 3}`));
  }
  for (const path of ["0", `any?lacks=${bits(1, 1, 1, 1)}`]) {
    const refused = await answering.ask(`/implementation/${digest}/pieces/${path}`);
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers.get("retry-after")) > 0);
  }
  assert.equal((await answering.ask(`/implementation/${digest}/pieces`)).status, 200);
  for (const { body } of begun) await body!.cancel();
  const any = await answering.ask(`/implementation/${digest}/pieces/any?lacks=${bits(0, 0, 0, 1)}`);
  assert.equal(any.status, 200);
  await any.body!.cancel();
});

Deno.test("a damaged file breaks a run off that has all of it, and takes it out of service", async () => {
  using answering = new Answering();
  const added = await answering.add(NODES);
  flip(`${added.path}/a`, 5);
  const path = `/implementation/${added.digest}/pieces/0-2`;
  await assert.rejects((await answering.ask(path)).bytes(), /hash should be/);
  assert.equal((await answering.ask(path)).status, 404);
});

Deno.test("a download's own trouble is no damage to report, and suspends nothing", async () => {
  using answering = new Answering();
  const added = await answering.add(NODES, 1);
  using download = new Download(answering.stores[0]!, added);
  Deno.renameSync(added.path, `${answering.scratch.path}/away`);
  download.set(2, 0, 3);
  Deno.truncateSync(`${download.tree}/a`, 10);
  const ask = (piece: number) => answering.ask(`/implementation/${added.digest}/pieces/${piece}`);
  await assert.rejects((await ask(0)).bytes());
  assert.equal((await (await ask(3)).bytes()).length, 1100);
  assert.deepEqual(answering.events.filter(({ kind }) => kind === "damaged"), []);
});

Deno.test({
  name: "with zstd, each piece is a frame of its own, end to end",
  ignore: !hasZstd(),
  async fn() {
    using answering = new Answering();
    const added = await answering.add(NODES);
    const stream = streamOf(added);
    const ask = (run: string) =>
      answering.ask(`/implementation/${added.digest}/pieces/${run}`, ZSTD);
    const frames: Uint8Array[] = [];
    for (let piece = 0; piece < 4; piece++) {
      const response = await ask(`${piece}`);
      assert.equal(response.headers.get("content-encoding"), "zstd");
      assert.equal(response.headers.get("etag"), `W/"${added.digest}"`);
      const frame = await response.bytes();
      assert.equal(response.headers.get("content-length"), `${frame.length}`);
      const plain = stream.slice(piece * PIECE, (piece + 1) * PIECE);
      assert.deepEqual(new Uint8Array(zstdDecompressSync(frame)), plain);
      assert.ok(frame.length < plain.length);
      frames.push(frame);
    }
    const run = await ask("0-3");
    assert.equal(run.headers.get("content-encoding"), "zstd");
    assert.deepEqual(
      await run.bytes(),
      new Uint8Array(frames.flatMap((frame) => [...frame])),
    );
    const any = await answering.ask(
      `/implementation/${added.digest}/pieces/any?lacks=${bits(0, 1, 0, 0)}`,
      ZSTD,
    );
    assert.equal(any.headers.get("content-encoding"), "zstd");
    assert.deepEqual(await any.bytes(), frames[1]);
  },
});

Deno.test({
  name: "what does not shrink comes as it is, and a run of which a part does as frames",
  ignore: !hasZstd(),
  async fn() {
    using answering = new Answering();
    const added = await addTree(answering.stores[0]!, (root) => {
      Deno.writeFileSync(`${root}/a`, incompressible(1, 3 * PIECE));
      Deno.writeTextFileSync(`${root}/b`, noise(2, 2 * PIECE));
    });
    const stream = streamOf(added);
    const ask = async (run: string) => {
      const response = await answering.ask(`/implementation/${added.digest}/pieces/${run}`, ZSTD);
      const length = response.headers.get("content-length");
      const coding = response.headers.get("content-encoding");
      return { bytes: await response.bytes(), length, coding };
    };
    for (let time = 0; time < 2; time++) {
      const plain = await ask("0-2");
      assert.equal(plain.coding, null);
      assert.equal(plain.length, `${3 * PIECE}`);
      assert.deepEqual(plain.bytes, stream.slice(0, 3 * PIECE));
      const mixed = await ask("1-4");
      assert.equal(mixed.coding, "zstd");
      assert.deepEqual(new Uint8Array(zstdDecompressSync(mixed.bytes)), stream.slice(PIECE));
    }
  },
});

Deno.test("with or without coding, any run of any tree is that part of its stream", async () => {
  const spec = fc.record({
    sizes: fc.array(fc.constantFrom(1, 1000, PIECE - 1, PIECE, PIECE + 1, 600_000), {
      minLength: 1,
      maxLength: 4,
    }),
    first: fc.nat(9),
    more: fc.nat(9),
    coded: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(spec, async ({ sizes, first, more, coded }) => {
      using answering = new Answering();
      const added = await answering.add(sizes.map((size, n) => file(`f${n}`, noise(n, size))));
      const stream = streamOf(added);
      const run = `${first}-${first + more}`;
      const response = await answering.ask(
        `/implementation/${added.digest}/pieces/${run}`,
        coded ? ZSTD : {},
      );
      if ((first + more) * PIECE >= stream.length) {
        assert.equal(response.status, 404);
        await response.body!.cancel();
        return;
      }
      const bytes = await response.bytes();
      const plain = response.headers.get("content-encoding") === "zstd"
        ? new Uint8Array(zstdDecompressSync(bytes))
        : bytes;
      assert.deepEqual(plain, stream.slice(first * PIECE, (first + more + 1) * PIECE));
    }),
    { numRuns: 30 },
  );
});
