import assert from "node:assert/strict";
import { DamagedImplementation } from "../../lib/errors.ts";
import { type FileEntry, pathOf, type SymlinkEntry } from "../../lib/manifest/entry.ts";
import { ListedTree } from "../../lib/store/listed_tree.ts";
import { needs } from "../skips.ts";
import { Scratch } from "./sample.ts";
import { directory, file, type Node, symlink } from "../vectors/trees.ts";
import { addImplementation, type Implementation } from "../serve/implementations.ts";

const NODES: readonly Node[] = [
  directory("d"),
  directory("d/e"),
  file("d/e/deep", "deep content"),
  file("top", "top content"),
  symlink("link", "d/e/deep"),
];

class Fixture implements Disposable {
  readonly scratch = new Scratch();
  /** What nobody may ever read: of the same size as "d/e/deep". */
  readonly outside = this.scratch.directory("outside");

  constructor() {
    Deno.writeTextFileSync(`${this.outside}/deep`, "SECRET BYTES");
  }

  add(nodes: readonly Node[] = NODES): Promise<Implementation> {
    return addImplementation(this.scratch.directory("store"), nodes);
  }

  [Symbol.dispose](): void {
    this.scratch[Symbol.dispose]();
  }
}

function fileOf({ manifest }: Implementation, name: string): FileEntry {
  return [...manifest.entries].find((entry) => pathOf(entry) === name) as FileEntry;
}

function open(implementation: Implementation, name: string): string {
  const { digest, path } = implementation;
  using opened = new ListedTree(digest, path).open(fileOf(implementation, name));
  const bytes = new Uint8Array(100);
  return new TextDecoder().decode(bytes.subarray(0, opened.readSync(bytes) ?? 0));
}

function readLink({ digest, path, manifest }: Implementation, name: string): string {
  const entry = [...manifest.entries].find((entry) => pathOf(entry) === name);
  return new TextDecoder().decode(new ListedTree(digest, path).readLink(entry as SymlinkEntry));
}

Deno.test({
  name: "files and symlinks that are as listed are read",
  ...needs("posix"),
  async fn() {
    using fixture = new Fixture();
    const implementation = await fixture.add();
    assert.equal(open(implementation, "d/e/deep"), "deep content");
    assert.equal(open(implementation, "top"), "top content");
    assert.equal(readLink(implementation, "link"), "d/e/deep");
  },
});

/** Reads a file after the one before it in the manifest, so that its directory gets listed. */
function readListed(implementation: Implementation, name: string): string {
  const { digest, path, manifest } = implementation;
  const tree = new ListedTree(digest, path, { many: true });
  const entry = fileOf(implementation, name);
  const sibling = [...manifest.entries].find((other) =>
    other.kind === "file" && other.directory === entry.directory && other.name !== entry.name
  ) as FileEntry;
  tree.readToHash(sibling, new Uint8Array(sibling.size));
  const bytes = new Uint8Array(entry.size);
  tree.readToHash(entry, bytes);
  return new TextDecoder().decode(bytes);
}

interface Damage {
  name: string;
  at: string;
  do(path: string, outside: string): void;
  reason: RegExp;
}

const DAMAGES: Damage[] = [
  {
    name: "a symlink to a file of the same size in its place",
    at: "d/e/deep",
    do(path, outside) {
      Deno.removeSync(`${path}/d/e/deep`);
      Deno.symlinkSync(`${outside}/deep`, `${path}/d/e/deep`);
    },
    reason: /should be an ordinary file/,
  },
  {
    name: "a symlink inside the tree in its place",
    at: "d/e/deep",
    do(path) {
      Deno.renameSync(`${path}/d/e/deep`, `${path}/d/e/other`);
      Deno.symlinkSync("other", `${path}/d/e/deep`);
    },
    reason: /should be an ordinary file/,
  },
  {
    name: "a directory above it that is a symlink out of the tree",
    at: "d/e/deep",
    do(path, outside) {
      Deno.removeSync(`${path}/d/e`, { recursive: true });
      Deno.symlinkSync(outside, `${path}/d/e`);
    },
    reason: /"d\/e" should be a directory/,
  },
  {
    name: "a directory further above that is a symlink out of the tree",
    at: "d/e/deep",
    do(path, outside) {
      Deno.renameSync(`${path}/d`, `${outside}/d`);
      Deno.symlinkSync(`${outside}/d`, `${path}/d`);
    },
    reason: /"d" should be a directory/,
  },
  {
    name: "a directory in its place",
    at: "top",
    do(path) {
      Deno.removeSync(`${path}/top`);
      Deno.mkdirSync(`${path}/top`);
    },
    reason: /should be an ordinary file/,
  },
  {
    name: "a shorter file",
    at: "top",
    do: (path) => Deno.truncateSync(`${path}/top`, 3),
    reason: /should have 11 bytes, found 3/,
  },
  {
    name: "a longer file",
    at: "top",
    do: (path) => Deno.truncateSync(`${path}/top`, 12),
    reason: /should have 11 bytes, found 12/,
  },
  {
    name: "nothing in its place",
    at: "top",
    do: (path) => Deno.removeSync(`${path}/top`),
    reason: /[Nn]o such file|os error 2/,
  },
];

for (const { name, at, do: damage, reason } of DAMAGES) {
  Deno.test({
    name: `refuses to open a file that has ${name}`,
    ...needs("posix"),
    async fn() {
      using fixture = new Fixture();
      const implementation = await fixture.add();
      damage(implementation.path, fixture.outside);
      assert.throws(() => open(implementation, at), (error) => {
        assert.ok(error instanceof DamagedImplementation);
        assert.equal(error.digest, implementation.digest);
        assert.equal(error.path, at);
        assert.match(error.message, reason);
        return true;
      });
    },
  });
}

const WITH_SIBLINGS: readonly Node[] = [...NODES, file("d/e/sibling", "s"), file("beside", "b")];

for (const { name, at, do: damage, reason } of DAMAGES) {
  // What is given on is the listed bytes: see the test below.
  if (name === "a longer file") continue;
  Deno.test({
    name: `refuses to read a file that has ${name} when its directory is listed`,
    ...needs("posix"),
    async fn() {
      using fixture = new Fixture();
      Deno.writeTextFileSync(`${fixture.outside}/sibling`, "s");
      const implementation = await fixture.add(WITH_SIBLINGS);
      damage(implementation.path, fixture.outside);
      assert.throws(() => readListed(implementation, at), (error) => {
        assert.ok(error instanceof DamagedImplementation);
        assert.match(error.message, reason);
        return true;
      });
    },
  });
}

Deno.test({
  name: "files of listed directories are read, of a longer one what is listed",
  ...needs("posix"),
  async fn() {
    using fixture = new Fixture();
    const implementation = await fixture.add(WITH_SIBLINGS);
    assert.equal(readListed(implementation, "d/e/deep"), "deep content");
    Deno.writeTextFileSync(`${implementation.path}/top`, " and more", { append: true });
    assert.equal(readListed(implementation, "top"), "top content");
  },
});

Deno.test({
  name: "a symlink in a listing is not taken for a directory",
  ...needs("posix"),
  async fn() {
    using fixture = new Fixture();
    const implementation = await fixture.add(WITH_SIBLINGS);
    const { digest, path } = implementation;
    const read = (tree: ListedTree, name: string) => {
      const entry = fileOf(implementation, name);
      tree.readToHash(entry, new Uint8Array(entry.size));
    };
    const tree = new ListedTree(digest, path, { many: true });
    for (const name of ["beside", "top", "d/e/deep"]) read(tree, name);
    Deno.renameSync(`${path}/d`, `${fixture.outside}/d`);
    Deno.symlinkSync(`${fixture.outside}/d`, `${path}/d`);
    const another = new ListedTree(digest, path, { many: true });
    for (const name of ["beside", "top"]) read(another, name);
    assert.throws(() => read(another, "d/e/deep"), /"d" should be a directory/);
  },
});

Deno.test({
  name: "refuses a pipe in a file's place when its directory is listed, without waiting",
  ...needs("posix"),
  async fn() {
    using fixture = new Fixture();
    const implementation = await fixture.add(WITH_SIBLINGS);
    Deno.removeSync(`${implementation.path}/d/e/deep`);
    new Deno.Command("mkfifo", { args: [`${implementation.path}/d/e/deep`] }).outputSync();
    assert.throws(() => readListed(implementation, "d/e/deep"), /should be an ordinary file/);
  },
});

Deno.test({
  name: "refuses a pipe in a file's place without waiting for its other end",
  ...needs("posix"),
  async fn() {
    using fixture = new Fixture();
    const implementation = await fixture.add([...NODES, file("d/x", "x")]);
    Deno.removeSync(`${implementation.path}/d/x`);
    new Deno.Command("mkfifo", { args: [`${implementation.path}/d/x`] }).outputSync();
    assert.throws(() => open(implementation, "d/x"), DamagedImplementation);
  },
});

Deno.test({
  name: "refuses a symlink that is another kind, of another size, or behind a symlink",
  ...needs("posix"),
  async fn() {
    using fixture = new Fixture();
    const nodes = [directory("d"), symlink("d/link", "target")];
    const implementation = await fixture.add(nodes);
    const link = `${implementation.path}/d/link`;
    assert.equal(readLink(implementation, "d/link"), "target");
    Deno.removeSync(link);
    assert.throws(() => readLink(implementation, "d/link"), DamagedImplementation);
    Deno.writeTextFileSync(link, "target");
    assert.throws(() => readLink(implementation, "d/link"), DamagedImplementation);
    Deno.removeSync(link);
    Deno.symlinkSync("tar\u00e9", link);
    assert.throws(() => readLink(implementation, "d/link"), /should have 6 bytes, found 5/);
    Deno.removeSync(link);
    Deno.removeSync(`${implementation.path}/d`);
    Deno.symlinkSync("target", `${fixture.outside}/link`);
    Deno.symlinkSync(fixture.outside, `${implementation.path}/d`);
    assert.throws(() => readLink(implementation, "d/link"), /"d" should be a directory/);
  },
});

function trouble(): never {
  throw Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
}

Deno.test({
  name: "a failing system is no damage, except for who goes without the file then",
  ...needs("posix"),
  async fn() {
    using fixture = new Fixture();
    const implementation = await fixture.add();
    const top = fileOf(implementation, "top");
    const tree = new ListedTree(implementation.digest, implementation.path);
    const { openSync, readLinkSync } = Deno;
    Deno.openSync = trouble;
    Deno.readLinkSync = trouble;
    try {
      assert.throws(() => tree.openAndLook(top), { code: "EMFILE" });
      assert.throws(() => tree.readToHash(top, new Uint8Array(top.size)), { code: "EMFILE" });
      assert.throws(() => readLink(implementation, "link"), { code: "EMFILE" });
      assert.throws(() => tree.open(top), DamagedImplementation);
    } finally {
      Object.assign(Deno, { openSync, readLinkSync });
    }
  },
});

Deno.test({
  name: "a file that cannot be asked what it is, is not left open",
  ...needs("posix"),
  async fn() {
    using fixture = new Fixture();
    const implementation = await fixture.add();
    const tree = new ListedTree(implementation.digest, implementation.path);
    const { prototype } = Deno.FsFile;
    const { statSync } = prototype;
    prototype.statSync = trouble;
    try {
      assert.throws(() => tree.openAndLook(fileOf(implementation, "top")), { code: "EMFILE" });
    } finally {
      prototype.statSync = statSync;
    }
  },
});

for (const replaced of ["d", "d/e", ""]) {
  Deno.test({
    name: `"${replaced}" that becomes a symlink is not followed where no hash decides`,
    ...needs("posix"),
    async fn() {
      using fixture = new Fixture();
      const implementation = await fixture.add();
      const { digest, path } = implementation;
      const deep = fileOf(implementation, "d/e/deep");
      const tree = new ListedTree(digest, path);
      tree.openAndLook(deep).file.close();
      const place = `${path}/${replaced}`.replace(/\/$/, "");
      Deno.renameSync(place, `${fixture.outside}/moved`);
      Deno.symlinkSync(`${fixture.outside}/moved`, place);
      assert.throws(() => tree.openAndLook(deep), /should be a directory/);
    },
  });
}
