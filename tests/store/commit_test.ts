import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { StoreFailed } from "../../lib/errors.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import { readManifest } from "../../lib/manifest/manifest.ts";
import { finishFile, sealTree } from "../../lib/store/commit.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { needs } from "../skips.ts";
import { namesIn, Scratch } from "./sample.ts";

const CALLS = ["lstatSync", "openSync", "removeSync", "chmodSync"] as const;

/**
 * For as long as it is not disposed of: a file system on which `.MANIFEST` is found as `.manifest`, as
 * on those of macOS and Windows.
 */
function caseDoesNotCount(): Disposable {
  const calls = Deno as unknown as Record<string, (...args: unknown[]) => unknown>;
  const real = CALLS.map((name) => [name, calls[name]!] as const);
  const { lstatSync } = Deno;
  const found = (path: unknown) => {
    const other = String(path).replace(/\/\.manifest$/, "/.MANIFEST");
    try {
      lstatSync(other);
      return other;
    } catch {
      return path;
    }
  };
  for (const [name, call] of real) calls[name] = (path, ...rest) => call(found(path), ...rest);
  return {
    [Symbol.dispose]() {
      for (const [name, call] of real) calls[name] = call;
    },
  };
}

const TEXT = "important";
const MANIFEST = new TextEncoder().encode(
  `F ${createHash("sha256").update(TEXT).digest("hex")} 1000 ${TEXT.length} .MANIFEST\n`,
);
const DIGEST = digestOf("sha256new", MANIFEST);

/** Seals a tree that has a file `.MANIFEST`. */
async function seal(store: string): Promise<string[]> {
  await using staging = await openStaging(store, DIGEST);
  const path = `${staging.tree}/.MANIFEST`;
  const manifest = readManifest(DIGEST, MANIFEST);
  Deno.writeTextFileSync(path, TEXT);
  finishFile(path, [...manifest.entries].find((entry) => entry.kind === "file")!);
  try {
    await sealTree(staging, manifest, { contents: "finished" });
  } finally {
    assert.equal(Deno.readTextFileSync(path), TEXT);
  }
  return namesIn(staging.tree);
}

Deno.test({
  name: "a file whose name differs from the manifest's in case is not taken for it",
  ...needs("linux"),
  async fn() {
    using scratch = new Scratch();
    assert.deepEqual(await seal(scratch.path), [".MANIFEST", ".manifest"]);
  },
});

Deno.test({
  name: "where case does not count, such a file is no tree's that can be stored, and is left alone",
  ...needs("linux"),
  async fn() {
    using scratch = new Scratch();
    using _folding = caseDoesNotCount();
    await assert.rejects(seal(scratch.path), (error) => {
      assert.ok(error instanceof StoreFailed);
      assert.match(error.message, /has that name$/);
      assert.match(error.hint ?? "", /differ only in case/);
      return true;
    });
  },
});
