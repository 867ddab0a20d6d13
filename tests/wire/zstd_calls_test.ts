import assert from "node:assert/strict";
import { zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { hasZstd, roomFor, storedFrame } from "../../lib/wire/zstd.ts";
import { directCalls, PLAIN_CALLS, ZSTD_LEVELS, zstdCalls } from "../../lib/wire/zstd_calls.ts";
import { randomFrom } from "../fetch/random.ts";

const test = (name: string, fn: () => void) => Deno.test({ name, ignore: !hasZstd(), fn });

/** Bytes that shrink a little, a lot or not at all, around the sizes of blocks and of the window. */
const CONTENT = fc.tuple(
  fc.nat(1000),
  fc.constantFrom(1, 4, 256),
  fc.oneof(fc.nat(2000), fc.constantFrom(131_072, 262_143, 262_144, 262_145, 600_000)),
).map(([seed, kinds, size]) => {
  const random = randomFrom(seed);
  return Uint8Array.from({ length: size }, () => Math.floor(random() * kinds));
});

function roomy(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(2 * size + 1024);
}

test("this runtime lets zstd be called directly", () => {
  assert.notEqual(directCalls(), undefined);
  assert.notEqual(zstdCalls(), PLAIN_CALLS);
});

test("what one way of calling compresses, both expand", () => {
  const ways = [directCalls()!, PLAIN_CALLS];
  fc.assert(
    fc.property(CONTENT, fc.constantFrom(...ZSTD_LEVELS), (bytes, level) => {
      for (const compressing of ways) {
        const frame = roomy(bytes.length);
        const made = compressing.compress(bytes, frame, level);
        assert.deepEqual(new Uint8Array(zstdDecompressSync(frame.subarray(0, made))), bytes);
        if (compressing === PLAIN_CALLS) continue;
        for (const expanding of ways) {
          const room = new Uint8Array(roomFor(bytes.length));
          assert.equal(expanding.expand(frame.subarray(0, made), room), bytes.length);
          assert.deepEqual(room.subarray(0, bytes.length), bytes);
        }
      }
    }),
    { numRuns: 40 },
  );
});

test("the higher levels make less of a text than the fastest one", () => {
  const words = Array.from({ length: 4000 }, (_, index) => `word${index * 7919 % 4000}`);
  const random = randomFrom(1);
  const text = Array.from({ length: 60_000 }, () => words[Math.floor(random() ** 2 * 4000)]);
  const bytes = new TextEncoder().encode(text.join(" "));
  for (const calls of [directCalls()!, PLAIN_CALLS]) {
    const [fastest, ...others] = ZSTD_LEVELS.map((level) =>
      calls.compress(bytes, roomy(bytes.length), level)
    );
    assert.ok(others.every((size) => size < 0.97 * fastest!), `${others}, ${fastest}`);
  }
});

test("nothing of a frame that was none is left for the next one", () => {
  const calls = directCalls()!;
  const bytes = new Uint8Array(100_000).map((_, index) => index * index >> 8);
  const room = roomy(bytes.length);
  const frame = room.slice(0, calls.compress(bytes, room, 1));
  fc.assert(
    fc.property(fc.nat(frame.length), fc.uint8Array({ maxLength: 50 }), (length, garbage) => {
      for (const bad of [frame.subarray(0, length), garbage, Uint8Array.of(...frame, 0)]) {
        try {
          calls.expand(bad, room);
        } catch (error) {
          assert.ok(error instanceof Error);
        }
      }
      assert.equal(calls.expand(frame, room), bytes.length);
      assert.deepEqual(room.subarray(0, bytes.length), bytes);
    }),
    { numRuns: 50 },
  );
});

test("more than there is room for fills the room and nothing else", () => {
  const calls = directCalls()!;
  const all = new Uint8Array(1000);
  assert.equal(calls.expand(storedFrame(new Uint8Array(2000).fill(7)), all.subarray(0, 500)), 500);
  assert.ok(all.subarray(500).every((byte) => byte === 0));
});

test("what is behind a frame is not passed over", () => {
  const frame = storedFrame(Uint8Array.of(1, 2, 3));
  assert.throws(() => directCalls()!.expand(Uint8Array.of(...frame, ...frame), roomy(6)), Error);
});
