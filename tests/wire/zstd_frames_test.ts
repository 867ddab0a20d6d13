import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { InvalidCoding } from "../../lib/errors.ts";
import { compressFrame, expandFrame, hasZstd, storedFrame } from "../../lib/wire/zstd.ts";
import { contentSize, FrameSplitter } from "../../lib/wire/zstd_frames.ts";
import { incompressible } from "../serve/implementations.ts";

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];

const MAX = 1_000_000;

/** Numbers in zstd.h: a checksum at the end of a frame; a content size in its header. */
const CHECKSUM_FLAG = 201;
const CONTENT_SIZE_FLAG = 200;
const WINDOW_LOG = 101;

/** Deno writes an empty frame more behind some: that one is cut off. */
function zstd(bytes: Uint8Array, params: Record<number, number>): Uint8Array {
  const output = new Uint8Array(zstdCompressSync(bytes, { params }));
  const at = output.length - ((params[CHECKSUM_FLAG] ?? 0) === 1 ? 13 : 9);
  const isFrame = at > 0 && MAGIC.every((byte, index) => output[at + index] === byte);
  return isFrame ? output.slice(0, at) : output;
}

const CONTENTS = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  // Long enough for blocks that are one byte repeated, and for several blocks.
  fc.tuple(fc.nat(255), fc.constantFrom(1, 1000, 131_072, 131_073, 400_000))
    .map(([byte, size]) => new Uint8Array(size).fill(byte)),
  fc.tuple(fc.nat(3), fc.constantFrom(1000, 200_000, 300_000))
    .map(([seed, size]) => incompressible(seed, size)),
  fc.tuple(fc.nat(3), fc.constantFrom(1000, 300_000))
    .map(([seed, size]) => Uint8Array.from({ length: size }, (_, n) => n * n * seed >> 8)),
);

/** One frame of each kind that is met, with what it holds. */
const FRAME = fc.tuple(
  CONTENTS,
  fc.constantFrom<(bytes: Uint8Array) => Uint8Array>(
    storedFrame,
    compressFrame,
    (bytes) => zstd(bytes, { [CHECKSUM_FLAG]: 1 }),
    (bytes) => zstd(bytes, { [CONTENT_SIZE_FLAG]: 0 }),
    (bytes) => zstd(bytes, { [CHECKSUM_FLAG]: 1, [WINDOW_LOG]: 17 }),
  ),
).map(([bytes, frameOf]) => ({ bytes, frame: frameOf(bytes) }));

/** Cuts bytes into parts of these sizes, over and over. */
function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    // The small sizes alone would take too many parts.
    const size = index < 500 ? sizes[index % sizes.length]! : 65_536;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const SIZES = fc.array(fc.constantFrom(1, 2, 3, 5, 17, 1000, 65_536, 1_000_000), {
  minLength: 1,
  maxLength: 5,
});

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

Deno.test({
  name: "frames come out as they went in, wherever they are cut",
  ignore: !hasZstd(),
  fn() {
    fc.assert(
      fc.property(fc.array(FRAME, { maxLength: 4 }), SIZES, (frames, sizes) => {
        const splitter = new FrameSplitter(MAX);
        const found: Uint8Array[] = [];
        for (const part of cut(concatenate(frames.map(({ frame }) => frame)), sizes)) {
          for (const frame of splitter.push(part)) found.push(frame.slice());
        }
        assert.equal(splitter.unfinished, false);
        assert.equal(found.length, frames.length);
        for (const [index, { bytes, frame }] of frames.entries()) {
          assert.deepEqual(found[index], frame);
          assert.deepEqual(expandFrame(found[index]!, bytes.length), bytes);
        }
      }),
      { numRuns: 60 },
    );
  },
});

Deno.test("a frame is given as soon as its last byte is here, and not before", () => {
  const splitter = new FrameSplitter(MAX);
  const frame = storedFrame(new Uint8Array(10).fill(7));
  for (const byte of frame.subarray(0, -1)) {
    assert.deepEqual([...splitter.push(Uint8Array.of(byte))], []);
    assert.equal(splitter.unfinished, true);
  }
  assert.deepEqual([...splitter.push(frame.subarray(-1))], [frame]);
  assert.equal(splitter.unfinished, false);
});

Deno.test("frames that are not looked at are passed over all the same", () => {
  const splitter = new FrameSplitter(MAX);
  const frames = [1, 2, 3].map((byte) => storedFrame(new Uint8Array(1000).fill(byte)));
  const half = frames[2]!.length >> 1;
  const together = concatenate([frames[0]!, frames[1]!, frames[2]!.subarray(0, half)]);
  for (const _frame of splitter.push(together));
  assert.equal(splitter.unfinished, true);
  assert.deepEqual([...splitter.push(frames[2]!.subarray(half))], [frames[2]]);
  assert.equal(splitter.unfinished, false);
});

const GARBAGE = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, ...bytes)),
  // A skippable frame, and one with a byte changed.
  fc.uint8Array({ maxLength: 300 }).map((bytes) =>
    Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, bytes.length, 0, 0, 0, ...bytes)
  ),
  fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.nat(400), fc.integer({ min: 1, max: 255 })).map(
    ([bytes, at, by]) => {
      const frame = storedFrame(bytes);
      frame[at % frame.length]! ^= by;
      return frame;
    },
  ),
);

Deno.test("whatever comes, it ends, and throws nothing but InvalidCoding", () => {
  fc.assert(fc.property(fc.array(GARBAGE, { maxLength: 3 }), SIZES, (parts, sizes) => {
    const splitter = new FrameSplitter(5000);
    let given = 0;
    const whole = concatenate(parts);
    try {
      for (const part of cut(whole, sizes)) {
        for (const frame of splitter.push(part)) {
          given += frame.length;
          assert.ok(frame.length > 0 && frame.length <= 5000);
          try {
            expandFrame(frame, 100);
          } catch (error) {
            assert.ok(error instanceof InvalidCoding, String(error));
          }
        }
      }
      assert.ok(given <= whole.length);
      assert.equal(splitter.unfinished, given < whole.length);
    } catch (error) {
      assert.ok(error instanceof InvalidCoding, String(error));
    }
  }));
});

Deno.test("what can be said to be no frame is said at once", () => {
  for (const start of [[0, 0, 0, 0, 0], [0x50, 0x2a, 0x4d, 0x18, 0], [0x1f, 0x8b, 8, 0, 0]]) {
    const splitter = new FrameSplitter(MAX);
    assert.throws(() => [...splitter.push(Uint8Array.from(start))], InvalidCoding);
  }
  const reserved = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 9, 0b111, 0, 0);
  assert.throws(() => [...new FrameSplitter(MAX).push(reserved)], InvalidCoding);
});

Deno.test("a frame that is too long is refused before it is here, and before it fills the memory", () => {
  const frame = storedFrame(new Uint8Array(3000));
  assert.equal([...new FrameSplitter(frame.length).push(frame)].length, 1);
  const splitter = new FrameSplitter(frame.length - 1);
  assert.throws(() => [...splitter.push(frame.subarray(0, 20))], InvalidCoding);
  // Blocks without end, of which each is small.
  const endless = new FrameSplitter(5000);
  let came = 0;
  assert.throws(() => {
    for (const _frame of endless.push(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 9)));
    for (; came < 10_000; came += 4) {
      for (const _frame of endless.push(Uint8Array.of(0b1000, 0, 0, 7)));
    }
  }, InvalidCoding);
  assert.ok(came <= 5004);
});

Deno.test("a frame just as long as allowed passes, one byte longer does not", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2000 }), SIZES, (size, sizes) => {
    const frame = storedFrame(new Uint8Array(size));
    const fits = new FrameSplitter(frame.length);
    assert.equal([...cut(frame, sizes)].flatMap((part) => [...fits.push(part)]).length, 1);
    const tooLong = new FrameSplitter(frame.length - 1);
    assert.throws(() => {
      for (const part of cut(frame, sizes)) for (const _frame of tooLong.push(part));
    }, InvalidCoding);
  }));
});

Deno.test({
  name: "a frame is expanded to the size that is expected, or refused",
  ignore: !hasZstd(),
  fn() {
    fc.assert(
      fc.property(FRAME, fc.integer({ min: -3, max: 3 }), ({ bytes, frame }, by) => {
        const size = bytes.length + by;
        if (by === 0) assert.deepEqual(expandFrame(frame, size), bytes);
        else if (size >= 0) assert.throws(() => expandFrame(frame, size), InvalidCoding);
      }),
      { numRuns: 60 },
    );
    const bomb = compressFrame(new Uint8Array(100_000_000));
    assert.throws(() => expandFrame(bomb, 1000), InvalidCoding);
  },
});

Deno.test({
  name: "a frame says how much it holds, or nothing",
  ignore: !hasZstd(),
  fn() {
    fc.assert(
      fc.property(FRAME, ({ bytes, frame }) => {
        assert.ok([bytes.length, undefined].includes(contentSize(frame)), `${contentSize(frame)}`);
      }),
      { numRuns: 200 },
    );
    for (const size of [0, 1, 255, 256, 65_791, 65_792, 262_144]) {
      const bytes = new Uint8Array(size);
      assert.equal(contentSize(storedFrame(bytes)), size);
      assert.equal(contentSize(compressFrame(bytes)), size);
      assert.equal(contentSize(zstd(bytes, { [CONTENT_SIZE_FLAG]: 0 })), undefined);
      assert.equal(contentSize(storedFrame(bytes).subarray(0, 8)), undefined);
    }
  },
});
