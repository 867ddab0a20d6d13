import assert from "node:assert/strict";
import { ManifestFrames } from "../../lib/serve/manifest_frames.ts";
import { MANIFEST_EXPANSION, MANIFEST_FRAME_SIZE } from "../../lib/wire/limits.ts";
import { expandFrame, hasZstd } from "../../lib/wire/zstd.ts";
import { contentSize } from "../../lib/wire/zstd_frames.ts";
import { concatenate, noise } from "./implementations.ts";

function framesOf(frames: ManifestFrames, bytes: Uint8Array<ArrayBuffer>): Uint8Array[] {
  const source = frames.sourceOf(bytes);
  const made: Uint8Array[] = [];
  for (let frame; (frame = source.next()) !== undefined;) made.push(frame as Uint8Array);
  return made;
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test({
  name: "frames hold the bytes, all but the last equally many, and are made once",
  ignore: !hasZstd(),
  fn() {
    const frames = new ManifestFrames();
    const bytes = bytesOf(noise(1, 2 * MANIFEST_FRAME_SIZE + 5));
    const made = framesOf(frames, bytes);
    assert.deepEqual(made.map(contentSize), [MANIFEST_FRAME_SIZE, MANIFEST_FRAME_SIZE, 5]);
    const content = made.map((frame) => expandFrame(frame, contentSize(frame)!));
    assert.deepEqual(concatenate(content), bytes);
    framesOf(frames, bytes).forEach((frame, index) => assert.equal(frame, made[index]));
    const other = bytesOf(noise(2, 100));
    assert.deepEqual(expandFrame(framesOf(frames, other)[0]!, 100), other);
    assert.notEqual(framesOf(frames, bytes)[0], made[0], "one is kept");
  },
});

Deno.test({
  name: "what shrinks to next to nothing is stored as it is",
  ignore: !hasZstd(),
  fn() {
    const [frame] = framesOf(new ManifestFrames(), bytesOf("D /aaaaaaaa\n".repeat(10_000)));
    assert.ok(contentSize(frame!)! <= MANIFEST_EXPANSION * frame!.length);
  },
});
