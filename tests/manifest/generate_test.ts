import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { UnsupportedTree } from "../../lib/errors.ts";
import { ALGORITHMS } from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import { pathOf } from "../../lib/manifest/entry.ts";
import { generateManifest } from "../../lib/manifest/generate.ts";
import { formatManifest, parseManifest } from "../../lib/manifest/manifest.ts";
import { buildTree } from "../vectors/build.ts";
import { directory, file, symlink, type Tree, TREES } from "../vectors/trees.ts";
import { readVectors } from "../vectors/vectors.ts";
import { plain } from "./model.ts";
import { keepsSignOfTimes, temporaryDirectory } from "./temporary.ts";

const POSIX = Deno.build.os !== "windows";
const VECTORS = readVectors();

function canMake({ on, name }: Tree): boolean {
  if (on === "linux" && Deno.build.os !== "linux" || on === "posix" && !POSIX) return false;
  return !name.includes("before 1970") || keepsSignOfTimes();
}

for (const tree of TREES) {
  // A directory's time, which only sha1 looks at, cannot be set on Windows.
  const algorithms = ALGORITHMS.filter((algorithm) =>
    tree.large ? algorithm === "sha256new" : POSIX || algorithm !== "sha1"
  );
  Deno.test({
    name: `makes the manifest that Zero Install makes: ${tree.name}`,
    ignore: !canMake(tree),
    fn: async () => {
      using root = temporaryDirectory();
      buildTree(root.path, tree.nodes);
      for (const algorithm of algorithms) {
        const vector = VECTORS[tree.name]![algorithm]!;
        const manifest = await generateManifest(algorithm, root.path);
        const bytes = formatManifest(manifest);
        if (vector.manifest !== undefined) {
          assert.equal(new TextDecoder().decode(bytes), vector.manifest);
        }
        if (vector.manifestSha256 !== undefined) {
          assert.equal(createHash("sha256").update(bytes).digest("hex"), vector.manifestSha256);
        }
        assert.equal(bytes.length, vector.size);
        assert.equal(digestOf(algorithm, bytes), vector.digest);
        const parsed = plain(parseManifest(algorithm, bytes));
        if (!parsed.ambiguous) assert.deepEqual(parsed, manifest);
      }
    },
  });

  Deno.test(`reads and writes the manifests that Zero Install made: ${tree.name}`, () => {
    for (const algorithm of ALGORITHMS) {
      const { manifest, digest } = VECTORS[tree.name]![algorithm]!;
      if (manifest === undefined) continue;
      const bytes = new TextEncoder().encode(manifest);
      const parsed = parseManifest(algorithm, bytes);
      assert.deepEqual(formatManifest(plain(parsed)), bytes);
      assert.equal(digestOf(algorithm, bytes), digest);
      if (algorithm !== "sha1") assert.equal(parsed.ambiguous, false);
      else if (tree.ambiguous !== undefined) assert.equal(parsed.ambiguous, tree.ambiguous);
    }
  });
}

Deno.test("the vectors hold the text of a manifest, or its hash", () => {
  for (const [tree, vectors] of Object.entries(VECTORS)) {
    for (const [algorithm, { manifest, manifestSha256 }] of Object.entries(vectors)) {
      assert.notEqual(manifest === undefined, manifestSha256 === undefined, tree + algorithm);
      if (manifestSha256 === undefined || algorithm !== "sha256") continue;
      assert.equal(vectors[algorithm]!.digest, `sha256=${manifestSha256}`);
    }
  }
});

Deno.test({
  name: "refuses a named pipe, without opening it",
  ignore: !POSIX,
  fn: async () => {
    using root = temporaryDirectory();
    buildTree(root.path, [directory("d")]);
    const made = new Deno.Command("mkfifo", { args: [`${root.path}/d/pipe`] }).outputSync();
    assert.ok(made.success);
    await assert.rejects(
      generateManifest("sha256new", root.path),
      (error) =>
        error instanceof UnsupportedTree && error.path === `${root.path}/d/pipe` &&
        /neither an ordinary file nor a directory nor a symlink/.test(error.message),
    );
  },
});

Deno.test({
  name: "refuses a socket",
  ignore: !POSIX,
  fn: async () => {
    using root = temporaryDirectory();
    using _listener = Deno.listen({ transport: "unix", path: `${root.path}/s` });
    await assert.rejects(generateManifest("sha256new", root.path), UnsupportedTree);
  },
});

for (const node of [file("two\nlines"), directory("two\nlines")]) {
  Deno.test({
    name: `refuses a ${node.kind} with a newline in its name`,
    ignore: !POSIX,
    fn: async () => {
      using root = temporaryDirectory();
      buildTree(root.path, [node]);
      await assert.rejects(
        generateManifest("sha256new", root.path),
        (error) => error instanceof UnsupportedTree && /contains a newline/.test(error.message),
      );
    },
  });
}

/** Runs a shell in the directory: only there can names be bytes. */
function shell(directory: string, script: string): void {
  const { success } = new Deno.Command("sh", { args: ["-ec", script], cwd: directory })
    .outputSync();
  assert.ok(success, script);
}

/** Whether names that are not UTF-8 can be made here, and the runtime does not hide them. */
function showsNamesThatAreNotUtf8(): boolean {
  if (Deno.build.os !== "linux") return false;
  using root = temporaryDirectory();
  shell(root.path, `: > "$(printf '\\377')"`);
  return [...Deno.readDirSync(root.path)].length === 1;
}

Deno.test({
  name: "refuses a name that is not UTF-8, and says so",
  ignore: !showsNamesThatAreNotUtf8(),
  fn: async () => {
    const scripts = [
      `: > "$(printf 'a\\377')"`,
      // The runtime shows both as the second.
      `: > "$(printf '\\377')"; : > "$(printf '\\357\\277\\275')"`,
    ];
    for (const script of scripts) {
      using root = temporaryDirectory();
      shell(root.path, script);
      await assert.rejects(
        generateManifest("sha256new", root.path),
        (error) => error instanceof UnsupportedTree && /is not UTF-8/.test(error.message),
      );
    }
  },
});

Deno.test({
  name: "refuses a symlink whose target is not UTF-8",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using root = temporaryDirectory();
    shell(root.path, `ln -s "$(printf '\\377')" link`);
    await assert.rejects(
      generateManifest("sha256new", root.path),
      (error) => error instanceof UnsupportedTree && /target is not UTF-8/.test(error.message),
    );
  },
});

Deno.test({
  name: "takes a true replacement character in a name",
  ignore: !POSIX,
  fn: async () => {
    using root = temporaryDirectory();
    buildTree(root.path, [file("\ufffd", "x")]);
    const { entries } = await generateManifest("sha256new", root.path);
    assert.deepEqual([...entries].map(({ name }) => name), ["\ufffd"]);
  },
});

Deno.test({
  name: "follows a symlink to the root, and none in the tree",
  ignore: !POSIX,
  fn: async () => {
    using root = temporaryDirectory();
    buildTree(root.path, [
      directory("real"),
      symlink("real/loop", "."),
      symlink("real/out", ".."),
      symlink("alias", "real"),
    ]);
    const manifest = await generateManifest("sha256new", `${root.path}/alias`);
    assert.deepEqual([...manifest.entries].map(({ kind, name }) => `${kind} ${name}`), [
      "symlink loop",
      "symlink out",
    ]);
    assert.deepEqual(manifest, await generateManifest("sha256new", `${root.path}/real`));
  },
});

Deno.test("which files are executable is taken from who knows, where the system does not", async () => {
  using root = temporaryDirectory();
  buildTree(root.path, [directory("d"), file("d/run", "a"), file("run", "b", { mode: 0o755 })]);
  const { entries } = await generateManifest("sha256new", root.path, {
    executables: new Set(["d/run"]),
  });
  const executables = [...entries].flatMap((entry) =>
    entry.kind === "file" ? [[pathOf(entry), entry.executable]] : []
  );
  assert.deepEqual(executables, [["run", false], ["d/run", true]]);
});

Deno.test("refuses a root that is not a directory, and fails for one that is not there", async () => {
  using root = temporaryDirectory();
  buildTree(root.path, [file("f")]);
  await assert.rejects(generateManifest("sha1", `${root.path}/f`), UnsupportedTree);
  await assert.rejects(generateManifest("sha1", `${root.path}/no`), Deno.errors.NotFound);
});

Deno.test("refuses a file that grows while it is read", async () => {
  using root = temporaryDirectory();
  buildTree(root.path, [file("f", 3 * 2 ** 20)]);
  let grown = false;
  await assert.rejects(
    generateManifest("sha256new", root.path, {
      onBytes: () => {
        if (grown) return;
        grown = true;
        Deno.truncateSync(`${root.path}/f`, 4 * 2 ** 20);
      },
    }),
    (error) => error instanceof UnsupportedTree && /changed while it was read/.test(error.message),
  );
});

Deno.test("tells how many bytes it reads", async () => {
  using root = temporaryDirectory();
  buildTree(root.path, [file("a", 5), directory("d"), file("d/b", 2 ** 21 + 1), file("d/c")]);
  let sum = 0;
  await generateManifest("sha256new", root.path, {
    onBytes: (count) => {
      assert.ok(count <= 2 ** 20);
      sum += count;
    },
  });
  assert.equal(sum, 5 + 2 ** 21 + 1);
});

Deno.test("stops in the middle of a file when it is aborted, with the signal's reason", async () => {
  using root = temporaryDirectory();
  buildTree(root.path, [file("large", 2 ** 28)]);
  const controller = new AbortController();
  const reason = new Error("enough");
  let sum = 0;
  await assert.rejects(
    generateManifest("sha256new", root.path, {
      signal: controller.signal,
      onBytes: (count) => {
        sum += count;
        controller.abort(reason);
      },
    }),
    reason,
  );
  assert.ok(sum < 2 ** 27, `it read ${sum} bytes`);
});

Deno.test("does nothing when it is aborted beforehand", async () => {
  const signal = AbortSignal.abort(new Error("never mind"));
  await assert.rejects(generateManifest("sha1", "/does/not/exist", { signal }), /never mind/);
});

Deno.test("gives others a turn while it walks", async () => {
  using root = temporaryDirectory();
  buildTree(root.path, Array.from({ length: 1000 }, (_, index) => file(`${index}`)));
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await generateManifest("sha256new", root.path);
  clearInterval(timer);
  assert.ok(turns > 0, "nobody else had a turn");
});
