import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { StoreFailed } from "../../../lib/errors.ts";
import { Assembly, type AssemblyObserver } from "../../../lib/fetch/assembly/assembly.ts";
import { pathOf } from "../../../lib/manifest/entry.ts";
import type { Extent } from "../../../lib/manifest/layout.ts";
import type { ByteRange } from "../../../lib/wire/range.ts";
import { noise, TREES } from "../../serve/implementations.ts";
import { needs } from "../../skips.ts";
import { Scratch } from "../../store/sample.ts";
import { directory, file, symlink } from "../../vectors/trees.ts";
import { complete, FetchedTree } from "../trees.ts";

const HONEST = ["honest 1", "honest 2"];
const LYING = ["lying 1", "lying 2"];

const SILENT: AssemblyObserver = {
  received: () => {},
  verified: () => {},
  lost: () => {},
  doubted: () => {},
  isToBlame: () => true,
};

/** Writes of a part of the stream each, in fractions of its size. */
const WRITES = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    size: fc.oneof(
      fc.double({ min: 0, max: 0.2, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    ),
    from: fc.constantFrom(...HONEST, ...LYING),
  }),
  { maxLength: 30 },
);

/** The parts of the stream that are written, wrong in every byte where a liar sends them. */
function partsOf(
  stream: Uint8Array<ArrayBuffer>,
  writes: readonly { at: number; size: number; from: string }[],
) {
  const { length } = stream;
  return length === 0 ? [] : writes.map(({ at, size, from }) => {
    const start = Math.floor(at * length);
    const end = Math.min(length, start + Math.ceil(size * length));
    const lies = LYING.includes(from);
    const bytes = stream.slice(start, end).map((byte) => lies ? byte ^ 0xff : byte);
    return { start, end, bytes, from };
  });
}

/** What of some ranges lies within one. */
function within(ranges: readonly ByteRange[], { start, end }: ByteRange): ByteRange[] {
  return ranges
    .map((range) => ({ start: Math.max(start, range.start), end: Math.min(end, range.end) }))
    .filter((part) => part.start < part.end);
}

Deno.test({
  name:
    "bytes in any order, from honest and lying peers, end in the right tree, and liars are found",
  ...needs("posix"),
  async fn() {
    await fc.assert(
      fc.asyncProperty(TREES, WRITES, async (nodes, writes) => {
        using tree = await FetchedTree.of(nodes);
        const { stream } = tree;
        const assembly = await tree.assembly();
        const { size } = assembly.stream;
        assert.equal(size, stream.length);
        for (const { start, end, bytes, from } of partsOf(stream, writes)) {
          assembly.write(start, bytes, from);
          for (const liar of assembly.liars.keys()) assert.ok(LYING.includes(liar), liar);
          const missing = assembly.missing();
          const lacking = missing.reduce((sum, range) => sum + range.end - range.start, 0);
          assert.equal(lacking, size - assembly.received);
          assert.ok(!assembly.complete || missing.length === 0);
          assert.deepEqual(assembly.missing({ start, end }), within(missing, { start, end }));
        }
        complete(assembly, stream);
        for (const liar of assembly.liars.keys()) assert.ok(LYING.includes(liar), liar);
        assembly.finish();
        assembly.close();
        await tree.check();
      }),
      { numRuns: 60 },
    );
  },
});

Deno.test({
  name: "a stream in order, cut anywhere, ends in the right tree",
  ...needs("posix"),
  async fn() {
    const sizes = fc.array(fc.constantFrom(1, 13, 1000, 65_536, 262_144, 500_000), {
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(TREES, sizes, async (nodes, sizes) => {
        using tree = await FetchedTree.of(nodes, "sha1new");
        const assembly = await tree.assembly();
        // The small sizes alone would take too many writes.
        for (let at = 0, index = 0; at < tree.stream.length; index++) {
          const size = index < 100 ? sizes[index % sizes.length]! : 500_000;
          assembly.write(at, tree.stream.subarray(at, at + size), "a");
          at += Math.min(size, tree.stream.length - at);
        }
        assert.equal(assembly.complete, true);
        assert.equal(assembly.liars.size, 0);
        assembly.finish();
        await tree.check();
      }),
      { numRuns: 30 },
    );
  },
});

const SMALL = file("small", noise(1, 1000));
const LARGE = file("z large", noise(2, 1_000_000));

for (const node of [SMALL, LARGE]) {
  Deno.test(`who sends all of ${node.path} wrong is named, and nothing of it stays`, async () => {
    using tree = await FetchedTree.of([node]);
    const assembly = await tree.assembly();
    const wrong = tree.stream.map((byte, index) => index === 500 ? byte ^ 1 : byte);
    assembly.write(0, wrong, "liar");
    assert.deepEqual([...assembly.liars.keys()], ["liar"]);
    assert.match(
      assembly.liars.get("liar")!,
      new RegExp(`"${node.path}": expected [0-9a-f]+, found`),
    );
    assert.equal(assembly.received, 0);
    assert.deepEqual([...Deno.readDirSync(tree.root)], []);
    complete(assembly, tree.stream);
    await tree.check();
  });

  Deno.test(`when two made ${node.path} wrong, who is right alone shows who lied`, async () => {
    for (const later of ["first", "second"]) {
      using tree = await FetchedTree.of([node]);
      const assembly = await tree.assembly();
      const half = tree.stream.length / 2;
      assembly.write(0, tree.stream.slice(0, half), "first");
      assembly.write(half, tree.stream.slice(half).map((byte) => byte ^ 1), "second");
      assert.equal(assembly.liars.size, 0);
      assert.equal(assembly.complete, false);
      const lies = later === "second";
      assembly.write(0, tree.stream.map((byte) => lies ? byte ^ 1 : byte), later);
      assert.deepEqual([...assembly.liars.keys()], ["second"]);
      complete(assembly, tree.stream);
      await tree.check();
    }
  });
}

for (const node of [SMALL, LARGE]) {
  Deno.test(`of several who made ${node.path} wrong, a third one shows who it was`, async () => {
    using tree = await FetchedTree.of([node]);
    const assembly = await tree.assembly();
    assembly.write(0, tree.stream.slice(0, 500), "honest");
    assembly.write(500, new Uint8Array(tree.stream.length - 500), "liar");
    assembly.write(0, tree.stream, "third");
    assert.equal(assembly.complete, true);
    assert.deepEqual([...assembly.liars.keys()], ["liar"]);
  });

  Deno.test(`who lies about ${node.path} and is right later does not make another the liar`, async () => {
    using tree = await FetchedTree.of([node]);
    const assembly = await tree.assembly();
    assembly.write(0, tree.stream.slice(0, 500), "honest");
    assembly.write(500, new Uint8Array(tree.stream.length - 500), "liar");
    assembly.write(0, tree.stream, "liar");
    assert.equal(assembly.complete, true);
    assert.deepEqual([...assembly.liars.keys()], ["liar"]);
  });
}

Deno.test("bytes that are here already are not taken again", async () => {
  using tree = await FetchedTree.of([SMALL, LARGE]);
  const assembly = await tree.assembly();
  assembly.write(0, tree.stream.slice(0, 700_000), "a");
  const { received } = assembly;
  assembly.write(0, tree.stream.slice(0, 600_000).fill(0), "liar");
  assert.equal(assembly.received, received);
  complete(assembly, tree.stream, { from: "a" });
  assert.equal(assembly.liars.size, 0);
  await tree.check();
});

Deno.test({
  name: "symlinks are made last of all, and only when everything is here",
  ...needs("posix"),
  async fn() {
    using tree = await FetchedTree.of([symlink("a", "d"), directory("d"), file("d/x", "content")]);
    const assembly = await tree.assembly();
    assembly.write(0, tree.stream.slice(0, 1), "a");
    assert.throws(() => assembly.finish());
    complete(assembly, tree.stream);
    assert.throws(() => Deno.lstatSync(`${tree.root}/a`), Deno.errors.NotFound);
    assembly.finish();
    assert.equal(Deno.readLinkSync(`${tree.root}/a`), "d");
    await tree.check();
  },
});

Deno.test("a tree without content is complete at once", async () => {
  using tree = await FetchedTree.of([directory("d"), file("empty", ""), file("d/empty", "")]);
  const assembly = await tree.assembly();
  assert.equal(assembly.complete, true);
  assert.deepEqual(assembly.missing(), []);
  assembly.finish();
  await tree.check();
});

Deno.test("a request is cut where no small file is cut, unless it would be empty", async () => {
  using tree = await FetchedTree.of([
    file("1", noise(1, 100)),
    file("2", noise(2, 1000)),
    LARGE,
  ]);
  const assembly = await tree.assembly();
  const cases: [start: number, end: number, cut: number][] = [
    [0, 99, 99],
    [0, 100, 100],
    [0, 101, 100],
    [0, 1099, 100],
    [100, 1099, 1099],
    [50, 1100, 1100],
    [50, 200_000, 200_000],
    [0, 1_001_100, 1_001_100],
  ];
  for (const [start, end, cut] of cases) {
    assert.equal(assembly.wholeFilesEnd(start, end), cut, `${start} to ${end}`);
  }
});

Deno.test("a target that is no text is a failure of the store, not of the program", () => {
  using scratch = new Scratch();
  const bytes = Uint8Array.of(0xff, 0xfe);
  const assembly = new Assembly({
    algorithm: "sha256new",
    entries: [{
      kind: "symlink",
      directory: "",
      name: "link",
      hash: createHash("sha256").update(bytes).digest("hex"),
      size: 2,
    }],
    ambiguous: false,
  }, scratch.path);
  assert.throws(() => assembly.write(0, bytes, "a"), StoreFailed);
});

Deno.test({
  name:
    "where another thread shares the writing the tree is the same, and right only when in place",
  ...needs("posix"),
  async fn() {
    await fc.assert(
      fc.asyncProperty(TREES, WRITES, async (nodes, writes) => {
        using tree = await FetchedTree.of(nodes);
        const { stream } = tree;
        const right = new Set<Extent>();
        const assembly = await tree.assembly(undefined, {
          ...SILENT,
          verified(extent) {
            right.add(extent);
            for (const entry of extent.entries) {
              if (entry.kind === "symlink") continue;
              const { size } = Deno.lstatSync(`${tree.root}/${pathOf(entry)}`);
              assert.equal(size, extent.size);
            }
          },
          doubted: (index) => assembly.reject(index),
        });
        try {
          await assembly.shareWriting();
          for (const [n, { start, bytes, from }] of partsOf(stream, writes).entries()) {
            assembly.write(start, bytes, from);
            if (n === 9) await assembly.expose();
          }
          complete(assembly, stream);
          await assembly.placed();
          assert.deepEqual(right, new Set(assembly.stream.extents));
          assembly.finish();
          await tree.check();
        } finally {
          assembly.close();
        }
      }),
      { numRuns: 30 },
    );
  },
});

Deno.test("before others read there, everything is in its place, and stays so", async () => {
  const files = Array.from({ length: 50 }, (_, n) => file(`${n}`, noise(n, 1000)));
  using tree = await FetchedTree.of(files);
  const assembly = await tree.assembly();
  await assembly.shareWriting();
  assembly.write(0, tree.stream.subarray(0, 20_500), "a");
  await assembly.expose();
  assert.deepEqual(assembly.readBack(0, 20_500), tree.stream.slice(0, 20_500));
  assembly.write(20_500, tree.stream.subarray(20_500, 30_700), "a");
  assert.deepEqual(assembly.readBack(0, 30_700), tree.stream.slice(0, 30_700));
  complete(assembly, tree.stream);
  assembly.finish();
  assembly.close();
  await tree.check();
});

Deno.test("what another thread cannot write is told before anything is finished", async () => {
  using tree = await FetchedTree.of([file("a", noise(1, 1000)), file("b", noise(2, 1000))]);
  const assembly = await tree.assembly();
  await assembly.shareWriting();
  Deno.writeTextFileSync(`${tree.root}/b`, "in the way");
  assembly.write(0, tree.stream, "a");
  assert.equal(assembly.complete, true);
  assert.throws(() => assembly.finish(), "it is not in its place");
  await assert.rejects(assembly.placed(), StoreFailed);
  assert.throws(() => assembly.finish());
  assert.throws(() => assembly.write(0, tree.stream, "a"), StoreFailed, "it is told with the next");
  assembly.close();
});

Deno.test("only thousands of small files are many", async () => {
  const few = Array.from({ length: 100 }, (_, n) => file(`${n}`, noise(n, 10)));
  using tree = await FetchedTree.of(few);
  assert.equal((await tree.assembly()).lacksManyFiles, false);
  using scratch = new Scratch();
  const entries = Array.from({ length: 10_000 }, (_, n) => ({
    kind: "file" as const,
    directory: "",
    name: `${n}`,
    hash: n.toString(16).padStart(64, "0"),
    size: 1,
    mtime: 0,
    executable: false,
  }));
  const manifest = { algorithm: "sha256new" as const, ambiguous: false };
  const many = new Assembly({ ...manifest, entries }, scratch.path);
  assert.equal(many.lacksManyFiles, true);
  const large = entries.map((entry) => ({ ...entry, size: 1_000_000 }));
  assert.equal(new Assembly({ ...manifest, entries: large }, scratch.path).lacksManyFiles, false);
});

Deno.test("a small file is in its place as a whole before it is told of", async () => {
  using tree = await FetchedTree.of([file("a", noise(1, 1000))]);
  let found: Uint8Array | undefined;
  const assembly = await tree.assembly(undefined, {
    received: () => found = Deno.readFileSync(`${tree.root}/a`),
    verified: () => {},
    lost: () => {},
    doubted: () => {},
    isToBlame: () => true,
  });
  assembly.write(0, tree.stream, "peer");
  assert.deepEqual(found, tree.stream);
  assembly.close();
});

Deno.test({
  name: "of many large files that come in parts not all are open at once",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const files = Array.from({ length: 200 }, (_, n) => file(`${n + 100}`, noise(n, 300_000)));
    using tree = await FetchedTree.of(files);
    const assembly = await tree.assembly();
    const opened = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const before = opened();
    for (let n = 0; n < files.length; n++) {
      const start = n * 300_000;
      assembly.write(start, tree.stream.subarray(start, start + 100_000), "a");
    }
    assert.ok(opened() <= before + 64, `${opened() - before} are open`);
    complete(assembly, tree.stream);
    assembly.finish();
    assembly.close();
    assert.ok(opened() <= before);
    await tree.check();
  },
});

Deno.test("a content whose second place cannot be filled leaves the tree incomplete", async () => {
  using tree = await FetchedTree.of([file("a", noise(1, 400_000)), file("b", noise(1, 400_000))]);
  const assembly = await tree.assembly(undefined, SILENT);
  assert.equal(assembly.stream.size, 400_000);
  const open = Deno.openSync;
  Deno.openSync = (path, options) => {
    if (!String(path).endsWith("/b")) return open(path, options);
    throw Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
  };
  try {
    assembly.write(0, tree.stream.subarray(0, 300_000), "peer");
    assert.throws(
      () => assembly.write(300_000, tree.stream.subarray(300_000), "peer"),
      StoreFailed,
    );
  } finally {
    Deno.openSync = open;
  }
  assert.equal(assembly.complete, false);
  assembly.close();
});
