import assert from "node:assert/strict";
import fc from "fast-check";
import type { Assembly, AssemblyObserver } from "../../../lib/fetch/assembly/assembly.ts";
import type { ByteRange } from "../../../lib/wire/range.ts";
import { noise } from "../../serve/implementations.ts";
import { directory, file } from "../../vectors/trees.ts";
import { complete, FetchedTree } from "../trees.ts";

const LARGE = 700_000;
const SMALL = 100_000;

/** Index 0: large; index 1: small; index 2: large. */
const NODES = [
  file("a", noise(1, LARGE)),
  directory("d"),
  file("d/b", noise(2, SMALL)),
  file("d/c", noise(3, LARGE)),
];

/** Writes down what it is told, and checks that it goes together. */
class Witness implements AssemblyObserver {
  readonly events: string[] = [];
  here = 0;
  received(start: number, end: number, from: string): void {
    assert.ok(start < end && from !== "");
    this.here += end - start;
  }
  lost(start: number, end: number): void {
    this.here -= end - start;
    this.events.push(`lost ${start}-${end}`);
  }
  verified({ offset }: { offset: number }): void {
    this.events.push(`verified ${offset}`);
  }
  doubted(index: number): void {
    this.events.push(`doubted ${index}`);
  }
  /** Of whom more is known than that what he sent is wrong. */
  readonly excused = new Set<string>();
  isToBlame(peer: string): boolean {
    return !this.excused.has(peer);
  }
}

async function begin(): Promise<{
  tree: FetchedTree;
  assembly: Assembly;
  witness: Witness;
  stream: Uint8Array;
  [Symbol.dispose](): void;
}> {
  const tree = await FetchedTree.of(NODES);
  const witness = new Witness();
  const assembly = await tree.assembly(undefined, witness);
  return {
    tree,
    assembly,
    witness,
    stream: tree.stream,
    [Symbol.dispose]: () => {
      assembly.close();
      tree[Symbol.dispose]();
    },
  };
}

/** Two peers make the first large file wrong, in its second half. */
function makeDoubtful({ assembly, stream }: { assembly: Assembly; stream: Uint8Array }): void {
  assembly.write(0, stream.slice(0, LARGE / 2), "one");
  const half = stream.slice(LARGE / 2, LARGE);
  half[100_000]! ^= 1;
  assembly.write(LARGE / 2, half, "other");
}

Deno.test("a large file that several made wrong stays as it is, and is told of", async () => {
  using begun = await begin();
  const { assembly, witness } = begun;
  makeDoubtful(begun);
  assert.deepEqual(witness.events, ["doubted 0"]);
  assert.equal(assembly.isLarge(0), true);
  assert.equal(assembly.received, LARGE);
  assert.equal(assembly.complete, false);
  assert.equal(assembly.liars.size, 0);
});

Deno.test("bytes that come again to a file that is doubted do not make it doubted once more", async () => {
  using begun = await begin();
  const { assembly, witness, stream } = begun;
  makeDoubtful(begun);
  assembly.write(0, stream.slice(0, LARGE), "third");
  assembly.write(50, stream.slice(50, 60), "third");
  assert.deepEqual(witness.events, ["doubted 0"]);
  assert.equal(assembly.received, LARGE);
});

Deno.test("what is forgotten of a doubted file is missing again, and the rest is not", async () => {
  using begun = await begin();
  const { assembly, witness, stream, tree } = begun;
  makeDoubtful(begun);
  assembly.forget(0, [{ start: 400_000, end: 500_000 }, { start: 600_000, end: LARGE }]);
  assert.deepEqual(witness.events, ["doubted 0", "lost 400000-500000", `lost 600000-${LARGE}`]);
  assert.equal(assembly.received, LARGE - 200_000);
  assert.equal(witness.here, assembly.received);
  assert.deepEqual(assembly.missing(), [
    { start: 400_000, end: 500_000 },
    { start: 600_000, end: stream.length },
  ]);
  complete(assembly, stream, { from: "one" });
  assert.equal(assembly.liars.size, 0);
  assembly.finish();
  await tree.check();
});

Deno.test("a file that is wrong again after some was forgotten is doubted again", async () => {
  using begun = await begin();
  const { assembly, witness, stream } = begun;
  makeDoubtful(begun);
  assembly.forget(0, [{ start: 0, end: 1000 }]);
  assembly.write(0, stream.slice(0, 1000), "one");
  assert.deepEqual(witness.events, ["doubted 0", "lost 0-1000", "doubted 0"]);
});

Deno.test("a doubted file that is rejected is gone, and who is right alone shows who lied", async () => {
  using begun = await begin();
  const { assembly, witness, stream, tree } = begun;
  makeDoubtful(begun);
  assembly.reject(0);
  assert.equal(assembly.received, 0);
  assert.equal(witness.here, 0);
  assert.equal(assembly.isLarge(0), false);
  assert.throws(() => Deno.lstatSync(`${tree.root}/a`), Deno.errors.NotFound);
  assembly.write(0, stream.slice(0, LARGE), "one");
  assert.deepEqual([...assembly.liars.keys()], ["other"]);
  assert.deepEqual(witness.events, ["doubted 0", `lost 0-${LARGE}`, "verified 0"]);
});

Deno.test("what is here can be read back, verified or not, and nothing else", async () => {
  const writes = fc.array(fc.tuple(fc.nat(2 * LARGE + SMALL - 1), fc.nat(400_000)), {
    maxLength: 10,
  });
  const read = fc.tuple(fc.nat(2 * LARGE + SMALL - 1), fc.nat(400_000));
  for (const exposed of [false, true]) {
    await fc.assert(
      fc.asyncProperty(
        writes,
        fc.array(read, { minLength: 1, maxLength: 5 }),
        async (writes, reads) => {
          using begun = await begin();
          const { assembly, stream } = begun;
          const here = new Uint8Array(stream.length);
          for (const [index, [start, size]] of writes.entries()) {
            if (exposed && index === 3) await assembly.expose();
            const end = Math.min(stream.length, start + size + 1);
            assembly.write(start, stream.subarray(start, end), "a");
            here.fill(1, start, end);
          }
          for (const [start, size] of reads) {
            const end = Math.min(stream.length, start + size);
            const expected = here.subarray(start, end).every((flag) => flag === 1)
              ? stream.subarray(start, end)
              : undefined;
            const found = assembly.readBack(start, end);
            assert.equal(found === undefined, expected === undefined);
            if (expected !== undefined) assert.deepEqual(found, expected);
          }
        },
      ),
      { numRuns: 15 },
    );
  }
});

Deno.test("when small files are exposed, what came and what comes of them is in the tree", async () => {
  using begun = await begin();
  const { assembly, stream, tree } = begun;
  const path = `${tree.root}/d/b`;
  assembly.write(LARGE, stream.slice(LARGE, LARGE + 1000), "a");
  assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
  await assembly.expose();
  await assembly.expose();
  assembly.write(LARGE + 5000, stream.slice(LARGE + 5000, LARGE + 6000), "b");
  const found = Deno.readFileSync(path);
  assert.equal(found.length, SMALL);
  assert.deepEqual(found.subarray(0, 1000), stream.subarray(LARGE, LARGE + 1000));
  assert.deepEqual(found.subarray(5000, 6000), stream.subarray(LARGE + 5000, LARGE + 6000));
  complete(assembly, stream);
  assembly.finish();
  await tree.check();
});

Deno.test("an exposed small file that turns out wrong is gone from the tree", async () => {
  using begun = await begin();
  const { assembly, stream, tree } = begun;
  await assembly.expose();
  assembly.write(LARGE, stream.slice(LARGE, LARGE + 1000).map((byte) => byte ^ 1), "liar");
  assembly.write(LARGE + 1000, stream.slice(LARGE + 1000, LARGE + SMALL), "liar");
  assert.deepEqual([...assembly.liars.keys()], ["liar"]);
  assert.throws(() => Deno.lstatSync(`${tree.root}/d/b`), Deno.errors.NotFound);
  complete(assembly, stream);
  assembly.finish();
  await tree.check();
});

Deno.test("parts that an earlier run left count, and are believed only with the whole", async () => {
  const parts: ByteRange[] = [{ start: 0, end: 100_000 }, { start: 300_000, end: 400_000 }];
  for (const damaged of [false, true]) {
    using tree = await FetchedTree.of(NODES);
    const { stream } = tree;
    const witness = new Witness();
    const assembly = await tree.assembly(undefined, witness);
    const left = stream.slice(0, LARGE);
    if (damaged) left[350_000]! ^= 1;
    Deno.writeFileSync(`${tree.root}/a`, left);
    assembly.keepParts(0, parts);
    assert.equal(assembly.received, 200_000);
    assert.equal(witness.here, 200_000);
    assert.deepEqual(assembly.missing(), [
      { start: 100_000, end: 300_000 },
      { start: 400_000, end: stream.length },
    ]);
    for (const { start, end } of assembly.missing()) {
      assembly.write(start, stream.slice(start, end), "honest");
    }
    assert.equal(witness.events.includes("doubted 0"), damaged);
    assert.equal(assembly.liars.size, 0, "who added to it is not blamed");
    if (damaged) assembly.reject(0);
    complete(assembly, stream);
    assembly.finish();
    assembly.close();
    await tree.check();
  }
});

Deno.test("what was left as a whole is looked at when it is asked for, in turns", async () => {
  for (const damaged of [false, true]) {
    using tree = await FetchedTree.of(NODES);
    const { stream } = tree;
    const witness = new Witness();
    const assembly = await tree.assembly(undefined, witness);
    const left = stream.slice(0, LARGE);
    if (damaged) left[350_000]! ^= 1;
    Deno.writeFileSync(`${tree.root}/a`, left);
    assembly.keepParts(0, [{ start: 0, end: LARGE }]);
    assert.equal(assembly.unsettled, true);
    assert.deepEqual(witness.events, []);
    await assembly.settle(new AbortController().signal);
    assert.equal(assembly.unsettled, false);
    // Nobody but an earlier run sent it: that is rejected, not doubted.
    assert.deepEqual(witness.events, damaged ? [`lost 0-${LARGE}`] : ["verified 0"]);
    assert.equal(witness.here, damaged ? 0 : LARGE);
    complete(assembly, stream);
    assembly.finish();
    assembly.close();
    await tree.check();
  }
});

Deno.test("without anybody to say what becomes of it, a doubted content is rejected", async () => {
  using tree = await FetchedTree.of(NODES);
  const assembly = await tree.assembly();
  makeDoubtful({ assembly, stream: tree.stream });
  assert.equal(assembly.received, 0);
  complete(assembly, tree.stream);
  assembly.finish();
  await tree.check();
});

Deno.test("who sent all of a wrong file because another one misled him is not blamed for it", async () => {
  using begun = await begin();
  const { assembly, stream, witness } = begun;
  witness.excused.add("misled");
  const start = LARGE + SMALL;
  const wrong = stream.slice(start).map((byte) => byte ^ 1);
  assembly.write(start, wrong.subarray(0, 1000), "misled");
  assembly.write(start + 1000, wrong.subarray(1000), "misled");
  assert.deepEqual(witness.events, ["doubted 2"]);
  assert.equal(assembly.liars.size, 0);
});
