import assert from "node:assert/strict";
import { ManifestMismatch, StoreFailed, VerificationFailed } from "../../lib/errors.ts";
import { ALGORITHMS } from "../../lib/manifest/digest.ts";
import { pathOf } from "../../lib/manifest/entry.ts";
import { formatManifest } from "../../lib/manifest/manifest.ts";
import { verifyTree } from "../../lib/manifest/verify.ts";
import { commit, finishFile, sealTree, sealUnpacked } from "../../lib/store/commit.ts";
import type { VerifiedTree } from "../../lib/store/commit.ts";
import { findImplementation } from "../../lib/store/lookup.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { needs } from "../skips.ts";
import { fill, makeSample, namesIn, Scratch } from "./sample.ts";

interface Place {
  /** A directory for the sources of trees. */
  readonly path: string;
  /** The store: it need not exist. */
  readonly store: string;
}

const HASHED = { contents: "hashed while written" } as const;

/**
 * What must hold of a store wherever it is.
 *
 * @param kind names the store in the names of the tests
 * @param makeStore gives a fresh store's path, below or for the directory `scratch`
 */
export function storeSuite(
  kind: string,
  makeStore: (scratch: Scratch) => { path: string } & Partial<Disposable>,
  options: { ignore?: boolean } = {},
): void {
  const test = (name: string, body: (place: Place) => Promise<void>, ignore = false) =>
    Deno.test({
      name: `${kind}: ${name}`,
      ignore: ignore || options.ignore === true,
      async fn() {
        using scratch = new Scratch();
        const store = makeStore(scratch);
        try {
          await body({ path: scratch.path, store: store.path });
        } finally {
          store[Symbol.dispose]?.();
        }
      },
    });

  for (const algorithm of ALGORITHMS) {
    test(`a ${algorithm} tree gets its place, its modes and its times`, async ({ path, store }) => {
      const sample = await makeSample(path, algorithm);
      const { digest, manifest } = sample;
      await using staging = await openStaging(store, digest);
      assert.equal(staging.alreadyStored, false);
      fill(staging, sample);
      const tree = await sealTree(staging, manifest, HASHED);
      const committed = await commit(tree, { kind: "store", store });
      assert.deepEqual(committed, { digest, store, path: `${store}/${digest}`, existed: false });
      await verifyTree(digest, committed.path);
      assert.deepEqual(Deno.readFileSync(`${committed.path}/.manifest`), sample.bytes);
      assert.deepEqual(namesIn(store), [digest]);
      if (Deno.build.os === "windows") return;
      assert.equal((Deno.statSync(store).mode ?? 0) & 0o7777, 0o755);
      assert.equal(modeOf(committed.path), 0o555);
      assert.equal(modeOf(`${committed.path}/.manifest`), 0o444);
      for (const entry of manifest.entries) {
        if (entry.kind === "symlink") continue;
        const at: string = `${committed.path}/${pathOf(entry)}`;
        const executable = entry.kind === "directory" || entry.executable;
        assert.equal(modeOf(at), executable ? 0o555 : 0o444, at);
        if (entry.mtime === undefined) continue;
        assert.equal(Deno.lstatSync(at).mtime?.getTime(), entry.mtime * 1000, at);
      }
    });
  }

  test("what was finished when it was written is not looked at again", async (place) => {
    const sample = await makeSample(place.path);
    await using staging = await openStaging(place.store, sample.digest);
    fill(staging, sample);
    const file = [...sample.manifest.entries].find((entry) => entry.kind === "file")!;
    const path = `${staging.tree}/${pathOf(file)}`;
    Deno.utimeSync(path, 7, 7);
    await sealTree(staging, sample.manifest, { contents: "finished" });
    assert.equal(Deno.lstatSync(path).mtime?.getTime(), 7000);
    await sealTree(staging, sample.manifest, HASHED);
    assert.equal(Deno.lstatSync(path).mtime?.getTime(), file.mtime! * 1000);
  });

  test("once it is stored, staging says so and builds nothing", async ({ path, store }) => {
    const sample = await makeSample(path);
    Deno.mkdirSync(`${store}/${sample.digest}`, { recursive: true });
    {
      await using staging = await openStaging(store, sample.digest);
      assert.equal(staging.alreadyStored, true);
      assert.equal(staging.stored?.path, `${store}/${sample.digest}`);
      await assert.rejects(() => sealTree(staging, sample.manifest, HASHED), /not for building/);
    }
    assert.deepEqual(namesIn(store), [sample.digest]);
  });

  test("staging looks into other stores as well, if asked to", async ({ path, store }) => {
    const sample = await makeSample(path);
    Deno.mkdirSync(`${path}/other/${sample.digest}`, { recursive: true });
    {
      await using staging = await openStaging(store, sample.digest, { alsoIn: [`${path}/other`] });
      assert.equal(staging.stored?.path, `${path}/other/${sample.digest}`);
    }
    await using staging = await openStaging(store, sample.digest);
    assert.equal(staging.stored, undefined);
  });

  test("what was begun is there for the next one, with its manifest", async ({ path, store }) => {
    const sample = await makeSample(path);
    {
      await using staging = await openStaging(store, sample.digest);
      assert.equal(staging.readManifest(), undefined);
      staging.saveManifest(sample.bytes);
      fill(staging, sample);
      await sealTree(staging, sample.manifest, HASHED);
    }
    assert.equal(findImplementation([store], [sample.digest]), undefined);
    await using staging = await openStaging(store, sample.digest);
    assert.deepEqual(staging.readManifest(), sample.bytes);
    Deno.writeTextFileSync(`${staging.tree}/stray`, "");
    const tree = await sealTree(staging, sample.manifest, { contents: "unknown" });
    const committed = await commit(tree, { kind: "store", store });
    await verifyTree(sample.digest, committed.path);
    assert.deepEqual(namesIn(store), [sample.digest]);
  });

  test("without a manifest nothing is left behind", async ({ path, store }) => {
    const sample = await makeSample(path);
    {
      await using staging = await openStaging(store, sample.digest);
      fill(staging, sample);
    }
    assert.deepEqual(namesIn(store), []);
  });

  test("a finished tree can be discarded and emptied", async ({ path, store }) => {
    const sample = await makeSample(path);
    await using staging = await openStaging(store, sample.digest);
    staging.saveManifest(sample.bytes);
    fill(staging, sample);
    await sealTree(staging, sample.manifest, HASHED);
    staging.reset();
    assert.deepEqual(namesIn(staging.tree), []);
    fill(staging, sample);
    await sealTree(staging, sample.manifest, HASHED);
    staging.discard();
    assert.deepEqual(namesIn(store), []);
    staging.discard();
  });

  test("an implementation that came first is left as it is", async ({ path, store }) => {
    const sample = await makeSample(path);
    await using staging = await openStaging(store, sample.digest);
    staging.saveManifest(sample.bytes);
    fill(staging, sample);
    const tree = await sealTree(staging, sample.manifest, HASHED);
    Deno.mkdirSync(`${store}/${sample.digest}`);
    const committed = await commit(tree, { kind: "store", store });
    assert.equal(committed.existed, true);
    assert.deepEqual(namesIn(committed.path), []);
    assert.deepEqual(namesIn(store), [sample.digest]);
  });

  test("a file with a digest's name is neither believed nor replaced", async ({ path, store }) => {
    const sample = await makeSample(path);
    await using staging = await openStaging(store, sample.digest);
    staging.saveManifest(sample.bytes);
    fill(staging, sample);
    const tree = await sealTree(staging, sample.manifest, HASHED);
    Deno.writeTextFileSync(`${store}/${sample.digest}`, "mine");
    await assert.rejects(() => commit(tree, { kind: "store", store }), StoreFailed);
    assert.equal(Deno.readTextFileSync(`${store}/${sample.digest}`), "mine");
    Deno.removeSync(`${store}/${sample.digest}`);
    assert.equal((await commit(tree, { kind: "store", store })).existed, false);
  });

  test("a wrong file is found when nobody says that it was hashed", async ({ path, store }) => {
    const sample = await makeSample(path);
    await using staging = await openStaging(store, sample.digest);
    fill(staging, sample);
    Deno.writeTextFileSync(`${staging.tree}/README`, "hellO \n");
    await assert.rejects(
      () => sealTree(staging, sample.manifest, { contents: "unknown" }),
      VerificationFailed,
    );
  });

  test("a file of the wrong size is found even so", async ({ path, store }) => {
    const sample = await makeSample(path);
    await using staging = await openStaging(store, sample.digest);
    fill(staging, sample);
    Deno.writeTextFileSync(`${staging.tree}/README`, "short");
    await assert.rejects(() => sealTree(staging, sample.manifest, HASHED), (error) => {
      assert.ok(error instanceof StoreFailed);
      assert.match(error.message, /README": expected a file of 7 bytes, found 5 bytes$/);
      return true;
    });
  });

  test("something missing is found, and what has the wrong kind is missing", async (place) => {
    const sample = await makeSample(place.path);
    await using staging = await openStaging(place.store, sample.digest);
    fill(staging, sample);
    Deno.removeSync(`${staging.tree}/nothing`);
    Deno.mkdirSync(`${staging.tree}/nothing`);
    await assert.rejects(() => sealTree(staging, sample.manifest, HASHED), (error) => {
      assert.ok(error instanceof StoreFailed);
      assert.match(error.message, /nothing": it is not there$/);
      return true;
    });
  });

  test("what the manifest does not list is removed, links unfollowed", async ({ path, store }) => {
    const sample = await makeSample(path);
    await using staging = await openStaging(store, sample.digest);
    fill(staging, sample);
    const precious = `${path}/precious`;
    Deno.mkdirSync(precious);
    Deno.writeTextFileSync(`${precious}/file`, "");
    Deno.symlinkSync(precious, `${staging.tree}/bin/away`);
    Deno.mkdirSync(`${staging.tree}/other/deep`, { recursive: true });
    await sealTree(staging, sample.manifest, { contents: "unknown" });
    assert.deepEqual(namesIn(precious), ["file"]);
    assert.deepEqual(namesIn(staging.tree), [".manifest", ...namesIn(sample.source)].sort());
  }, needs("posix").ignore);

  test("a symlink in the place of a directory is not entered", async ({ path, store }) => {
    const sample = await makeSample(path);
    await using staging = await openStaging(store, sample.digest);
    fill(staging, sample);
    Deno.renameSync(`${staging.tree}/bin`, `${store}/moved`);
    Deno.symlinkSync("../moved", `${staging.tree}/bin`);
    await assert.rejects(() => sealTree(staging, sample.manifest, HASHED), /bin": it is not there/);
  }, needs("posix").ignore);

  test("a symlink with another target is found", async ({ path, store }) => {
    const sample = await makeSample(path);
    await using staging = await openStaging(store, sample.digest);
    fill(staging, sample);
    Deno.removeSync(`${staging.tree}/bin/link`);
    Deno.symlinkSync("../../etc", `${staging.tree}/bin/link`);
    await assert.rejects(() => sealTree(staging, sample.manifest, HASHED), VerificationFailed);
  }, needs("posix").ignore);

  test("the manifest of another digest seals nothing", async ({ path, store }) => {
    const sample = await makeSample(path);
    const other = await makeSample(path, "sha256new", { salt: "other" });
    await using staging = await openStaging(store, sample.digest);
    fill(staging, other);
    await assert.rejects(() => sealTree(staging, other.manifest, HASHED), ManifestMismatch);
    assert.equal(modeOf(`${staging.tree}/README`) & 0o200, 0o200);
  });

  test("an unpacked tree is verified and finished", async ({ path, store }) => {
    const sample = await makeSample(path, "sha1");
    await using staging = await openStaging(store, sample.digest);
    unpack(staging.tree, sample);
    Deno.writeTextFileSync(`${staging.tree}/.manifest`, "wrong");
    const committed = await commit(await sealUnpacked(staging), { kind: "store", store });
    await verifyTree(sample.digest, committed.path);
    assert.deepEqual(Deno.readFileSync(`${committed.path}/.manifest`), sample.bytes);
    assert.equal(modeOf(`${committed.path}/README`) & 0o222, 0);
  }, needs("posix").ignore);

  test(
    "an unpacked tree that is wrong is refused, with the difference",
    async ({ path, store }) => {
      const sample = await makeSample(path);
      await using staging = await openStaging(store, sample.digest);
      staging.saveManifest(sample.bytes);
      unpack(staging.tree, sample);
      Deno.chmodSync(`${staging.tree}/README`, 0o755);
      await assert.rejects(() => sealUnpacked(staging), (error) => {
        assert.ok(error instanceof VerificationFailed);
        assert.match(error.message, /^- F .* README$/m);
        assert.match(error.message, /^\+ X .* README$/m);
        return true;
      });
      assert.equal(findImplementation([store], [sample.digest]), undefined);
    },
    needs("posix").ignore,
  );

  test("only what is verified is committed", async ({ path, store }) => {
    const sample = await makeSample(path);
    await using staging = await openStaging(store, sample.digest);
    fill(staging, sample);
    const target = { kind: "store", store } as const;
    const forged = { staging } as unknown as VerifiedTree;
    await assert.rejects(() => commit(forged, target), /not verified/);
    const stale = await sealTree(staging, sample.manifest, HASHED);
    staging.reset();
    await assert.rejects(() => commit(stale, target), /not verified/);
    fill(staging, sample);
    const tree = await sealTree(staging, sample.manifest, HASHED);
    await assert.rejects(() => commit(tree, { kind: "store", store: path }), /not in the target/);
    await commit(tree, target);
    await assert.rejects(() => commit(tree, target), /not verified/);
  });

  test("a second one waits for the first and finds its work done", async ({ path, store }) => {
    const sample = await makeSample(path);
    const first = await openStaging(store, sample.digest);
    let waits = 0;
    const waiting = openStaging(store, sample.digest, { onWait: () => waits++ });
    const aborted = AbortSignal.abort(new Error("never mind"));
    await assert.rejects(
      () => openStaging(store, sample.digest, { signal: aborted }),
      /never mind/,
    );
    const controller = new AbortController();
    await assert.rejects(
      () =>
        openStaging(store, sample.digest, {
          signal: controller.signal,
          onWait: () => controller.abort(new Error("waited enough")),
        }),
      /waited enough/,
    );
    fill(first, sample);
    const tree = await sealTree(first, sample.manifest, HASHED);
    await commit(tree, { kind: "store", store });
    {
      await using second = await waiting;
      assert.equal(second.alreadyStored, true);
      assert.equal(waits, 1);
    }
    assert.deepEqual(namesIn(store), [sample.digest]);
  });

  test("when the first one gives up, the second one begins anew", async ({ path, store }) => {
    const sample = await makeSample(path);
    const first = await openStaging(store, sample.digest);
    const waiting = openStaging(store, sample.digest);
    first.discard();
    await using second = await waiting;
    assert.equal(second.alreadyStored, false);
    assert.deepEqual(namesIn(second.tree), []);
    const controller = new AbortController();
    const third = openStaging(store, sample.digest, {
      signal: controller.signal,
      onWait: () => controller.abort(new Error("the second one has it")),
    });
    await assert.rejects(() => third, /the second one has it/);
  });

  test("a file's time before 1970 or after 2038 is kept", async ({ path, store }) => {
    const sample = await makeSample(path);
    await using staging = await openStaging(store, sample.digest);
    fill(staging, sample);
    const file = [...sample.manifest.entries].find((entry) => entry.kind === "file")!;
    for (const mtime of [-5, 2 ** 31, 2 ** 32 + 7]) {
      finishFile(`${staging.tree}/${pathOf(file)}`, { ...file, mtime } as typeof file);
      const { mtime: found } = Deno.statSync(`${staging.tree}/${pathOf(file)}`);
      assert.equal(Math.abs(found!.getTime()), Math.abs(mtime * 1000));
    }
    assert.deepEqual(formatManifest(sample.manifest), sample.bytes);
  });
}

/** As an archive's extraction leaves it: executable bits and times right, modes writable. */
function unpack(tree: string, { source }: { source: string }): void {
  const { success } = new Deno.Command("cp", { args: ["-a", `${source}/.`, tree] }).outputSync();
  assert.ok(success);
}

function modeOf(path: string): number {
  return (Deno.lstatSync(path).mode ?? 0) & 0o7777;
}
