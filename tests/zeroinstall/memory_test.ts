import assert from "node:assert/strict";
import { parseDigest } from "../../lib/manifest/digest.ts";
import { SelectionMemory } from "../../lib/zeroinstall/memory.ts";
import { TemporaryDirectory } from "../e2e/lib/sandbox_env.ts";

const WANTED = [
  [parseDigest(`sha256new_${"A".repeat(52)}`), parseDigest(`sha1new=${"1".repeat(40)}`)],
  [parseDigest(`sha1=${"2".repeat(40)}`)],
];

function memoryIn(
  { path }: TemporaryDirectory,
  call = ["select", "URI"],
): Promise<SelectionMemory> {
  return SelectionMemory.of(`${path}/memory`, call, [`${path}/feeds`, `${path}/settings`]);
}

Deno.test("what was chosen is remembered until something that it depends on changes", async () => {
  await using directory = new TemporaryDirectory();
  const { path } = directory;
  assert.equal((await memoryIn(directory)).recall(), undefined);
  (await memoryIn(directory)).keep(WANTED);
  assert.deepEqual((await memoryIn(directory)).recall(), WANTED);
  assert.deepEqual((await memoryIn(directory)).recall(), WANTED, "again");

  const changes: (() => void)[] = [
    () => Deno.mkdirSync(`${path}/feeds`),
    () => {
      Deno.writeTextFileSync(`${path}/feeds/new`, "");
      Deno.renameSync(`${path}/feeds/new`, `${path}/feeds/feed`);
      Deno.utimeSync(`${path}/feeds`, 1, 1);
    },
    () => Deno.writeTextFileSync(`${path}/settings`, "x"),
    () => Deno.removeSync(`${path}/settings`),
  ];
  for (const change of changes) {
    change();
    assert.equal((await memoryIn(directory)).recall(), undefined, `${change}`);
    (await memoryIn(directory)).keep(WANTED);
    assert.deepEqual((await memoryIn(directory)).recall(), WANTED);
  }
});

Deno.test("another call is another memory", async () => {
  await using directory = new TemporaryDirectory();
  (await memoryIn(directory)).keep(WANTED);
  assert.equal((await memoryIn(directory, ["select", "--source", "URI"])).recall(), undefined);
  (await memoryIn(directory, ["select", "--source", "URI"])).keep([]);
  assert.deepEqual((await memoryIn(directory)).recall(), WANTED);
});

Deno.test("a memory that is damaged, or names what is no digest, is none", async () => {
  await using directory = new TemporaryDirectory();
  (await memoryIn(directory)).keep(WANTED);
  const [{ name }] = [...Deno.readDirSync(`${directory.path}/memory`)] as [Deno.DirEntry];
  const file = `${directory.path}/memory/${name}`;
  const text = Deno.readTextFileSync(file);
  for (
    const damaged of [
      "",
      text.slice(0, -2),
      "null",
      text.replace("sha1=2", "../../2"),
      text.replace(/\[\[.*\]\]/, "[[]]"),
      text.replace(/\[\[.*\]\]/, "[[1]]"),
      text.replace(/\[\[.*\]\]/, '"x"'),
    ]
  ) {
    assert.notEqual(damaged, text);
    Deno.writeTextFileSync(file, damaged);
    assert.equal((await memoryIn(directory)).recall(), undefined, damaged);
  }
});

Deno.test("where nothing can be written, nothing is remembered and nothing fails", async () => {
  await using directory = new TemporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/memory`, "a file");
  (await memoryIn(directory)).keep(WANTED);
  assert.equal((await memoryIn(directory)).recall(), undefined);
});
