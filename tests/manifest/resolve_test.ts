import assert from "node:assert/strict";
import fc from "fast-check";
import { DamagedImplementation } from "../../lib/errors.ts";
import { formatManifest, type Manifest, parseManifest } from "../../lib/manifest/manifest.ts";
import { generateManifest } from "../../lib/manifest/generate.ts";
import { resolveEntries } from "../../lib/manifest/resolve.ts";
import { buildTree } from "../vectors/build.ts";
import { directory, file, type Node, symlink } from "../vectors/trees.ts";
import { FEW_NAMES, type Model, models, plain } from "./model.ts";
import { temporaryDirectory } from "./temporary.ts";

const POSIX = Deno.build.os !== "windows";

function nodesOf(model: Model, prefix = ""): Node[] {
  return Object.entries(model).flatMap(([name, item]): Node[] => {
    const path = prefix + name;
    if (item.kind === "directory") {
      return [directory(path, item.mtime), ...nodesOf(item.items, `${path}/`)];
    }
    if (item.kind === "symlink") return [symlink(path, item.target)];
    const { content, mtime, executable } = item;
    return [file(path, content, { mtime, mode: executable ? 0o755 : 0o644 })];
  });
}

async function listed(root: string): Promise<{ truth: Manifest; read: Manifest }> {
  const truth = await generateManifest("sha1", root);
  return { truth, read: parseManifest("sha1", formatManifest(truth)) };
}

Deno.test({
  name: "finds the true directories of every tree",
  ignore: !POSIX,
  fn: async () => {
    let ambiguous = 0;
    const model = models(FEW_NAMES, { mtimes: fc.nat(2 ** 31) });
    await fc.assert(
      fc.asyncProperty(model, async (model) => {
        using root = temporaryDirectory();
        buildTree(root.path, nodesOf(model));
        const { truth, read } = await listed(root.path);
        Deno.writeTextFileSync(`${root.path}/.manifest`, "not looked at");
        if (read.ambiguous) ambiguous++;
        assert.deepEqual(plain(resolveEntries(read, root.path)), plain(truth));
      }),
      { numRuns: 60 },
    );
    assert.ok(ambiguous > 0, "no tree was ambiguous");
  },
});

const BASE: readonly Node[] = [directory("a"), file("a/x", "1"), file("b", "2"), file("y", "3")];

Deno.test("does not look at the tree when the manifest is not ambiguous", () => {
  const manifest = parseManifest("sha1new", new Uint8Array());
  assert.equal(resolveEntries(manifest, "/does/not/exist"), manifest);
});

const CHANGES: readonly [what: string, nodes: readonly Node[], reason: RegExp][] = [
  ["lacks a file", BASE.filter(({ path }) => path !== "b"), /lists the file "b"/],
  ["lacks its last file", BASE.filter(({ path }) => path !== "y"), /y of .*it is not there/],
  ["has an extra file", [...BASE, file("aa")], /aa of .*lists the file "b"/],
  ["has an extra file at the end", [...BASE, file("z")], /z of .*does not list it/],
  ["has a directory for a file", [...BASE.slice(0, 2), directory("b"), file("y")], /the file "b"/],
  ["has a file for a directory", [file("a"), file("b"), file("x"), file("y")], /directory "a"/],
];

for (const [what, nodes, reason] of CHANGES) {
  Deno.test(`refuses to resolve by a tree that ${what}`, async () => {
    using right = temporaryDirectory();
    using wrong = temporaryDirectory();
    buildTree(right.path, BASE);
    buildTree(wrong.path, nodes);
    const { read } = await listed(right.path);
    assert.ok(read.ambiguous);
    assert.throws(
      () => resolveEntries(read, wrong.path),
      (error) => error instanceof DamagedImplementation && reason.test(error.message),
    );
  });
}

Deno.test("refuses a tree that has a directory in another place", async () => {
  using right = temporaryDirectory();
  using wrong = temporaryDirectory();
  const rest = [file("x", "1"), file("y", "2")];
  buildTree(right.path, [directory("a"), directory("a/b"), ...rest]);
  buildTree(wrong.path, [directory("a"), directory("b"), ...rest]);
  const { read } = await listed(right.path);
  assert.throws(
    () => resolveEntries(read, wrong.path),
    (error) => error instanceof DamagedImplementation && /lists it in "\/a"/.test(error.message),
  );
});

Deno.test({
  name: "refuses a tree whose own .manifest is what the manifest lists",
  ignore: !POSIX,
  fn: async () => {
    using root = temporaryDirectory();
    buildTree(root.path, [symlink(".manifest", "x")]);
    buildTree(root.path, [directory("-"), file("-/-")]);
    const { read } = await listed(root.path);
    assert.ok(read.ambiguous);
    assert.throws(
      () => resolveEntries(read, root.path),
      (error) =>
        error instanceof DamagedImplementation && /should be an ordinary/.test(error.message),
    );
  },
});
