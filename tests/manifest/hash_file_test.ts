import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { TreeChanged } from "../../lib/errors.ts";
import { FileHasher } from "../../lib/manifest/hash_file.ts";
import { buildTree } from "../vectors/build.ts";
import { file, symlink } from "../vectors/trees.ts";
import { temporaryDirectory } from "./temporary.ts";

const POSIX = Deno.build.os !== "windows";

Deno.test("hashes files of all sizes about its buffer's, one after the other", async () => {
  using root = temporaryDirectory();
  const hasher = new FileHasher("sha256", {});
  for (const size of [0, 1, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 2 ** 21, 5]) {
    const path = `${root.path}/${size}`;
    const content = new Uint8Array(size).fill(size % 251);
    Deno.writeFileSync(path, content);
    assert.equal(
      await hasher.hash(path, Deno.lstatSync(path)),
      createHash("sha256").update(content).digest("hex"),
    );
  }
});

Deno.test("refuses a file that is not of the size it was seen with", async () => {
  using root = temporaryDirectory();
  const path = `${root.path}/f`;
  for (const size of [3, 2 ** 20, 2 ** 21]) {
    Deno.writeFileSync(path, new Uint8Array(size));
    const seen = { ...Deno.lstatSync(path), size: size - 1 };
    await assert.rejects(new FileHasher("sha1", {}).hash(path, seen), TreeChanged);
  }
});

Deno.test({
  name: "refuses a symlink that was put in a file's place",
  ignore: !POSIX,
  fn: async () => {
    using root = temporaryDirectory();
    buildTree(root.path, [file("seen", "x"), file("secret", "y")]);
    const seen = Deno.lstatSync(`${root.path}/seen`);
    Deno.renameSync(`${root.path}/seen`, `${root.path}/gone`);
    buildTree(root.path, [symlink("seen", "secret")]);
    await assert.rejects(
      new FileHasher("sha1", {}).hash(`${root.path}/seen`, seen),
      (error) => error instanceof TreeChanged && /changed/.test(error.message),
    );
  },
});

Deno.test({
  name: "refuses a directory or device that was put in a file's place",
  ignore: !POSIX,
  fn: async () => {
    using root = temporaryDirectory();
    buildTree(root.path, [file("f", "x")]);
    const seen = Deno.lstatSync(`${root.path}/f`);
    for (const path of [root.path, "/dev/null"]) {
      await assert.rejects(new FileHasher("sha1", {}).hash(path, seen), TreeChanged);
    }
  },
});
