import assert from "node:assert/strict";
import fc from "fast-check";
import { StoreFailed } from "../../../lib/errors.ts";
import type { Assembly } from "../../../lib/fetch/assembly/assembly.ts";
import { type ReuseEvent, reuseLocalFiles } from "../../../lib/fetch/assembly/reuse.ts";
import { ALGORITHMS } from "../../../lib/manifest/digest.ts";
import { pathOf } from "../../../lib/manifest/entry.ts";
import {
  addImplementation,
  type Implementation,
  noise,
  TREES,
} from "../../serve/implementations.ts";
import { needs } from "../../skips.ts";
import { mountTmpfs } from "../../store/tmpfs.ts";
import { directory, file, type Node, symlink } from "../../vectors/trees.ts";
import { complete, FetchedTree } from "../trees.ts";

/** More than is kept in memory. */
const LARGE = 700_000;

interface Run {
  readonly files: number;
  readonly bytes: number;
  readonly events: readonly ReuseEvent[];
}

async function reuse(
  tree: FetchedTree,
  assembly: Assembly,
  stores: readonly string[],
  options: { signal?: AbortSignal; root?: string } = {},
): Promise<Run> {
  const events: ReuseEvent[] = [];
  const { digest } = tree.wanted;
  const counted = await reuseLocalFiles(
    assembly,
    { digest, tree: options.root ?? tree.root },
    stores,
    {
      signal: options.signal ?? new AbortController().signal,
      report: (event) => events.push(event),
    },
  );
  const reused = events.filter(({ kind }) => kind === "reused");
  assert.deepEqual(reused, counted.files > 0 ? [{ kind: "reused", digest, ...counted }] : []);
  assert.equal(assembly.liars.size, 0);
  return { ...counted, events };
}

/** Brings the rest from an honest peer, and checks the tree. */
async function finish(tree: FetchedTree, assembly: Assembly): Promise<void> {
  complete(assembly, tree.stream);
  assembly.finish();
  assembly.close();
  await tree.check();
}

function store(tree: FetchedTree, name = "store"): string {
  return tree.scratch.directory(name);
}

function lacking(assembly: Assembly): number {
  return assembly.missing().reduce((sum, { start, end }) => sum + end - start, 0);
}

Deno.test({
  name: "a new version takes from the old one all but the files that changed",
  ...needs("posix"),
  async fn() {
    const kept = (time: number): Node[] => [
      directory("lib"),
      file("lib/large", noise(1, LARGE), { mtime: time }),
      file("lib/small", noise(2, 1000), { mtime: time, mode: 0o755 }),
      file("empty", "", { mtime: time }),
      symlink("link", "lib/small"),
    ];
    using tree = await FetchedTree.of([
      ...kept(2000),
      file("changed", noise(4, 5000)),
      file("added", noise(5, 300_000)),
    ]);
    await addImplementation(store(tree), [
      ...kept(1000),
      file("changed", noise(3, 5000)),
      file("removed", noise(6, 10)),
    ]);
    const assembly = await tree.assembly();
    const { files, bytes, events } = await reuse(tree, assembly, [store(tree)]);
    assert.deepEqual([files, bytes], [2, LARGE + 1000]);
    assert.equal(events.length, 1);
    assert.equal(assembly.received, bytes);
    // The symlink's text is not looked for.
    assert.equal(lacking(assembly), 5000 + 300_000 + "lib/small".length);
    await finish(tree, assembly);
  },
});

type Damage = (path: string, spare: string) => void;

/** Changes to files of a local implementation, of whatever kind; `spare` is a name beside them. */
const DAMAGES: Record<string, Damage> = {
  nothing: () => {},
  "other bytes": (path) => Deno.writeFileSync(path, new Uint8Array(Deno.statSync(path).size)),
  "one bit": (path) => {
    const bytes = Deno.readFileSync(path);
    if (bytes.length > 0) bytes[bytes.length - 1]! ^= 1;
    Deno.writeFileSync(path, bytes);
  },
  "fewer bytes": (path) => Deno.truncateSync(path, Deno.statSync(path).size >> 1),
  "more bytes": (path) => Deno.truncateSync(path, Deno.statSync(path).size + 1),
  "a symlink in its place": (path, spare) => {
    Deno.renameSync(path, spare);
    Deno.symlinkSync(spare, path);
  },
  "a directory in its place": (path, spare) => {
    Deno.renameSync(path, spare);
    Deno.mkdirSync(path);
  },
  "a pipe in its place": (path) => {
    Deno.removeSync(path);
    new Deno.Command("mkfifo", { args: [path] }).outputSync();
  },
  "nothing in its place": (path) => Deno.removeSync(path),
  "a symlink in its directory's place": (path, spare) => {
    const parent = path.slice(0, path.lastIndexOf("/"));
    Deno.renameSync(parent, spare);
    Deno.symlinkSync(spare, parent);
  },
};

for (const [name, damage] of Object.entries(DAMAGES)) {
  if (name === "nothing") continue;
  for (const size of [1000, LARGE]) {
    Deno.test({
      name: `a local file of ${size} bytes that has ${name} is told of and not used`,
      ...needs("posix"),
      async fn() {
        const nodes = [directory("d"), file("d/file", noise(1, size)), file("good", noise(2, 10))];
        using tree = await FetchedTree.of([...nodes, file("new", "")]);
        const { path } = await addImplementation(store(tree), nodes);
        damage(`${path}/d/file`, `${tree.scratch.directory("spare")}/spare`);
        const assembly = await tree.assembly();
        const { files, bytes, events } = await reuse(tree, assembly, [store(tree)]);
        assert.deepEqual([files, bytes], [1, 10]);
        const unusable = events.filter((event) => event.kind === "unusable");
        assert.deepEqual(unusable.map((event) => event.path), [`${path}/d/file`]);
        assert.equal(lacking(assembly), size);
        assert.throws(() => Deno.lstatSync(`${tree.root}/d/file`), Deno.errors.NotFound);
        await finish(tree, assembly);
      },
    });
  }
}

Deno.test({
  name: "a local file that may not be read is told of and not used",
  ...needs("posix"),
  ignore: Deno.build.os === "windows" || Deno.uid() === 0,
  async fn() {
    const nodes = [file("small", "secret"), file("large", noise(1, LARGE))];
    using tree = await FetchedTree.of([...nodes, file("new", "")]);
    const { path } = await addImplementation(store(tree), nodes);
    for (const name of ["small", "large"]) Deno.chmodSync(`${path}/${name}`, 0);
    const assembly = await tree.assembly();
    const { files, events } = await reuse(tree, assembly, [store(tree)]);
    assert.equal(files, 0);
    assert.deepEqual(events.map(({ kind }) => kind), ["unusable", "unusable"]);
    await finish(tree, assembly);
  },
});

for (const size of [1000, LARGE]) {
  Deno.test({
    name: `a damaged file of ${size} bytes is replaced by the same file of another store`,
    ...needs("posix"),
    async fn() {
      const wanted = file("file", noise(1, size));
      using tree = await FetchedTree.of([wanted, file("new", "")]);
      const stores = ["one", "two", "three"].map((name) => store(tree, name));
      const local: Implementation[] = [];
      for (const [index, where] of stores.entries()) {
        const added = await addImplementation(where, [{ ...wanted, path: `f${index}` }]);
        Deno.utimeSync(added.path, 1000 - index, 1000 - index);
        local.push(added);
      }
      Deno.writeFileSync(`${local[0]!.path}/f0`, new Uint8Array(size));
      const assembly = await tree.assembly();
      const { files, bytes, events } = await reuse(tree, assembly, stores);
      assert.deepEqual([files, bytes], [1, size]);
      assert.deepEqual(events.map(({ kind }) => kind), ["unusable", "reused"]);
      assert.ok(assembly.complete);
      await finish(tree, assembly);
    },
  });

  Deno.test({
    name: `a damaged file of ${size} bytes is replaced by its duplicate beside it`,
    ...needs("posix"),
    async fn() {
      using tree = await FetchedTree.of([file("file", noise(1, size))]);
      const { path } = await addImplementation(store(tree), [
        file("a", noise(1, size)),
        file("b", noise(1, size)),
      ]);
      Deno.removeSync(`${path}/a`);
      const assembly = await tree.assembly();
      const { files } = await reuse(tree, assembly, [store(tree)]);
      assert.equal(files, 1);
      await finish(tree, assembly);
    },
  });

  Deno.test({
    name: `files of ${size} bytes with one content count once, each with its own mode and time`,
    ...needs("posix"),
    async fn() {
      using tree = await FetchedTree.of([
        directory("d"),
        file("a", noise(1, size), { mtime: 1 }),
        file("b", noise(1, size), { mtime: 2, mode: 0o755 }),
        file("d/c", noise(1, size), { mtime: 3 }),
      ]);
      await addImplementation(store(tree), [file("x", noise(1, size), { mtime: 4 })]);
      const assembly = await tree.assembly();
      const { files, bytes } = await reuse(tree, assembly, [store(tree)]);
      assert.deepEqual([files, bytes], [1, size]);
      assert.ok(assembly.complete);
      await finish(tree, assembly);
    },
  });

  Deno.test({
    name: `the copy of a file of ${size} bytes is no hard link`,
    ...needs("posix"),
    async fn() {
      using tree = await FetchedTree.of([file("file", noise(1, size))]);
      const { path } = await addImplementation(store(tree), [file("x", noise(1, size))]);
      await reuse(tree, await tree.assembly(), [store(tree)]);
      const [source, copy] = [`${path}/x`, `${tree.root}/file`].map((path) => Deno.lstatSync(path));
      assert.equal(copy!.nlink, 1);
      assert.notEqual(copy!.ino, source!.ino);
      Deno.writeTextFileSync(`${path}/x`, "changed later");
      await tree.check();
    },
  });
}

Deno.test({
  name: "a file that has the content of a symlink is taken for both",
  ...needs("posix"),
  async fn() {
    using tree = await FetchedTree.of([symlink("a", "target"), file("b", "target")]);
    await addImplementation(store(tree), [file("x", "target")]);
    const assembly = await tree.assembly();
    assert.equal((await reuse(tree, assembly, [store(tree)])).files, 1);
    assert.ok(assembly.complete);
    await finish(tree, assembly);
  },
});

Deno.test({
  name: "the wanted implementation itself is no source, damaged as it may be",
  ...needs("posix"),
  async fn() {
    const nodes = [file("a", "1"), file("b", "2")];
    using tree = await FetchedTree.of(nodes);
    await addImplementation(store(tree), nodes);
    const { files, events } = await reuse(tree, await tree.assembly(), [store(tree)]);
    assert.deepEqual([files, events], [0, []]);
  },
});

Deno.test({
  name: "what is here already is left as it is, and what is here in part is left to the network",
  ...needs("posix"),
  async fn() {
    const nodes = [
      file("done", noise(1, 1000)),
      file("half", noise(2, LARGE)),
      file("lacking", noise(3, 1000)),
    ];
    using tree = await FetchedTree.of([...nodes, file("new", "")]);
    await addImplementation(store(tree), nodes);
    const assembly = await tree.assembly();
    assembly.write(0, tree.stream.subarray(0, 1000 + LARGE / 2), "a peer");
    const { files, bytes } = await reuse(tree, assembly, [store(tree)]);
    assert.deepEqual([files, bytes], [1, 1000]);
    assert.deepEqual(assembly.missing(), [{ start: 1000 + LARGE / 2, end: 1000 + LARGE }]);
    await finish(tree, assembly);
  },
});

Deno.test({
  name: "from any local trees, damaged in any way, nothing wrong gets into the wanted one",
  ...needs("posix"),
  async fn() {
    const damages = fc.array(
      fc.record({ at: fc.nat(), how: fc.constantFrom(...Object.keys(DAMAGES)) }),
      { maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(
        TREES,
        fc.array(fc.tuple(TREES, fc.constantFrom(...ALGORITHMS), damages), { maxLength: 3 }),
        // The times of directories, which the old format has, are given when the tree is sealed.
        fc.constantFrom(...ALGORITHMS.filter((algorithm) => algorithm !== "sha1")),
        async (nodes, locals, algorithm) => {
          using tree = await FetchedTree.of(nodes, algorithm);
          for (const [index, [nodes, algorithm, damages]] of locals.entries()) {
            const added = await addImplementation(store(tree, `${index}`), nodes, algorithm);
            const files = [...added.manifest.entries].filter(({ kind }) => kind === "file");
            const spare = tree.scratch.directory(`spare${index}`);
            for (const { at, how } of damages) {
              // Each only once: whoever wrote to a pipe would wait for ever.
              const [entry] = files.splice(at % Math.max(1, files.length), 1);
              if (entry === undefined) break;
              if (entry.directory === "" && how === "a symlink in its directory's place") continue;
              DAMAGES[how]!(`${added.path}/${pathOf(entry)}`, `${spare}/${files.length}`);
            }
          }
          const stores = locals.map((_, index) => store(tree, `${index}`));
          const assembly = await tree.assembly();
          const { bytes } = await reuse(tree, assembly, stores);
          assert.equal(assembly.received, bytes);
          assert.equal(lacking(assembly), tree.stream.length - bytes);
          await finish(tree, assembly);
        },
      ),
      { numRuns: 60 },
    );
  },
});

Deno.test({
  name: "a copy that the disk has no room for is told as such",
  ...needs("root", "linux"),
  async fn() {
    using tree = await FetchedTree.of([file("file", noise(1, LARGE))]);
    await addImplementation(store(tree), [file("x", noise(1, LARGE))]);
    using mount = mountTmpfs(tree.scratch.directory("mount"), "size=128k,mode=755");
    await assert.rejects(
      reuse(tree, await tree.assembly(), [store(tree)], { root: mount.path }),
      (error) => error instanceof StoreFailed && /no space left/.test(error.message),
    );
    // Nobody may take its beginning for something that is worth continuing.
    assert.deepEqual([...Deno.readDirSync(mount.path)], []);
  },
});

Deno.test({
  name: "re-using is ended by its signal",
  ...needs("posix"),
  async fn() {
    using tree = await FetchedTree.of([file("file", "1")]);
    await addImplementation(store(tree), [file("x", "1")]);
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(reuse(tree, await tree.assembly(), [store(tree)], { signal }), /enough/);
  },
});
