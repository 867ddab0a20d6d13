import assert from "node:assert/strict";
import type { Digest } from "../../lib/manifest/digest.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { STALE_AFTER_MS, sweepStale } from "../../lib/store/sweep.ts";
import { namesIn, Scratch } from "./sample.ts";

const A = `sha1new=${"a".repeat(40)}` as Digest;
const B = `sha256=${"b".repeat(64)}` as Digest;
const BYTES = new TextEncoder().encode("a manifest");
const LATER = { now: Date.now() + STALE_AFTER_MS + 60_000 };

async function leaveBehind(store: string, digest: Digest): Promise<void> {
  await using staging = await openStaging(store, digest);
  staging.saveManifest(BYTES);
  Deno.mkdirSync(`${staging.tree}/read-only`);
  Deno.writeTextFileSync(`${staging.tree}/read-only/file`, "", { mode: 0o444 });
  if (Deno.build.os !== "windows") Deno.chmodSync(`${staging.tree}/read-only`, 0o555);
}

Deno.test("staging that was left a week ago is removed, younger staging is not", async () => {
  using scratch = new Scratch();
  const store = scratch.directory("store");
  await leaveBehind(store, A);
  assert.deepEqual(await sweepStale(store), []);
  assert.deepEqual(namesIn(store), [`tmp-0share-${A}`, `tmp-0share-${A}.tree`]);
  assert.deepEqual(await sweepStale(store, LATER), [A]);
  assert.deepEqual(namesIn(store), []);
});

Deno.test("staging in use is not removed however old it is", async () => {
  using scratch = new Scratch();
  const store = scratch.directory("store");
  await leaveBehind(store, B);
  await using staging = await openStaging(store, A);
  staging.saveManifest(BYTES);
  assert.deepEqual(await sweepStale(store, LATER), [B]);
  assert.deepEqual(staging.readManifest(), BYTES);
  assert.ok(Deno.statSync(staging.tree).isDirectory);
});

Deno.test("staging that was continued lately is young", async () => {
  using scratch = new Scratch();
  const store = scratch.directory("store");
  await leaveBehind(store, A);
  const old = new Date(Date.now() - 2 * STALE_AFTER_MS);
  for (const name of [`tmp-0share-${A}/manifest`, `tmp-0share-${A}/lock`, `tmp-0share-${A}.tree`]) {
    Deno.utimeSync(`${store}/${name}`, old, old);
  }
  {
    await using _staging = await openStaging(store, A);
  }
  assert.deepEqual(await sweepStale(store), []);
  assert.equal(namesIn(store).length, 2);
});

Deno.test("nothing else is removed", async () => {
  using scratch = new Scratch();
  const store = scratch.directory("store");
  const others = [A, "tmp-12ab", "tmp-0share-", "tmp-0share-notes", `tmp-0share-${B}.trees`, "x"];
  for (const name of others) scratch.directory(`store/${name}`);
  assert.deepEqual(await sweepStale(store, LATER), []);
  assert.deepEqual(namesIn(store), [...others].sort());
});

Deno.test("half of staging, as a crash leaves it, is removed as well", async () => {
  using scratch = new Scratch();
  const store = scratch.directory("store");
  scratch.directory(`store/tmp-0share-${A}.tree`);
  scratch.directory(`store/tmp-0share-${B}`);
  assert.deepEqual((await sweepStale(store, LATER)).sort(), [A, B]);
  assert.deepEqual(namesIn(store), []);
});

Deno.test("a store that is missing has nothing to sweep", async () => {
  assert.deepEqual(await sweepStale("/nowhere/at/all"), []);
});
