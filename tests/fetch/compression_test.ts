import assert from "node:assert/strict";
import fc from "fast-check";
import {
  Compression,
  type CompressionMode,
  isCompressionMode,
} from "../../lib/fetch/compression.ts";

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

Deno.test("a short answer says nothing: it takes as long as its question", () => {
  const compression = new Compression("auto");
  compression.measured("peer", took(200_000, 1));
  assert.equal(compression.accepts("peer"), false);
  compression.measured("peer", took(1_000_000, 0.1));
  compression.measured("peer", took(200_000, 0.000001));
  assert.equal(compression.accepts("peer"), true);
});

Deno.test("a short first answer tells of a wire only when that is far slower than a fast one", () => {
  const compression = new Compression("auto");
  compression.measured("just started", took(500_000, 0.01));
  compression.measured("just started", took(200_000, 0.01));
  assert.equal(compression.accepts("just started"), false);
  compression.measured("just started", took(500_000, 0.01));
  assert.equal(compression.accepts("just started"), true, "it has had its time");
  compression.measured("slow", took(500_000, 0.02));
  assert.equal(compression.accepts("slow"), true);
  compression.measured("gigabit", took(2_000_000, 0.02));
  assert.equal(compression.accepts("gigabit"), true);
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

const PIECE = 256 * 1024;
const MIB = 1024 * 1024;

/** So many bytes came of "peer", piece by piece, each as that part of its size. */
function came(compression: Compression, bytes: number, ratio: number): void {
  for (let at = 0; at < bytes; at += PIECE) compression.shrank("peer", PIECE, ratio * PIECE);
}

function ratioOf(compression: Compression, peer: string): number | undefined {
  return compression.expectedOf(peer)?.ratio;
}

function assertNear(found: number | undefined, expected: number, tolerance = 1e-9): void {
  assert.ok(found !== undefined && Math.abs(found - expected) <= tolerance, `${found}`);
}

Deno.test("of who may not compress, nothing is expected to shrink, whatever came of others", () => {
  const auto = new Compression("auto");
  auto.measured("peer", SLOW);
  for (const compression of [auto, new Compression("never"), new Compression("always", false)]) {
    assert.equal(ratioOf(compression, "unknown"), undefined);
    came(compression, MIB, 0.3);
    assert.equal(ratioOf(compression, "unknown"), undefined);
  }
  assertNear(ratioOf(auto, "peer"), 0.3);
});

Deno.test("before anything came, it is hoped that pieces shrink well, and not known", () => {
  const usual = ratioOf(new Compression("always"), "peer");
  assert.ok(usual !== undefined && usual > 0.1 && usual < 0.5, `${usual}`);
  const auto = new Compression("auto");
  auto.measured("slow", SLOW);
  assert.equal(ratioOf(auto, "slow"), usual);
  assert.equal(auto.expectedOf("slow")!.tried, false);
  auto.shrank("slow", PIECE, PIECE / 2);
  assert.deepEqual(auto.expectedOf("slow"), { ratio: 0.5, tried: true });
});

Deno.test("what came of a peer is what is expected of it, and of no other: it may lie", () => {
  for (const ratio of [0.1, 0.35, 1, 1.001]) {
    const compression = new Compression("always");
    came(compression, PIECE, ratio);
    assertNear(ratioOf(compression, "peer"), ratio);
    came(compression, 100 * MIB, ratio);
    assertNear(ratioOf(compression, "peer"), ratio);
    assert.equal(ratioOf(compression, "other"), ratioOf(new Compression("always"), "other"));
  }
  const mixed = new Compression("always");
  came(mixed, MIB, 0.2);
  came(mixed, MIB, 0.6);
  assertNear(ratioOf(mixed, "peer"), 0.4);
});

Deno.test("nothing that came says nothing", () => {
  const compression = new Compression("always");
  const usual = ratioOf(compression, "peer");
  compression.shrank("peer", 0, 0);
  assert.equal(ratioOf(compression, "peer"), usual);
});

Deno.test("what came lately counts more than what came before, however much that was", () => {
  const sizes = fc.integer({ min: 16, max: 300 });
  fc.assert(fc.property(sizes, fc.nat(40), (before, more) => {
    const compression = new Compression("always");
    came(compression, before * MIB, 0.9);
    came(compression, (16 + more) * MIB, 0.3);
    const ratio = ratioOf(compression, "peer")!;
    assert.ok(ratio >= 0.3 && ratio < 0.6, `${ratio}`);
  }));
  const compression = new Compression("always");
  came(compression, 1024 * MIB, 0.9);
  came(compression, 128 * MIB, 0.3);
  assertNear(ratioOf(compression, "peer"), 0.3, 0.01);
});

Deno.test("a manifest may come compressed from elsewhere, before anything was measured", () => {
  const cases: [mode: CompressionMode, elsewhere: boolean, here: boolean][] = [
    ["auto", true, false],
    ["always", true, true],
    ["never", false, false],
  ];
  for (const [mode, elsewhere, here] of cases) {
    const compression = new Compression(mode, true);
    assert.equal(compression.acceptsManifest("192.168.1.7"), elsewhere, mode);
    assert.equal(compression.acceptsManifest("127.0.0.1"), here, mode);
    assert.equal(new Compression(mode, false).acceptsManifest("192.168.1.7"), false, mode);
  }
});
