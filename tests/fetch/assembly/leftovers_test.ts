import assert from "node:assert/strict";
import fc from "fast-check";
import { pathOf } from "../../../lib/manifest/entry.ts";
import { noise, TREES } from "../../serve/implementations.ts";
import { needs } from "../../skips.ts";
import { Scratch } from "../../store/sample.ts";
import { directory, file, symlink } from "../../vectors/trees.ts";
import { complete, FetchedTree } from "../trees.ts";

/** A directory that is none of a fetch's business; and a witness that it was left alone. */
class Outside implements Disposable {
  readonly #scratch = new Scratch();
  readonly path = this.#scratch.path;

  constructor() {
    Deno.mkdirSync(`${this.path}/directory`);
    for (const name of ["file", "directory/a", "directory/x"]) {
      Deno.writeTextFileSync(`${this.path}/${name}`, noise(1, 300_000));
      Deno.utimeSync(`${this.path}/${name}`, 1000, 1000);
    }
    // A mode that whoever follows a symlink here would change.
    Deno.chmodSync(`${this.path}/directory`, 0o750);
    Deno.chmodSync(`${this.path}/file`, 0o640);
  }

  describe(directory = this.path): unknown[] {
    const names = Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
    return names.map((name) => {
      const path = `${directory}/${name}`;
      const { mode, mtime, size, isDirectory } = Deno.lstatSync(path);
      const content = isDirectory ? this.describe(path) : Deno.readTextFileSync(path);
      return [name, mode, size, content, isDirectory || mtime];
    });
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}

type Damage = (path: string, outside: string) => void;

/** What a run that was killed, or somebody else, may leave in the place of something listed. */
const DAMAGES: Record<string, Damage> = {
  nothing: (path) => remove(path),
  truncated: (path) => onFile(path, (size) => Deno.truncateSync(path, Math.floor(size * 0.9))),
  "half of it": (path) => onFile(path, (size) => Deno.truncateSync(path, size / 2)),
  longer: (path) => onFile(path, (size) => Deno.truncateSync(path, size + 300_000)),
  zeroed: (path) => onFile(path, (size) => Deno.writeFileSync(path, new Uint8Array(size))),
  "truncated and zeroed": (path) =>
    onFile(path, (size) => Deno.writeFileSync(path, new Uint8Array(Math.floor(size * 0.9)))),
  empty: (path) => onFile(path, () => Deno.truncateSync(path, 0)),
  "another file": (path) => {
    remove(path);
    Deno.writeTextFileSync(path, "foreign");
  },
  "a symlink to a file outside": (path, outside) => {
    remove(path);
    Deno.symlinkSync(`${outside}/file`, path);
  },
  "a symlink to a directory outside": (path, outside) => {
    remove(path);
    Deno.symlinkSync(`${outside}/directory`, path);
  },
  "a symlink to nothing": (path) => {
    remove(path);
    Deno.symlinkSync("nowhere", path);
  },
  "a full directory": (path) => {
    remove(path);
    Deno.mkdirSync(`${path}/x/y`, { recursive: true });
    Deno.writeTextFileSync(`${path}/x/y/z`, "foreign");
    Deno.chmodSync(`${path}/x/y`, 0o555);
  },
  "something beside it": (path, outside) => {
    Deno.writeTextFileSync(`${path}.beside`, "foreign");
    Deno.symlinkSync(outside, `${path}.link`);
  },
  "a mode that forbids to write": (path) => {
    if (!Deno.lstatSync(path).isSymlink) Deno.chmodSync(path, 0o555);
  },
};

function remove(path: string): void {
  Deno.removeSync(path, { recursive: true });
}

function onFile(path: string, change: (size: number) => void): void {
  const { isFile, size } = Deno.lstatSync(path);
  if (!isFile) return;
  Deno.chmodSync(path, 0o644);
  change(size);
}

Deno.test({
  name: "whatever was left, the right tree comes of it, and nothing outside is touched",
  ...needs("posix"),
  async fn() {
    const damage = fc.record({ which: fc.nat(), kind: fc.constantFrom(...Object.keys(DAMAGES)) });
    const damages = fc.array(damage, { maxLength: 8 });
    // Of all that can be told of the pieces, nothing is believed either.
    const states = fc.array(fc.nat(2), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(TREES, damages, states, async (nodes, damages, states) => {
        using tree = await FetchedTree.of(nodes);
        using outside = new Outside();
        const before = outside.describe();
        const first = await tree.assembly();
        complete(first, tree.stream);
        first.finish();
        Deno.writeTextFileSync(`${tree.root}/.manifest`, "from the end of an earlier run");
        const { entries } = tree.manifest;
        for (const { which, kind } of damages) {
          if (entries.length === 0) break;
          const path = `${tree.root}/${pathOf(entries.at(which % entries.length)!)}`;
          try {
            DAMAGES[kind]!(path, outside.path);
          } catch (error) {
            // Another damage has taken it away, or has been here.
            if (!isFileSystemError(error)) throw error;
          }
        }
        // The damages themselves may have gone through a symlink that an earlier one made.
        fc.pre(isUntouched(before, outside));
        const assembly = await tree.assembly(Uint8Array.from(states));
        complete(assembly, tree.stream);
        assembly.finish();
        assembly.close();
        await tree.check();
        assert.deepEqual(outside.describe(), before);
      }),
      { numRuns: 100 },
    );
  },
});

function isFileSystemError(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}

function isUntouched(before: unknown[], outside: Outside): boolean {
  try {
    assert.deepEqual(outside.describe(), before);
    return true;
  } catch {
    return false;
  }
}

const LARGE = noise(1, 1_000_000);

Deno.test("what is right already is not asked for again", async () => {
  using tree = await FetchedTree.of([
    file("a", noise(2, 100)),
    file("b", noise(3, 200)),
    file("large", LARGE),
  ]);
  const first = await tree.assembly();
  first.write(0, tree.stream.slice(0, 200), "a");
  first.write(262_144, tree.stream.slice(262_144, 524_288), "a");
  first.close();
  const second = await tree.assembly(Uint8Array.of(0, 1, 0, 0));
  assert.deepEqual(second.missing(), [{ start: 100, end: 262_144 }, {
    start: 524_288,
    end: 1_000_300,
  }]);
  complete(second, tree.stream);
  assert.equal(second.liars.size, 0);
  await tree.check();
});

Deno.test("a part of a large file that turns out wrong is no peer's fault", async () => {
  using tree = await FetchedTree.of([file("large", LARGE)]);
  Deno.writeTextFileSync(`${tree.root}/large`, noise(9, 1_000_000), { mode: 0o644 });
  const assembly = await tree.assembly(Uint8Array.of(2, 1, 0, 0));
  assert.equal(assembly.received, 524_288);
  assembly.write(524_288, tree.stream.slice(524_288), "honest");
  assert.equal(assembly.complete, false);
  assert.deepEqual(assembly.missing(), [{ start: 0, end: 1_000_000 }]);
  complete(assembly, tree.stream, { from: "honest" });
  assert.ok(!assembly.liars.has("honest"));
  await tree.check();
});

Deno.test("while what is left is hashed an interruption is heard, and nothing is lost by it", async () => {
  const large = noise(1, 10_000_000);
  using tree = await FetchedTree.of([file("a", large), file("b", `${large}.`)]);
  const first = await tree.assembly();
  complete(first, tree.stream);
  const interruption = new AbortController();
  const second = tree.assembly(undefined, undefined, interruption.signal);
  interruption.abort(new Error("enough"));
  await assert.rejects(second, /enough/);
  const third = await tree.assembly();
  assert.equal(third.complete, true);
  third.finish();
  await tree.check();
});

Deno.test({
  name: "places that share a content with a file that is right are filled from it",
  ...needs("posix"),
  async fn() {
    using tree = await FetchedTree.of([
      file("a", "same", { mode: 0o755 }),
      file("b", "same"),
      symlink("c", "same"),
      directory("d"),
      file("d/e", "same", { mtime: 5 }),
    ]);
    const first = await tree.assembly();
    complete(first, tree.stream);
    first.finish();
    Deno.removeSync(`${tree.root}/b`);
    const second = await tree.assembly();
    assert.equal(second.complete, true);
    second.finish();
    await tree.check();
  },
});
