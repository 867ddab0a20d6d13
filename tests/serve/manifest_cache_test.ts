import assert from "node:assert/strict";
import { ManifestCache, type ReadManifest } from "../../lib/serve/manifest_cache.ts";

function manifest(size: number): ReadManifest {
  return { manifestBytes: new Uint8Array(size) } as unknown as ReadManifest;
}

/** The names of those that are kept of `names`, without counting as a use of the rest. */
function kept(cache: ManifestCache, names: string): string {
  return [...names].filter((name) => cache.get(name, "state") !== undefined).join("");
}

Deno.test("as many manifests are kept as there is room for, those that were used last", () => {
  const cache = new ManifestCache({ room: 100, mostRoom: 0 });
  for (const name of "abcdefghij") cache.put(name, "state", manifest(10));
  assert.equal(kept(cache, "abcdefghij"), "abcdefghij");
  cache.get("a", "state");
  cache.put("k", "state", manifest(20));
  assert.equal(kept(cache, "abcdefghijk"), "adefghijk");
});

Deno.test("a few are kept even if they are larger than the room, but not without bound", () => {
  const cache = new ManifestCache({ room: 100, mostRoom: 1000 });
  for (const name of "abcd") cache.put(name, "state", manifest(200));
  assert.equal(kept(cache, "abcd"), "abcd");
  cache.put("e", "state", manifest(200));
  assert.equal(kept(cache, "abcde"), "bcde");
  cache.put("f", "state", manifest(700));
  assert.equal(kept(cache, "abcdef"), "ef");
});

Deno.test("the last one is kept whatever its size", () => {
  const cache = new ManifestCache({ room: 0, mostRoom: 0 });
  cache.put("a", "state", manifest(10));
  assert.equal(kept(cache, "a"), "a");
  cache.put("b", "state", manifest(10));
  assert.equal(kept(cache, "ab"), "b");
});

Deno.test("a manifest whose file was in another state is not given, nor counted twice", () => {
  const cache = new ManifestCache({ room: 100, mostRoom: 0 });
  cache.put("a", "before", manifest(60));
  assert.equal(cache.get("a", "state"), undefined);
  cache.put("b", "state", manifest(40));
  cache.put("a", "state", manifest(60));
  assert.equal(kept(cache, "ab"), "ab");
  cache.delete("a");
  cache.put("c", "state", manifest(60));
  assert.equal(kept(cache, "abc"), "bc");
});
