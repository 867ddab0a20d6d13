import assert from "node:assert/strict";
import { VerificationFailed } from "../../lib/errors.ts";
import { ALGORITHMS, type Digest, parseDigest } from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import { generateManifest } from "../../lib/manifest/generate.ts";
import { formatManifest } from "../../lib/manifest/manifest.ts";
import { verifyTree } from "../../lib/manifest/verify.ts";
import { buildTree } from "../vectors/build.ts";
import { CHANGES, file, symlink } from "../vectors/trees.ts";
import { readVerifications } from "../vectors/vectors.ts";
import { temporaryDirectory } from "./temporary.ts";

const POSIX = Deno.build.os !== "windows";
const VERIFICATIONS = readVerifications();

async function failureOf(digest: Digest, root: string): Promise<VerificationFailed> {
  try {
    await verifyTree(digest, root);
  } catch (error) {
    assert.ok(error instanceof VerificationFailed, String(error));
    return error;
  }
  assert.fail("it verifies");
}

/** The lines that say which digests there are and what differs, without the prose. */
function facts(lines: readonly string[]): string[] {
  return lines.filter((line) => /^sha|^[-+] /.test(line));
}

for (const change of CHANGES) {
  Deno.test({
    name: `says of a changed implementation what Zero Install says: ${change.name}`,
    ignore: !POSIX,
    fn: async () => {
      for (const algorithm of ALGORITHMS) {
        using before = temporaryDirectory();
        using after = temporaryDirectory();
        buildTree(before.path, change.before);
        const manifest = formatManifest(await generateManifest(algorithm, before.path));
        buildTree(after.path, change.after);
        if (change.record !== null) {
          const record = change.record ?? new TextDecoder().decode(manifest);
          Deno.writeTextFileSync(`${after.path}/.manifest`, record);
        }
        const expected = VERIFICATIONS[change.name]![algorithm]!;
        const digest = parseDigest(expected.digest);
        assert.equal(digestOf(algorithm, manifest), digest);
        if (expected.output.at(-1) === "OK") {
          await verifyTree(digest, after.path);
          continue;
        }
        const { message } = await failureOf(digest, after.path);
        assert.deepEqual(facts(message.split("\n")), facts(expected.output));
      }
    },
  });
}

Deno.test("a tree verifies with its manifest in it and without", async () => {
  using root = temporaryDirectory();
  buildTree(root.path, [file("a", "1"), file("b", "2")]);
  for (const algorithm of ALGORITHMS) {
    const manifest = formatManifest(await generateManifest(algorithm, root.path));
    await verifyTree(digestOf(algorithm, manifest), root.path);
    Deno.writeFileSync(`${root.path}/.manifest`, manifest);
    await verifyTree(digestOf(algorithm, manifest), root.path);
    Deno.removeSync(`${root.path}/.manifest`);
  }
});

Deno.test("says which tree, which digest was expected and which found", async () => {
  using root = temporaryDirectory();
  buildTree(root.path, [file("a", "1")]);
  const actual = digestOf(
    "sha256new",
    formatManifest(await generateManifest("sha256new", root.path)),
  );
  const expected = digestOf("sha256new", new Uint8Array());
  const failure = await failureOf(expected, root.path);
  assert.equal(failure.path, root.path);
  assert.equal(failure.expected, expected);
  assert.equal(failure.actual, actual);
  assert.deepEqual(failure.message.split("\n").slice(0, 4), [
    `${JSON.stringify(root.path)} does not verify:`,
    `${expected} (expected digest)`,
    `${actual} (actual contents)`,
    "",
  ]);
});

Deno.test("says so when the tree is another implementation, whole and right", async () => {
  using root = temporaryDirectory();
  buildTree(root.path, [file("a", "1")]);
  const manifest = formatManifest(await generateManifest("sha1new", root.path));
  Deno.writeFileSync(`${root.path}/.manifest`, manifest);
  const { message } = await failureOf(digestOf("sha1new", new Uint8Array()), root.path);
  assert.match(message, /\(recorded in \.manifest\)\n\n.*another implementation$/);
});

Deno.test({
  name: "never reads a .manifest that is a symlink",
  ignore: !POSIX,
  fn: async () => {
    using root = temporaryDirectory();
    using outside = temporaryDirectory();
    buildTree(root.path, [file("a", "1")]);
    const manifest = formatManifest(await generateManifest("sha1new", root.path));
    Deno.writeFileSync(`${outside.path}/m`, manifest);
    buildTree(root.path, [symlink(".manifest", `${outside.path}/m`)]);
    const { message } = await failureOf(digestOf("sha1new", manifest), root.path);
    assert.match(message, /\.manifest is not an ordinary file$/);
    assert.doesNotMatch(message, /recorded/);
  },
});

Deno.test({
  name: "escapes control characters of names in the lines that differ",
  ignore: !POSIX,
  fn: async () => {
    using root = temporaryDirectory();
    buildTree(root.path, [file("a", "1")]);
    const manifest = formatManifest(await generateManifest("sha1new", root.path));
    Deno.writeFileSync(`${root.path}/.manifest`, manifest);
    buildTree(root.path, [file("b\u001b[2J\r\u009b", "2")]);
    const { message } = await failureOf(digestOf("sha1new", manifest), root.path);
    assert.ok(message.endsWith(" b\\u001b[2J\\u000d\\u009b"), message);
  },
});

Deno.test("says how many more lines differ when there are very many", async () => {
  using root = temporaryDirectory();
  buildTree(root.path, Array.from({ length: 1001 }, (_, index) => file(`${index}`)));
  const manifest = formatManifest(await generateManifest("sha1new", root.path));
  Deno.writeFileSync(`${root.path}/.manifest`, manifest);
  for (let index = 0; index < 1001; index++) Deno.removeSync(`${root.path}/${index}`);
  const { message } = await failureOf(digestOf("sha1new", manifest), root.path);
  assert.equal(message.match(/^- F/gm)!.length, 1000);
  assert.match(message, /\n\(1 more line\)$/);
});
