import assert from "node:assert/strict";
import type { Digest } from "../../lib/manifest/digest.ts";
import { findImplementation, listImplementations } from "../../lib/store/lookup.ts";
import { needs } from "../skips.ts";
import { Scratch } from "./sample.ts";

const A = `sha1new=${"a".repeat(40)}` as Digest;
const B = `sha256=${"b".repeat(64)}` as Digest;
const C = `sha1=${"c".repeat(40)}` as Digest;

Deno.test("an implementation is found in the first store that has it", () => {
  using scratch = new Scratch();
  const stores = ["one", "two", "three"].map((name) => scratch.directory(name));
  scratch.directory(`two/${A}`);
  scratch.directory(`three/${A}`);
  assert.deepEqual(findImplementation(["/nowhere", ...stores], [A]), {
    digest: A,
    store: stores[1],
    path: `${stores[1]}/${A}`,
  });
  assert.equal(findImplementation(stores, [B]), undefined);
});

Deno.test("the first digest is looked for in every store before the second", () => {
  using scratch = new Scratch();
  const stores = ["one", "two"].map((name) => scratch.directory(name));
  scratch.directory(`one/${B}`);
  scratch.directory(`two/${A}`);
  assert.equal(findImplementation(stores, [A, B])?.store, stores[1]);
  assert.equal(findImplementation(stores, [B, A])?.store, stores[0]);
});

Deno.test("what is not a directory is not an implementation", () => {
  using scratch = new Scratch();
  Deno.writeTextFileSync(`${scratch.path}/${A}`, "");
  assert.equal(findImplementation([scratch.path], [A]), undefined);
  assert.deepEqual([...listImplementations([scratch.path])], []);
});

Deno.test({
  name: "of a store that cannot be read it is told, and of one that is missing it is not",
  ...needs("posix"),
  fn() {
    using scratch = new Scratch();
    const good = scratch.directory("good");
    scratch.directory(`good/${A}`);
    Deno.symlinkSync("nothing", `${good}/${B}`);
    // Not even root can look into a file.
    const bad = `${scratch.path}/bad`;
    Deno.writeTextFileSync(bad, "");
    const stores = [`${scratch.path}/missing`, bad, good];
    const told: string[] = [];
    const tell = (store: string, cause: unknown) => {
      assert.ok(cause instanceof Deno.errors.NotADirectory, String(cause));
      told.push(store);
    };
    assert.deepEqual([...listImplementations(stores, tell)].map(({ digest }) => digest), [A]);
    assert.deepEqual(told.splice(0), [bad]);
    assert.equal(findImplementation(stores, [B], tell), undefined);
    assert.deepEqual(told, [bad]);
    assert.equal(findImplementation(stores, [A])?.store, good);
  },
});

Deno.test("a listing is sorted in each store and skips what is no implementation", () => {
  using scratch = new Scratch();
  const one = scratch.directory("one");
  const two = scratch.directory("two");
  for (const name of [B, A, "tmp-1234", `tmp-0share-${A}`, `${A}x`, "sha1new=AB"]) {
    scratch.directory(`one/${name}`);
  }
  scratch.directory(`two/${C}`);
  Deno.writeTextFileSync(`${two}/${A}`, "");
  const listed = [...listImplementations([two, "/nowhere", one, two, one])];
  assert.deepEqual(listed.map(({ path }) => path), [`${two}/${C}`, `${one}/${A}`, `${one}/${B}`]);
});

Deno.test({
  name: "a store and an implementation behind a symlink are found",
  ...needs("posix"),
  fn() {
    using scratch = new Scratch();
    const real = scratch.directory("real");
    scratch.directory(`elsewhere`);
    const store = `${scratch.path}/store`;
    Deno.symlinkSync(real, store);
    Deno.symlinkSync(`${scratch.path}/elsewhere`, `${real}/${A}`);
    Deno.symlinkSync("nothing", `${real}/${B}`);
    Deno.symlinkSync(C, `${real}/${C}`);
    assert.equal(findImplementation([store], [B, A])?.path, `${store}/${A}`);
    // One that leads nowhere says nothing of the store.
    const tell = () => assert.fail("the store can be read");
    assert.equal(findImplementation([store], [B, C], tell), undefined);
    assert.deepEqual([...listImplementations([store], tell)].map(({ digest }) => digest), [A]);
  },
});
