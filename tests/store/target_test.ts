import assert from "node:assert/strict";
import { NoWritableStore } from "../../lib/errors.ts";
import type { Digest } from "../../lib/manifest/digest.ts";
import type { Environment } from "../../lib/store/locations.ts";
import { chooseTarget } from "../../lib/store/target.ts";
import { needs } from "../skips.ts";
import { namesIn, Scratch } from "./sample.ts";
import { mountTmpfs } from "./tmpfs.ts";

const NEW = `sha256new_${"A".repeat(52)}` as Digest;
const OLD = `sha1=${"a".repeat(40)}` as Digest;

function environment(variables: Record<string, string>): Environment {
  return {
    get: (name) => variables[name],
    os: "linux",
    readTextFile: () => undefined,
  };
}

/** A place where no store can be made, not even by root: below a file. */
function unwritable(scratch: Scratch): string {
  Deno.writeTextFileSync(`${scratch.path}/file`, "");
  return `${scratch.path}/file/store`;
}

function installHelper(scratch: Scratch): string {
  const bin = scratch.directory("bin");
  Deno.writeTextFileSync(`${bin}/0store-secure-add-helper`, "#!/bin/sh\n");
  return bin;
}

Deno.test("the system's store is chosen when it can be written", () => {
  using scratch = new Scratch();
  const stores = ["user", "system", "third"].map((name) => `${scratch.path}/${name}`);
  assert.deepEqual(chooseTarget(environment({}), stores), { kind: "store", store: stores[1] });
  assert.deepEqual(namesIn(scratch.path), ["system"]);
  assert.deepEqual(namesIn(stores[1]!), []);
});

Deno.test("the user's store is chosen when the system's cannot be written without help", () => {
  using scratch = new Scratch();
  const user = `${scratch.path}/deep/user`;
  const target = chooseTarget(environment({ PATH: scratch.path }), [user, unwritable(scratch)]);
  assert.deepEqual(target, { kind: "store", store: user });
  assert.ok(Deno.statSync(user).isDirectory);
});

Deno.test("a store that was named alone is chosen, or nothing", () => {
  using scratch = new Scratch();
  const bin = installHelper(scratch);
  const env = environment({ PATH: bin });
  const store = `${scratch.path}/named`;
  assert.deepEqual(chooseTarget(env, [store]), { kind: "store", store });
  assert.throws(() => chooseTarget(env, [unwritable(scratch)]), NoWritableStore);
});

Deno.test("the helper is chosen when the system's store cannot be written", () => {
  using scratch = new Scratch();
  const bin = installHelper(scratch);
  const user = `${scratch.path}/user`;
  const system = unwritable(scratch);
  const env = environment({ PATH: `/nowhere:${bin}` });
  const target = chooseTarget(env, [user, system, "/third"], { digest: NEW });
  assert.deepEqual(target, {
    kind: "helper",
    command: `${bin}/0store-secure-add-helper`,
    store: user,
    system: [system, "/third"],
  });
});

Deno.test("the helper is not chosen for sha1=, in portable mode, or from a relative PATH", () => {
  using scratch = new Scratch();
  const PATH = installHelper(scratch);
  const stores = [`${scratch.path}/user`, unwritable(scratch)];
  const kind = (variables: Record<string, string>, digest: Digest) =>
    chooseTarget(environment(variables), stores, { digest }).kind;
  assert.equal(kind({ PATH }, NEW), "helper");
  assert.equal(kind({ PATH }, OLD), "store");
  assert.equal(kind({ PATH, ZEROINSTALL_PORTABLE_BASE: "/x" }, NEW), "store");
  assert.equal(kind({ PATH: PATH.slice(1) }, NEW), "store");
});

Deno.test("when nothing can be written the error says of each store why", () => {
  using scratch = new Scratch();
  const system = unwritable(scratch);
  const user = `${scratch.path}/file/user`;
  assert.throws(() => chooseTarget(environment({ PATH: "/nowhere" }), [user, system]), (error) => {
    assert.ok(error instanceof NoWritableStore);
    assert.ok(error.message.includes(JSON.stringify(user)), error.message);
    assert.ok(error.message.includes(JSON.stringify(system)), error.message);
    assert.match(error.hint ?? "", /--store/);
    return true;
  });
  assert.throws(() => chooseTarget(environment({}), []), NoWritableStore);
});

Deno.test("a probe that a killed process left does not matter", () => {
  using scratch = new Scratch();
  scratch.directory("store/tmp-0share-probe");
  const store = `${scratch.path}/store`;
  assert.deepEqual(chooseTarget(environment({}), [store]), { kind: "store", store });
  assert.deepEqual(namesIn(store), []);
});

Deno.test({
  name: "a read-only file system is passed over, and named if it is the only one",
  ...needs("root", "linux"),
  fn() {
    using scratch = new Scratch();
    using mount = mountTmpfs(scratch.directory("mount"), "ro");
    const user = `${scratch.path}/user`;
    const env = environment({ PATH: "/nowhere" });
    assert.deepEqual(chooseTarget(env, [user, mount.path]), { kind: "store", store: user });
    assert.throws(() => chooseTarget(env, [`${mount.path}/store`]), /read-only/);
  },
});
