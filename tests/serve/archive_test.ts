import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { MAX_TRANSFERS_PER_ADDRESS } from "../../lib/wire/limits.ts";
import { needs } from "../skips.ts";
import { directory, file, type Node, symlink } from "../vectors/trees.ts";
import { readAll } from "../wire/tar_samples.ts";
import { Answering } from "./answering.ts";
import { noise } from "./implementations.ts";

const LONG = "a/".repeat(80) + "\u00e4";

const NODES: readonly Node[] = [
  file("a", noise(1, 600_000)),
  directory("d"),
  file("d/b", noise(2, 400), { mode: 0o755 }),
  symlink("d/link", "b"),
  symlink("long", LONG),
];

/** Counts how often a symlink is looked at. */
function watchLinks(): { count: number } & Disposable {
  const { readLinkSync } = Deno;
  const watch = { count: 0, [Symbol.dispose]: () => void (Deno.readLinkSync = readLinkSync) };
  Deno.readLinkSync = (path) => {
    watch.count++;
    return readLinkSync(path);
  };
  return watch;
}

Deno.test({
  name: "an archive has what the manifest lists, and its length if it is not compressed",
  ...needs("posix"),
  async fn() {
    using answering = new Answering();
    const { digest } = await answering.add(NODES);
    const plain = await answering.ask(`/${digest}.tar`);
    const tar = await plain.bytes();
    assert.equal(plain.headers.get("content-length"), String(tar.length));
    const head = await answering.ask(`/${digest}.tar`, { method: "HEAD" });
    assert.equal(head.headers.get("content-length"), String(tar.length));
    const compressed = await answering.ask(`/${digest}.tar.gz`);
    assert.equal(compressed.headers.get("content-length"), null);
    assert.deepEqual(new Uint8Array(gunzipSync(await compressed.bytes())), tar);
    const found = (await readAll([tar])).map(({ path, kind, content, linkname }) => {
      return [path, kind, new TextDecoder().decode(content) || linkname];
    });
    assert.deepEqual(found, [
      ["a", "file", noise(1, 600_000)],
      ["long", "symlink", LONG],
      ["d/", "directory", ""],
      ["d/b", "file", noise(2, 400)],
      ["d/link", "symlink", "b"],
    ]);
  },
});

Deno.test({
  name: "nothing of a tree is looked at for an archive that is not sent",
  ...needs("posix"),
  async fn() {
    using answering = new Answering();
    const { digest } = await answering.add(NODES);
    const begun = [];
    for (let index = 0; index < MAX_TRANSFERS_PER_ADDRESS; index++) {
      begun.push(await answering.ask(`/implementation/${digest}/content`));
    }
    using links = watchLinks();
    for (const path of [`/${digest}.tar.gz`, `/${digest}.tar`, `/implementation/${digest}`]) {
      assert.equal((await answering.ask(path)).status, 503);
    }
    assert.equal((await answering.ask(`/${digest}.tar.gz`, { method: "HEAD" })).status, 200);
    assert.equal(links.count, 0);
    for (const { body } of begun) await body!.cancel();
  },
});

Deno.test({
  name: "the size of an archive is found out once",
  ...needs("posix"),
  async fn() {
    using answering = new Answering();
    const { digest } = await answering.add(NODES);
    using links = watchLinks();
    for (let index = 0; index < 3; index++) {
      await answering.ask(`/${digest}.tar`, { method: "HEAD" });
    }
    assert.equal(links.count, 2);
  },
});

for (const format of ["tar", "tar.gz"]) {
  Deno.test({
    name: `a symlink with another target of the same length breaks a ${format} off`,
    ...needs("posix"),
    async fn() {
      using answering = new Answering();
      const { digest, path } = await answering.add(NODES);
      const head = await answering.ask(`/${digest}.${format}`, { method: "HEAD" });
      assert.equal(head.status, 200);
      Deno.removeSync(`${path}/d/link`);
      Deno.symlinkSync("a", `${path}/d/link`);
      const response = await answering.ask(`/${digest}.${format}`);
      assert.equal(response.status, 200);
      await assert.rejects(response.bytes(), /its target is not the listed one/);
      assert.equal(answering.events.filter(({ kind }) => kind === "damaged").length, 1);
      assert.equal((await answering.ask(`/${digest}.${format}`)).status, 404);
    },
  });
}

Deno.test({
  name: "an archive whose size cannot be told because of a wrong symlink is not here",
  ...needs("posix"),
  async fn() {
    using answering = new Answering();
    const { digest, path } = await answering.add(NODES);
    Deno.removeSync(`${path}/d/link`);
    Deno.symlinkSync("a", `${path}/d/link`);
    assert.equal((await answering.ask(`/${digest}.tar`)).status, 404);
    assert.ok(answering.events.some(({ kind }) => kind === "damaged"));
  },
});
