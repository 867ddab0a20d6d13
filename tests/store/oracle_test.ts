import assert from "node:assert/strict";
import { ALGORITHMS } from "../../lib/manifest/digest.ts";
import { commit, sealTree } from "../../lib/store/commit.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { audit, storeAdd, verify } from "../e2e/lib/oracle.ts";
import { TemporaryDirectory } from "../e2e/lib/sandbox_env.ts";
import { needs } from "../skips.ts";
import { fill, makeSample } from "./sample.ts";

for (const algorithm of ALGORITHMS) {
  Deno.test({
    name: `a committed ${algorithm} tree is what 0install makes of it, and 0install accepts it`,
    ...needs("oracle", "posix"),
    async fn() {
      await using directory = new TemporaryDirectory();
      const ours = directory.sandbox("ours");
      const theirs = directory.sandbox("theirs");
      const sample = await makeSample(directory.path, algorithm);
      assert.equal(await storeAdd(theirs.env, algorithm, sample.source), sample.digest);

      await using staging = await openStaging(ours.store, sample.digest);
      fill(staging, sample);
      const tree = await sealTree(staging, sample.manifest, { contents: "hashed while written" });
      const { path } = await commit(tree, { kind: "store", store: ours.store });

      await verify(ours.env, path);
      await audit(ours.env, ours.store);
      assert.deepEqual(describe(ours.store), describe(theirs.store));
    },
  });
}

/** Every path with its mode, its content and, where a manifest may hold it, its time. */
function describe(root: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const visit = (path: string) => {
    const info = Deno.lstatSync(`${root}${path}`);
    const mode = info.isSymlink ? "symlink" : info.mode?.toString(8);
    const listed = !path.endsWith("/.manifest") && info.isFile;
    const content = info.isSymlink
      ? Deno.readLinkSync(`${root}${path}`)
      : info.isFile
      ? Deno.readTextFileSync(`${root}${path}`)
      : undefined;
    found[path] = { mode, content, mtime: listed ? info.mtime?.getTime() : undefined };
    if (!info.isDirectory) return;
    for (const { name } of Deno.readDirSync(`${root}${path}`)) visit(`${path}/${name}`);
  };
  visit("");
  return found;
}
