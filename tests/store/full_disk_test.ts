import assert from "node:assert/strict";
import { StoreFailed } from "../../lib/errors.ts";
import { verifyTree } from "../../lib/manifest/verify.ts";
import { commit, sealTree } from "../../lib/store/commit.ts";
import { findImplementation } from "../../lib/store/lookup.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { needs } from "../skips.ts";
import { fill, makeSample, namesIn, Scratch } from "./sample.ts";
import { mountTmpfs } from "./tmpfs.ts";

const HASHED = { contents: "hashed while written" } as const;

function isFull(error: unknown): boolean {
  assert.ok(error instanceof StoreFailed, String(error));
  assert.match(error.message, /: no space left on the device$/);
  assert.match(error.hint ?? "", /make room/);
  return true;
}

Deno.test({
  name: "a full disk is told as such, nothing gets its name, and it goes on when there is room",
  ...needs("root", "linux"),
  async fn() {
    using scratch = new Scratch();
    using mount = mountTmpfs(scratch.directory("mount"), "size=128k,mode=755");
    const store = `${mount.path}/store`;
    const sample = await makeSample(scratch.path);
    {
      await using staging = await openStaging(store, sample.digest);
      staging.saveManifest(sample.bytes);
      fill(staging, sample);
      fillUp(`${mount.path}/ballast`);
      assert.throws(() => staging.saveManifest(sample.bytes), isFull);
      await assert.rejects(() => sealTree(staging, sample.manifest, HASHED), isFull);
      assert.equal(findImplementation([store], [sample.digest]), undefined);
    }
    await using staging = await openStaging(store, sample.digest);
    assert.deepEqual(staging.readManifest(), sample.bytes);
    Deno.removeSync(`${mount.path}/ballast`);
    const tree = await sealTree(staging, sample.manifest, HASHED);
    const { path } = await commit(tree, { kind: "store", store });
    await verifyTree(sample.digest, path);
    assert.deepEqual(namesIn(store), [sample.digest]);
  },
});

Deno.test({
  name: "on a full disk staging can still be discarded",
  ...needs("root", "linux"),
  async fn() {
    using scratch = new Scratch();
    using mount = mountTmpfs(scratch.directory("mount"), "size=128k,mode=755");
    const sample = await makeSample(scratch.path);
    await using staging = await openStaging(mount.path, sample.digest);
    fill(staging, sample);
    fillUp(`${mount.path}/ballast`);
    staging.discard();
    assert.deepEqual(namesIn(mount.path), ["ballast"]);
  },
});

function fillUp(path: string): void {
  using file = Deno.openSync(path, { create: true, write: true });
  try {
    for (;;) file.writeSync(new Uint8Array(1024));
  } catch {
    // Now it is full.
  }
}
