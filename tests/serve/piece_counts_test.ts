import assert from "node:assert/strict";
import fc from "fast-check";
import type { Digest } from "../../lib/manifest/digest.ts";
import { PieceCounts } from "../../lib/serve/piece_counts.ts";
import { COUNTED_IMPLEMENTATIONS } from "../../lib/wire/limits.ts";

const DIGEST = `sha1=${"0".repeat(40)}` as Digest;

Deno.test("what is chosen is a candidate that was sent least", () => {
  const flags = fc.array(fc.constantFrom(0, 1), { minLength: 1, maxLength: 12 });
  const sent = fc.array(fc.nat(11), { maxLength: 30 });
  fc.assert(
    fc.property(flags, sent, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (
      flags,
      sent,
      random,
    ) => {
      const counts = new PieceCounts();
      const expected = flags.map(() => 0);
      for (const piece of sent) {
        if (piece >= flags.length) continue;
        counts.add(DIGEST, flags.length, piece, piece, 1);
        expected[piece]!++;
      }
      const chosen = counts.choose(DIGEST, Uint8Array.from(flags), () => random);
      const least = Math.min(...expected.filter((_, piece) => flags[piece] === 1));
      if (least === Infinity) assert.equal(chosen, undefined);
      else {
        assert.equal(flags[chosen!], 1);
        assert.equal(expected[chosen!], least);
      }
    }),
  );
});

Deno.test("of pieces that were sent as often, each is chosen as often", () => {
  const counts = new PieceCounts();
  const times = [0, 0, 0, 0];
  let state = 1;
  const random = () => (state = Math.imul(state, 1664525) + 1013904223 >>> 0) / 2 ** 32;
  for (let n = 0; n < 4000; n++) {
    times[counts.choose(DIGEST, Uint8Array.of(1, 0, 1, 1), random)!]!++;
  }
  assert.equal(times[1], 0);
  for (const piece of [0, 2, 3]) assert.ok(Math.abs(times[piece]! - 4000 / 3) < 150, `${times}`);
});

Deno.test("everybody who asks gets another piece, until all were sent", () => {
  const counts = new PieceCounts();
  const all = new Uint8Array(100).fill(1);
  for (let round = 0; round < 3; round++) {
    const chosen = new Set<number>();
    for (let n = 0; n < 100; n++) {
      const piece = counts.choose(DIGEST, all)!;
      counts.add(DIGEST, 100, piece, piece, 1);
      chosen.add(piece);
    }
    assert.equal(chosen.size, 100);
  }
});

Deno.test("a piece that was not sent after all comes first again", () => {
  const counts = new PieceCounts();
  counts.add(DIGEST, 3, 0, 2, 1);
  counts.add(DIGEST, 3, 1, 1, -1);
  assert.equal(counts.choose(DIGEST, Uint8Array.of(1, 1, 1)), 1);
});

Deno.test("implementations are counted on their own, and the longest unused one is forgotten", () => {
  const counts = new PieceCounts();
  const digest = (n: number) => `sha1=${String(n).padStart(40, "0")}` as Digest;
  counts.add(digest(0), 2, 0, 0, 1);
  assert.equal(counts.choose(digest(1), Uint8Array.of(1, 0)), 0);
  for (let n = 1; n < COUNTED_IMPLEMENTATIONS; n++) counts.add(digest(n), 2, 1, 1, 1);
  assert.equal(counts.choose(digest(0), Uint8Array.of(1, 1)), 1);
  counts.add(digest(COUNTED_IMPLEMENTATIONS), 2, 1, 1, 1);
  assert.equal(counts.choose(digest(0), Uint8Array.of(1, 1)), 1);
  assert.equal(counts.choose(digest(1), Uint8Array.of(1, 1), () => 0.99), 0);
});
