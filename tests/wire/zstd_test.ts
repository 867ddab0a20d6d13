import assert from "node:assert/strict";
import { zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { compressFrame, expandFrame, hasZstd, storedFrame } from "../../lib/wire/zstd.ts";
import { FrameSplitter } from "../../lib/wire/zstd_frames.ts";
import { randomFrom } from "../fetch/random.ts";
import { needs } from "../skips.ts";
import { Scratch } from "../store/sample.ts";

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];

/** The content size in a frame's header (RFC 8878, section 3.1.1.1); undefined if it is not there. */
function contentSize(frame: Uint8Array): number | undefined {
  assert.deepEqual([...frame.subarray(0, 4)], MAGIC);
  const descriptor = frame[4]!;
  const single = (descriptor & 0x20) !== 0;
  const size = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  if (size === 0) return undefined;
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  const bytes = [...frame.subarray(at, at + size)];
  const value = bytes.reduceRight((value, byte) => value * 256 + byte, 0);
  return size === 2 ? value + 256 : value;
}

const CONTENTS = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  fc.tuple(fc.nat(3), fc.constantFrom(0, 1, 131_071, 131_072, 131_073, 262_144, 400_000)).map((
    [seed, size],
  ) => Uint8Array.from({ length: size }, (_, index) => index * index * seed >> 8)),
);

for (const [name, frameOf] of Object.entries({ compressFrame, storedFrame })) {
  Deno.test({
    name: `${name} makes one frame that says how large its content is`,
    ignore: !hasZstd(),
    fn() {
      fc.assert(
        fc.property(CONTENTS, (bytes) => {
          const frame = frameOf(bytes);
          assert.equal(contentSize(frame), bytes.length);
          assert.deepEqual(new Uint8Array(zstdDecompressSync(frame)), bytes);
          assert.equal(frame.buffer.byteLength, frame.length);
        }),
        { numRuns: 50 },
      );
    },
  });
}

Deno.test({
  name: "frames of both kinds end to end are what the zstd command unpacks",
  ...needs("zstd"),
  async fn() {
    using scratch = new Scratch();
    const parts = [new Uint8Array(300_000).fill(7), new Uint8Array(0), Uint8Array.of(1, 2, 3)];
    const frames = parts.flatMap((part) =>
      hasZstd() ? [storedFrame(part), compressFrame(part)] : [storedFrame(part), storedFrame(part)]
    );
    const path = `${scratch.path}/frames.zst`;
    for (const frame of frames) Deno.writeFileSync(path, frame, { append: true });
    const { code, stdout } = await new Deno.Command("zstd", { args: ["-dc", path] }).output();
    assert.equal(code, 0);
    assert.equal(stdout.length, 2 * 300_003);
    assert.deepEqual([...stdout.subarray(-3)], [1, 2, 3]);
  },
});

Deno.test("a stored frame is hardly larger than its content", () => {
  assert.equal(storedFrame(new Uint8Array(262_144)).length, 262_144 + 15);
});

Deno.test({
  name: "compressFrame leaves out the empty frame that Deno puts behind some contents",
  ignore: !hasZstd(),
  fn() {
    for (const size of [100_000, 123_136, 200_000, 262_144]) {
      const random = randomFrom(size);
      const bytes = Uint8Array.from({ length: size }, () => 32 + Math.floor(random() * 64));
      const frame = compressFrame(bytes);
      const frames = [...new FrameSplitter(frame.length).push(frame)];
      assert.deepEqual(frames.map(({ length }) => length), [frame.length]);
      assert.deepEqual(expandFrame(frame, size), bytes);
    }
  },
});
