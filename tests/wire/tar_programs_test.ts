/** Other programs' archives are read, and ours are read by them. */

import assert from "node:assert/strict";
import { formatManifest } from "../../lib/manifest/manifest.ts";
import { generateManifest } from "../../lib/manifest/generate.ts";
import { bytes, text } from "./arbitraries.ts";
import { block, END, readAll, withContent, write } from "./tar_samples.ts";

const LONG = `${"directory/".repeat(15)}${"n".repeat(200)}`;

const GNU_TAR = hasGnuTar();

/** Whether its archives can be had here; says so if not. */
function hasGnuTar(): boolean {
  try {
    const { stdout } = new Deno.Command("tar", { args: ["--version"], stderr: "null" })
      .outputSync();
    if (text(stdout).includes("GNU tar")) return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  Deno.stderr.writeSync(bytes("skipping tests: tar is not GNU tar: run the tests on Linux\n"));
  return false;
}

/** A tree with what archives find hard, made by hand. */
async function makeTree(root: string): Promise<void> {
  await Deno.mkdir(`${root}/${"directory/".repeat(15)}`, { recursive: true });
  await Deno.mkdir(`${root}/empty`);
  await Deno.writeTextFile(`${root}/${LONG}`, "long");
  await Deno.writeTextFile(`${root}/bytes`, "x".repeat(1024));
  await Deno.writeTextFile(`${root}/run`, "#!/bin/sh\n", { mode: 0o755 });
  await Deno.writeTextFile(`${root}/é e\u0301 日本 😀`, "");
  await Deno.symlink("run", `${root}/link`);
  await Deno.symlink(`${"up/../".repeat(30)}é`, `${root}/long link`);
  await Deno.utime(`${root}/bytes`, -5, -5);
  await Deno.utime(`${root}/run`, 2 ** 33 + 7, 2 ** 33 + 7);
}

async function tar(...args: string[]): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command("tar", { args }).output();
  assert.ok(success, text(stderr));
  assert.equal(text(stderr), "");
  return stdout;
}

async function manifestOf(root: string): Promise<string> {
  return text(formatManifest(await generateManifest("sha256new", root)));
}

Deno.test({
  name: "GNU tar unpacks our archives to the same tree, without a word",
  ignore: !GNU_TAR,
  fn: async () => {
    const root = await Deno.makeTempDir();
    try {
      await makeTree(`${root}/tree`);
      const found = await readAll([
        await tar("-C", `${root}/tree`, "--format=pax", "-c", "--", "."),
      ]);
      const members = found.filter(({ path }) => path !== "./").map((entry) => {
        assert.ok(entry.kind !== "other");
        return { ...entry, kind: entry.kind, path: entry.path.replace(/\/$/, "") };
      });
      await Deno.writeFile(`${root}/our.tar`, write(members));
      await Deno.mkdir(`${root}/unpacked`);
      await tar("-C", `${root}/unpacked`, "--warning=no-timestamp", "-xf", `${root}/our.tar`);
      assert.equal(await manifestOf(`${root}/unpacked`), await manifestOf(`${root}/tree`));
      const { mode } = await Deno.stat(`${root}/unpacked/empty`);
      assert.equal(mode! & 0o700, 0o700);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
});

for (const format of ["gnu", "oldgnu", "pax"]) {
  Deno.test({
    name: `reads the archives of GNU tar in its format "${format}"`,
    ignore: !GNU_TAR,
    fn: async () => {
      const root = await Deno.makeTempDir();
      try {
        await makeTree(root);
        const found = await readAll([await tar("-C", root, `--format=${format}`, "-c", "--", ".")]);
        const byPath = new Map(found.map((entry) => [entry.path.replace(/^\.\/|\/$/g, ""), entry]));
        assert.equal(text(byPath.get(LONG)!.content), "long");
        assert.equal(byPath.get("bytes")!.mtime, -5);
        assert.equal(byPath.get("run")!.mtime, 2 ** 33 + 7);
        assert.equal(byPath.get("run")!.executable, true);
        assert.equal(byPath.get("bytes")!.executable, false);
        assert.equal(byPath.get("empty")!.kind, "directory");
        assert.equal(byPath.get("link")!.linkname, "run");
        assert.equal(byPath.get("long link")!.linkname, `${"up/../".repeat(30)}é`);
        assert.ok(byPath.has("é e\u0301 日本 😀"));
        assert.equal(found.length, 23);
      } finally {
        await Deno.remove(root, { recursive: true });
      }
    },
  });
}

for (const format of ["ustar", "v7"]) {
  Deno.test({
    name: `reads the archives of GNU tar in its format "${format}"`,
    ignore: !GNU_TAR,
    fn: async () => {
      const root = await Deno.makeTempDir();
      try {
        const deep = format === "ustar" ? `${"d".repeat(90)}/${"f".repeat(90)}` : "d/f";
        await Deno.mkdir(`${root}/${deep.split("/")[0]}`);
        await Deno.writeTextFile(`${root}/${deep}`, "content", { mode: 0o755 });
        await Deno.symlink("run", `${root}/link`);
        const found = await readAll([await tar("-C", root, `--format=${format}`, "-c", "--", ".")]);
        const file = found.find(({ path }) => path === `./${deep}`);
        assert.equal(text(file!.content), "content");
        assert.equal(file!.executable, true);
        assert.equal(found.find(({ path }) => path === "./link")?.linkname, "run");
      } finally {
        await Deno.remove(root, { recursive: true });
      }
    },
  });
}

Deno.test("reads a symlink of Zero Install for .NET, whose target is its content", async () => {
  const found = await readAll([withContent("link", "2", bytes("../target")), END]);
  assert.deepEqual(found.map(({ kind, linkname, size }) => [kind, linkname, size]), [
    ["symlink", "../target", 0],
  ]);
});

Deno.test("reads long names as GNU tar writes them, the terminating NUL left out", async () => {
  const found = await readAll([
    withContent("././@LongLink", "K", bytes(`${"t".repeat(300)}\0`)),
    withContent("././@LongLink", "L", bytes(`${"n".repeat(300)}\0`)),
    block("n".repeat(100), "2", { linkname: "t".repeat(100) }),
    END,
  ]);
  assert.deepEqual(found.map(({ path, linkname }) => [path, linkname]), [
    ["n".repeat(300), "t".repeat(300)],
  ]);
});

Deno.test("an extended header overrides GNU names, and an empty value takes it back", async () => {
  const [first, second] = await readAll([
    withContent("L", "L", bytes("gnu\0")),
    withContent("x", "x", bytes("12 path=pax\n17 mtime=17.9999\n")),
    block("block", "0"),
    withContent("x", "x", bytes("12 path=pax\n8 path=\n")),
    block("block", "0"),
    END,
  ]);
  assert.deepEqual([first!.path, first!.mtime], ["pax", 17]);
  assert.equal(second!.path, "block");
});

Deno.test("a global extended header is passed over", async () => {
  const global = withContent("pax_global_header", "g", bytes("12 path=all\n"));
  const found = await readAll([global, block("a", "0"), END]);
  assert.deepEqual(found.map(({ path }) => path), ["a"]);
});
