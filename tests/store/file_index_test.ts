import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { ALGORITHMS, hashNameOf } from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import { type FileEntry, pathOf } from "../../lib/manifest/entry.ts";
import type { Manifest } from "../../lib/manifest/manifest.ts";
import { findLocalFiles, type FindOptions } from "../../lib/store/file_index.ts";
import { addImplementation, noise, TREES } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { directory, file } from "../vectors/trees.ts";
import { Scratch } from "./sample.ts";

type Wanted = Map<string, { size: number }>;

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function wantedTexts(...texts: string[]): Wanted {
  return new Map(texts.map((text) => [sha256(text), { size: text.length }]));
}

/** What is found when nothing is taken out: each implementation's digest and the paths in it. */
async function find(
  stores: readonly string[],
  wanted: Wanted,
  options: Partial<FindOptions> = {},
): Promise<[digest: string, paths: string[]][]> {
  const found: [string, string[]][] = [];
  for await (
    const { implementation, files } of findLocalFiles(stores, wanted, {
      hashName: "sha256",
      ...options,
    })
  ) {
    assert.equal(implementation.path, `${implementation.store}/${implementation.digest}`);
    found.push([implementation.digest, files.map(pathOf)]);
  }
  return found;
}

function filesOf(manifest: Manifest): FileEntry[] {
  return [...manifest.entries].filter((entry): entry is FileEntry => entry.kind === "file");
}

Deno.test({
  name: "exactly the files with wanted contents are found, where they are, in every algorithm",
  ...needs("posix"),
  async fn() {
    await fc.assert(
      fc.asyncProperty(
        TREES,
        fc.constantFrom(...ALGORITHMS),
        fc.func(fc.boolean()),
        async (nodes, algorithm, chosen) => {
          using scratch = new Scratch();
          const { digest, manifest } = await addImplementation(scratch.path, nodes, algorithm);
          const files = filesOf(manifest);
          const wanted: Wanted = new Map([["0".repeat(files[0]?.hash.length ?? 40), { size: 1 }]]);
          for (const { hash, size } of files) if (chosen(hash)) wanted.set(hash, { size });
          const expected = files.filter(({ hash }) => wanted.has(hash));
          const found = [];
          const options = { hashName: hashNameOf(algorithm) };
          for await (
            const { implementation, files } of findLocalFiles(
              [scratch.path],
              wanted,
              options,
            )
          ) {
            assert.equal(implementation.digest, digest);
            found.push(...files);
          }
          assert.deepEqual(found, expected);
        },
      ),
      { numRuns: 100 },
    );
  },
});

Deno.test({
  name: "names are found as they are written, in the directory that they are in",
  ...needs("posix"),
  async fn() {
    using scratch = new Scratch();
    const { digest } = await addImplementation(scratch.path, [
      directory("d \u00e9"),
      directory("d \u00e9/D "),
      file("d \u00e9/D /F  x ", "wanted"),
      file("d \u00e9/first", "other"),
      file("\u{1f600}", "wanted too"),
    ]);
    assert.deepEqual(await find([scratch.path], wantedTexts("wanted", "wanted too")), [
      [digest, ["\u{1f600}", "d \u00e9/D /F  x "]],
    ]);
  },
});

for (
  const [name, algorithms] of [["sha1", ["sha1", "sha1new"]], ["sha256", [
    "sha256",
    "sha256new",
  ]]] as const
) {
  Deno.test(`a hash of ${name} is found in manifests of ${algorithms.join(" and ")} only`, async () => {
    using scratch = new Scratch();
    const expected = new Set<string>();
    for (const algorithm of ALGORITHMS) {
      const { digest } = await addImplementation(scratch.path, [file("a", "x")], algorithm);
      if (algorithms.some((own) => own === algorithm)) expected.add(digest);
    }
    const wanted = new Map([[createHash(name).update("x").digest("hex"), { size: 1 }]]);
    const found = await find([scratch.path], wanted, { hashName: name });
    assert.deepEqual(new Set(found.map(([digest]) => digest)), expected);
  });
}

Deno.test("the files of an ambiguous manifest are found where the tree has them", async () => {
  using scratch = new Scratch();
  // The old format lists "y" as if it could be in "a".
  const nodes = [directory("a"), file("a/x", "1"), file("y", "22")];
  const { digest, path } = await addImplementation(scratch.path, nodes, "sha1");
  const wanted = new Map([[createHash("sha1").update("22").digest("hex"), { size: 2 }]]);
  assert.deepEqual(await find([scratch.path], wanted, { hashName: "sha1" }), [[digest, ["y"]]]);
  Deno.removeSync(`${path}/a/x`);
  assert.deepEqual(await find([scratch.path], wanted, { hashName: "sha1" }), []);
});

Deno.test("all stores are searched, the newest implementation first", async () => {
  using scratch = new Scratch();
  const stores = [scratch.directory("one"), scratch.directory("two")];
  const ages: [string, number][] = [];
  for (const [index, store] of [...stores, ...stores].entries()) {
    const { digest, path } = await addImplementation(store, [
      file("same", "wanted"),
      file("own", noise(index, 100)),
    ]);
    const time = 1_000_000_000 + [3, 2, 1, 4][index]! * 1000;
    Deno.utimeSync(path, time, time);
    ages.push([digest, time]);
  }
  const found = await find(["/nowhere", ...stores], wantedTexts("wanted"));
  assert.deepEqual(
    found.map(([digest]) => digest),
    ages.sort(([, a], [, b]) => b - a).map(([digest]) => digest),
  );
});

Deno.test("the search ends when nothing is wanted any more", async () => {
  using scratch = new Scratch();
  for (const own of ["1", "2", "3"]) {
    await addImplementation(scratch.path, [file("same", "wanted"), file("own", own)]);
  }
  const wanted = wantedTexts("wanted");
  let found = 0;
  for await (const _ of findLocalFiles([scratch.path], wanted, { hashName: "sha256" })) {
    if (++found === 2) wanted.clear();
  }
  assert.equal(found, 2);
});

Deno.test("what was taken out meanwhile is not found again", async () => {
  using scratch = new Scratch();
  for (const own of ["1", "2"]) {
    await addImplementation(scratch.path, [
      file("a", "wanted"),
      file("b", "wanted too"),
      file("own", own),
    ]);
  }
  const wanted = wantedTexts("wanted", "wanted too");
  const found: string[][] = [];
  for await (const { files } of findLocalFiles([scratch.path], wanted, { hashName: "sha256" })) {
    found.push(files.map(pathOf));
    wanted.delete(sha256("wanted"));
  }
  assert.deepEqual(found, [["a", "b"], ["b"]]);
});

Deno.test("an implementation that is excepted is not looked at", async () => {
  using scratch = new Scratch();
  const nodes = [file("a", "wanted")];
  const { digest } = await addImplementation(scratch.path, nodes);
  const { digest: other } = await addImplementation(scratch.path, nodes, "sha256");
  const found = await find([scratch.path], wantedTexts("wanted"), { except: [digest] });
  assert.deepEqual(found, [[other, ["a"]]]);
});

Deno.test("a file with a wanted hash but another size is not found", async () => {
  using scratch = new Scratch();
  await addImplementation(scratch.path, [file("a", "wanted")]);
  assert.deepEqual(await find([scratch.path], new Map([[sha256("wanted"), { size: 7 }]])), []);
});

Deno.test("hashes that begin alike are told apart", async () => {
  using scratch = new Scratch();
  await addImplementation(scratch.path, [file("a", "wanted")]);
  const hash = sha256("wanted");
  const alike = hash.slice(0, -1) + (hash.endsWith("0") ? "1" : "0");
  assert.deepEqual(await find([scratch.path], new Map([[alike, { size: 6 }]])), []);
});

const HASH = sha256("wanted");

/** Texts under the digest that they hash to, which all the same no Zero Install has written. */
const FOREIGN: Record<string, string> = {
  "a directory that climbs out of the tree": `D /..\nF ${HASH} 1 6 a\n`,
  "a file that climbs out of the tree": `F ${HASH} 1 6 ../a\n`,
  "a directory nowhere": `D /a/b\nF ${HASH} 1 6 a\n`,
  "no end": `F ${HASH} 1 6 a`,
  "a line of another kind": `F ${HASH} 1 6 a\nQ\n`,
  "half a hash": `F ${HASH.slice(0, 20)}`,
  "no name": `F ${HASH} 1 6 \n`,
  "a size that is none": `F ${HASH} 1 06 a\n`,
};

for (const [name, text] of Object.entries(FOREIGN)) {
  Deno.test(`a manifest with ${name} is passed over`, async () => {
    using scratch = new Scratch();
    const bytes = new TextEncoder().encode(text);
    const path = scratch.directory(digestOf("sha256new", bytes));
    Deno.writeFileSync(`${path}/.manifest`, bytes);
    const { digest } = await addImplementation(scratch.path, [file("a", "wanted")]);
    assert.deepEqual(await find([scratch.path], wantedTexts("wanted")), [[digest, ["a"]]]);
  });
}

interface Damage {
  readonly name: string;
  readonly posix?: boolean;
  do(manifest: string): void;
}

const DAMAGES: readonly Damage[] = [
  { name: "is missing", do: (manifest) => Deno.removeSync(manifest) },
  { name: "is empty", do: (manifest) => Deno.truncateSync(manifest) },
  {
    name: "is another one's",
    do: (manifest) => Deno.writeTextFileSync(manifest, "D /x\n", { append: true }),
  },
  {
    name: "is a directory",
    do(manifest) {
      Deno.removeSync(manifest);
      Deno.mkdirSync(manifest);
    },
  },
  {
    name: "is a symlink",
    posix: true,
    do(manifest) {
      Deno.renameSync(manifest, `${manifest}.moved`);
      Deno.symlinkSync(".manifest.moved", manifest);
    },
  },
  {
    name: "is a pipe",
    posix: true,
    do(manifest) {
      Deno.removeSync(manifest);
      new Deno.Command("mkfifo", { args: [manifest] }).outputSync();
    },
  },
];

for (const { name, posix, do: damage } of DAMAGES) {
  Deno.test({
    name: `an implementation whose manifest ${name} is passed over`,
    ...posix ? needs("posix") : {},
    async fn() {
      using scratch = new Scratch();
      const { path } = await addImplementation(scratch.path, [file("a", "wanted"), file("b", "1")]);
      const { digest } = await addImplementation(scratch.path, [file("c", "wanted")]);
      assert.equal((await find([scratch.path], wantedTexts("wanted"))).length, 2);
      damage(`${path}/.manifest`);
      assert.deepEqual(await find([scratch.path], wantedTexts("wanted")), [[digest, ["c"]]]);
    },
  });
}

Deno.test("a manifest after a longer one is read without its rest", async () => {
  using scratch = new Scratch();
  // Longer than the buffer is at first, and two, so that it is used again.
  const name = (index: number) => `${index}`.padStart(200, "0");
  const directories = Array.from({ length: 10_000 }, (_, index) => `D /${name(index)}\n`).join("");
  const long = [`F ${HASH} 1 6 a\n${directories}`, `${directories}F ${HASH} 1 6 b\n`];
  for (const [index, text] of long.entries()) {
    const bytes = new TextEncoder().encode(text);
    const path = scratch.directory(digestOf("sha256new", bytes));
    Deno.writeFileSync(`${path}/.manifest`, bytes);
    Deno.utimeSync(path, 2_000_000_000 + index, 2_000_000_000 + index);
  }
  const { path } = await addImplementation(scratch.path, [file("c", "wanted")]);
  Deno.utimeSync(path, 1_000_000_000, 1_000_000_000);
  const found = await find([scratch.path], wantedTexts("wanted"));
  assert.deepEqual(found.map(([, paths]) => paths), [[`${name(9999)}/b`], ["a"], ["c"]]);
});

Deno.test("of thousands of wanted files, in few directories or in many, each is found once", async () => {
  for (const [directories, files] of [[1, 15_000], [3000, 5], [20, 700]] as const) {
    using scratch = new Scratch();
    const number = (value: number) => `${value}`.padStart(5, "0");
    const wanted: Wanted = new Map();
    const expected: string[] = [];
    const lines: string[] = [];
    const add = (directory: string, name: string) => {
      const hash = sha256(`${directory}/${name}`);
      lines.push(`F ${hash} 1 6 ${name}`);
      // Now and then one is not wanted.
      if (lines.length % 7 === 6) return;
      wanted.set(hash, { size: 6 });
      expected.push(directory === "" ? name : `${directory}/${name}`);
    };
    for (let index = 0; index < files; index++) add("", number(index));
    for (let index = 0; index < directories; index++) {
      // Three levels: "p00000/q/r", its parents, and their next neighbours.
      const path = [`p${number(index)}`, `q \u00e9`, "r"];
      for (let depth = 1; depth <= path.length; depth++) {
        const directory = path.slice(0, depth).join("/");
        lines.push(`D /${directory}`);
        for (let file = 0; file < files; file++) add(directory, number(file));
      }
    }
    const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
    const digest = digestOf("sha256new", bytes);
    Deno.writeFileSync(`${scratch.directory(digest)}/.manifest`, bytes);
    const found = await find([scratch.path], wanted);
    assert.ok(found.length > 1);
    assert.deepEqual(found.flatMap(([, paths]) => paths), expected);
  }
});

Deno.test("a search is ended by its signal", async () => {
  using scratch = new Scratch();
  await addImplementation(scratch.path, [file("a", "wanted")]);
  const signal = AbortSignal.abort(new Error("enough"));
  await assert.rejects(find([scratch.path], wantedTexts("wanted"), { signal }), /enough/);
});
