import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { StoreFailed } from "../../../lib/errors.ts";
import { createFile } from "../../../lib/fetch/assembly/create_file.ts";
import { copyVerified, createSymlink, hashOfFile } from "../../../lib/fetch/assembly/place.ts";
import type { FileEntry } from "../../../lib/manifest/entry.ts";
import { needs } from "../../skips.ts";
import { Scratch } from "../../store/sample.ts";

const BYTES = new TextEncoder().encode("content");
const HASH = createHash("sha256").update(BYTES).digest("hex");

function entry(fields: Partial<FileEntry> = {}): FileEntry {
  return {
    kind: "file",
    directory: "",
    name: "file",
    hash: HASH,
    size: BYTES.length,
    mtime: 1_234_567_890,
    executable: false,
    ...fields,
  };
}

Deno.test({
  name: "a file gets its content, mode and time, whatever the umask",
  ...needs("posix"),
  fn() {
    using scratch = new Scratch();
    for (const [executable, mode] of [[false, 0o444], [true, 0o555]] as const) {
      const path = `${scratch.path}/${mode}`;
      createFile({ ...entry({ executable }), path }, BYTES);
      assert.deepEqual(Deno.readFileSync(path), BYTES);
      const info = Deno.statSync(path);
      assert.equal(info.mode! & 0o7777, mode);
      assert.equal(info.mtime!.getTime(), 1_234_567_890_000);
    }
  },
});

Deno.test({
  name: "a strict umask takes no permission away",
  ...needs("posix"),
  fn() {
    using scratch = new Scratch();
    const path = `${scratch.path}/file`;
    const script = `
      Deno.umask(0o077);
      const { createFile } = await import(${
      JSON.stringify(import.meta.resolve("../../../lib/fetch/assembly/create_file.ts"))
    });
      createFile(${JSON.stringify({ ...entry({ executable: true }), path })}, new Uint8Array(7));`;
    const { success } = new Deno.Command(Deno.execPath(), {
      args: ["eval", script],
      stderr: "inherit",
    }).outputSync();
    assert.ok(success);
    assert.equal(Deno.statSync(path).mode! & 0o7777, 0o555);
  },
});

Deno.test({
  name: "neither a file nor a symlink is made over, or through, what is there",
  ...needs("posix"),
  fn() {
    using scratch = new Scratch();
    Deno.writeTextFileSync(`${scratch.path}/there`, "there");
    Deno.symlinkSync("there", `${scratch.path}/link`);
    Deno.symlinkSync("nowhere", `${scratch.path}/dangling`);
    for (const name of ["there", "link", "dangling"]) {
      assert.throws(
        () => createFile({ ...entry(), path: `${scratch.path}/${name}` }, BYTES),
        StoreFailed,
      );
      assert.throws(() => createSymlink("elsewhere", `${scratch.path}/${name}`), StoreFailed);
    }
    assert.equal(Deno.readTextFileSync(`${scratch.path}/there`), "there");
    assert.equal(Deno.readLinkSync(`${scratch.path}/link`), "there");
    assert.throws(() => Deno.lstatSync(`${scratch.path}/nowhere`), Deno.errors.NotFound);
  },
});

Deno.test({
  name: "a symlink that the system cannot make is a failure of the store",
  ...needs("posix"),
  fn() {
    using scratch = new Scratch();
    for (const target of ["nul \0 inside", "x".repeat(70_000)]) {
      assert.throws(() => createSymlink(target, `${scratch.path}/link`), StoreFailed);
    }
  },
});

Deno.test({
  name: "a copy is finished like the file that it stands for",
  ...needs("posix"),
  fn() {
    using scratch = new Scratch();
    const [source, path] = [`${scratch.path}/source`, `${scratch.path}/path`];
    Deno.writeFileSync(source, BYTES, { mode: 0o444 });
    assert.equal(copyVerified(source, path, entry({ executable: true }), "sha256"), true);
    const info = Deno.statSync(path);
    assert.equal(info.mode! & 0o7777, 0o555);
    assert.equal(info.mtime!.getTime(), 1_234_567_890_000);
    assert.deepEqual(Deno.readFileSync(path), BYTES);
  },
});

Deno.test("a copy with another content or size is removed", () => {
  using scratch = new Scratch();
  const [source, path] = [`${scratch.path}/source`, `${scratch.path}/path`];
  for (const content of ["CONTENT", "conten", "content!", ""]) {
    Deno.writeTextFileSync(source, content);
    assert.equal(copyVerified(source, path, entry(), "sha256"), false, content);
    assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
  }
});

Deno.test("the hash of a file is told only if the file has the size", () => {
  using scratch = new Scratch();
  const path = `${scratch.path}/file`;
  Deno.writeFileSync(path, BYTES);
  assert.equal(hashOfFile(path, "sha256", BYTES.length), HASH);
  assert.equal(hashOfFile(path, "sha256", BYTES.length - 1), undefined);
  assert.equal(hashOfFile(path, "sha256", 0), undefined);
  const large = new Uint8Array(3_000_001).fill(5);
  Deno.writeFileSync(path, large);
  const expected = createHash("sha1").update(large).digest("hex");
  assert.equal(hashOfFile(path, "sha1", large.length), expected);
  Deno.writeFileSync(path, new Uint8Array());
  assert.equal(hashOfFile(path, "sha1", 0), createHash("sha1").digest("hex"));
});
