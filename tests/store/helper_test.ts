import assert from "node:assert/strict";
import { StoreFailed } from "../../lib/errors.ts";
import { verifyTree } from "../../lib/manifest/verify.ts";
import { commit, sealTree } from "../../lib/store/commit.ts";
import { addWithHelper } from "../../lib/store/helper.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { needs } from "../skips.ts";
import { fill, makeSample, namesIn, Scratch } from "./sample.ts";

const HASHED = { contents: "hashed while written" } as const;

/** A helper that is a shell script; $STORE is the system's store. */
function makeHelper(scratch: Scratch, script: string): string {
  const command = `${scratch.path}/0store-secure-add-helper`;
  const system = scratch.directory("system");
  Deno.writeTextFileSync(command, `#!/bin/sh\nset -e\nSTORE='${system}'\n${script}\n`);
  Deno.chmodSync(command, 0o755);
  return command;
}

/** Builds a sample in a user's store and commits it through a helper. */
async function commitWith(scratch: Scratch, script: string) {
  const command = makeHelper(scratch, script);
  const sample = await makeSample(scratch.path);
  const user = `${scratch.path}/user`;
  const failures: string[] = [];
  await using staging = await openStaging(user, sample.digest);
  staging.saveManifest(sample.bytes);
  fill(staging, sample);
  const tree = await sealTree(staging, sample.manifest, HASHED);
  const committed = await commit(tree, {
    kind: "helper",
    command,
    store: user,
    system: [`${scratch.path}/system`, `${scratch.path}/third`],
  }, { onHelperFailed: ({ message }) => failures.push(message) });
  return { committed, digest: sample.digest, user, failures };
}

Deno.test({
  name: "the helper gets the finished tree, the digest and a marked environment",
  ...needs("posix"),
  async fn() {
    using scratch = new Scratch();
    const { committed, digest, user, failures } = await commitWith(
      scratch,
      'cp -a . "$STORE/$1"; echo "$ENV_NOT_CLEARED $HOME $#" > "$STORE/seen"; cat > "$STORE/stdin"',
    );
    assert.deepEqual(failures, []);
    assert.equal(committed.path, `${scratch.path}/system/${digest}`);
    assert.equal(Deno.readTextFileSync(`${scratch.path}/system/seen`), "Unclean Unclean 1\n");
    assert.equal(Deno.readTextFileSync(`${scratch.path}/system/stdin`), "");
    await verifyTree(digest, committed.path);
    assert.equal((Deno.lstatSync(committed.path).mode ?? 0) & 0o7777, 0o555);
    assert.ok(namesIn(committed.path).includes(".manifest"));
    assert.deepEqual(namesIn(user), []);
  },
});

Deno.test({
  name:
    "a helper that fails leaves the implementation in the user's store and its words in the error",
  ...needs("posix"),
  async fn() {
    using scratch = new Scratch();
    const { committed, digest, user, failures } = await commitWith(
      scratch,
      "echo not you >&2; exit 3",
    );
    assert.equal(committed.path, `${user}/${digest}`);
    await verifyTree(digest, committed.path);
    assert.deepEqual(namesIn(user), [digest]);
    assert.equal(failures.length, 1);
    assert.match(failures[0]!, /exit 3\nnot you$/);
  },
});

Deno.test({
  name: "a helper that does nothing and succeeds is not believed",
  ...needs("posix"),
  async fn() {
    using scratch = new Scratch();
    const { committed, digest, user, failures } = await commitWith(scratch, "exit 0");
    assert.equal(committed.path, `${user}/${digest}`);
    assert.match(failures[0]!, /it says that it did/);
  },
});

Deno.test({
  name: "a helper can be aborted, and one that cannot be run is a failure of the store",
  ...needs("posix"),
  async fn() {
    using scratch = new Scratch();
    const { digest } = await makeSample(scratch.path);
    const controller = new AbortController();
    const started = `${scratch.path}/system/started`;
    const command = makeHelper(scratch, 'echo > "$STORE/started"; exec sleep 60');
    const running = addWithHelper({ command, system: [] }, digest, scratch.path, {
      signal: controller.signal,
    });
    const watch = setInterval(() => {
      if (Array.from(Deno.readDirSync(`${scratch.path}/system`)).length === 0) return;
      controller.abort(new Error("enough"));
    }, 5);
    await assert.rejects(() => running, /enough/);
    clearInterval(watch);
    assert.ok(Deno.statSync(started));
    const missing = { command: `${scratch.path}/none`, system: [] };
    await assert.rejects(() => addWithHelper(missing, digest, scratch.path), StoreFailed);
  },
});
