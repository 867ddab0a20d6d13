import assert from "node:assert/strict";
import { Compression, isCompressionMode } from "../../lib/fetch/compression.ts";

/** An answer of so many bytes, in so many seconds of which some were spent with waiting. */
function took(bytes: number, seconds: number, waitedSeconds: number = seconds) {
  return { bytes, seconds, waitedSeconds };
}

Deno.test("a wire is slow that is waited for, also when what came takes most of the time", () => {
  const compression = new Compression("auto");
  // Of 118 MB, half came while the other half was hashed and written.
  compression.measured("gigabit", took(118_000_000, 1, 0.4));
  compression.measured("busy here", took(118_000_000, 1, 0.05));
  compression.measured("fast", took(400_000_000, 1, 0.4));
  assert.deepEqual(
    ["gigabit", "busy here", "fast"].map((peer) => compression.accepts(peer)),
    [true, false, false],
  );
});

Deno.test("a peer may compress when its wire was found to be slow, and not before", () => {
  const compression = new Compression("auto");
  assert.equal(compression.accepts("slow"), false);
  compression.measured("slow", took(12_000_000, 1));
  compression.measured("gigabit", took(118_000_000, 1));
  compression.measured("fast", took(1_000_000_000, 1));
  compression.measured("nothing waited for", took(1_000_000, 0));
  compression.measured("nothing came", took(0, 1));
  assert.deepEqual(
    ["slow", "gigabit", "fast", "nothing waited for", "nothing came", "unknown"]
      .map((peer) => compression.accepts(peer)),
    [true, true, false, false, false, false],
  );
});

Deno.test("what was measured last counts, and an answer without bytes does not", () => {
  const compression = new Compression("auto");
  compression.measured("peer", took(1_000_000_000, 1));
  compression.measured("peer", took(1_000_000, 1));
  compression.measured("peer", took(0, 0));
  assert.equal(compression.accepts("peer"), true);
});

Deno.test("always is always, and never is never", () => {
  for (const mode of ["always", "never"] as const) {
    const compression = new Compression(mode);
    for (const bytes of [1, 1_000_000_000]) {
      assert.equal(compression.accepts("peer"), mode === "always");
      compression.measured("peer", took(bytes, 1));
    }
    assert.equal(compression.accepts("peer"), mode === "always");
  }
});

Deno.test("where the runtime has no zstd nobody may compress", () => {
  for (const mode of ["auto", "always"] as const) {
    const compression = new Compression(mode, false);
    compression.measured("slow", took(1_000_000, 1));
    assert.equal(compression.accepts("slow"), false);
  }
});

Deno.test("there are three modes", () => {
  const words = ["auto", "always", "never", "", "Auto", "zstd", "toString"];
  assert.deepEqual(words.filter(isCompressionMode), ["auto", "always", "never"]);
});

const SLOW = took(1e6, 0.1);

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
