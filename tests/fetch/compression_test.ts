import assert from "node:assert/strict";
import { Compression, isCompressionMode } from "../../lib/fetch/compression.ts";

Deno.test("a peer may compress when its wire was found to be slow, and not before", () => {
  const compression = new Compression("auto");
  assert.equal(compression.accepts("slow"), false);
  compression.measured("slow", { bytes: 12_000_000, seconds: 1 });
  compression.measured("gigabit", { bytes: 118_000_000, seconds: 1 });
  compression.measured("fast", { bytes: 1_000_000_000, seconds: 1 });
  compression.measured("nothing waited for", { bytes: 1_000_000, seconds: 0 });
  compression.measured("nothing came", { bytes: 0, seconds: 1 });
  assert.deepEqual(
    ["slow", "gigabit", "fast", "nothing waited for", "nothing came", "unknown"]
      .map((peer) => compression.accepts(peer)),
    [true, true, false, false, false, false],
  );
});

Deno.test("what was measured last counts, and an answer without bytes does not", () => {
  const compression = new Compression("auto");
  compression.measured("peer", { bytes: 1_000_000_000, seconds: 1 });
  compression.measured("peer", { bytes: 1_000_000, seconds: 1 });
  compression.measured("peer", { bytes: 0, seconds: 0 });
  assert.equal(compression.accepts("peer"), true);
});

Deno.test("always is always, and never is never", () => {
  for (const mode of ["always", "never"] as const) {
    const compression = new Compression(mode);
    for (const bytes of [1, 1_000_000_000]) {
      assert.equal(compression.accepts("peer"), mode === "always");
      compression.measured("peer", { bytes, seconds: 1 });
    }
    assert.equal(compression.accepts("peer"), mode === "always");
  }
});

Deno.test("where the runtime has no zstd nobody may compress", () => {
  for (const mode of ["auto", "always"] as const) {
    const compression = new Compression(mode, false);
    compression.measured("slow", { bytes: 1_000_000, seconds: 1 });
    assert.equal(compression.accepts("slow"), false);
  }
});

Deno.test("there are three modes", () => {
  const words = ["auto", "always", "never", "", "Auto", "zstd", "toString"];
  assert.deepEqual(words.filter(isCompressionMode), ["auto", "always", "never"]);
});

const SLOW = { bytes: 1e6, seconds: 0.1 };

Deno.test("auto takes nothing compressed from this machine, however slow it is", () => {
  for (const peer of ["127.0.0.1", "127.0.0.1:4000", "127.8.8.8:1", "::1", "[::1]:4000"]) {
    const compression = new Compression("auto");
    compression.measured(peer, SLOW);
    assert.equal(compression.accepts(peer), false, peer);
    assert.equal(new Compression("always").accepts(peer), true, peer);
  }
  const other = new Compression("auto");
  other.measured("[::12]:4000", SLOW);
  assert.equal(other.accepts("[::12]:4000"), true);
});
