import assert from "node:assert/strict";
import { PeerFailed, PeerLied } from "../../../lib/errors.ts";
import { expanding } from "../../../lib/fetch/peer/expanding.ts";
import { compressFrame, hasZstd, storedFrame } from "../../../lib/wire/zstd.ts";
import { contentSize } from "../../../lib/wire/zstd_frames.ts";
import { concatenate, incompressible } from "../../serve/implementations.ts";

const MOST = 300_000;

/** Frames of these contents, end to end, in parts of so many bytes. */
async function* partsOf(contents: readonly Uint8Array[], size: number): AsyncGenerator<Uint8Array> {
  const bytes = concatenate(
    contents.map((content, index) =>
      index % 2 === 0 ? compressFrame(content) : storedFrame(content)
    ),
  );
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

function expand(parts: AsyncIterable<Uint8Array>) {
  return expanding(parts, {
    peer: "peer",
    what: "frames",
    most: MOST,
    sizeOf: (frame) => contentSize(frame)!,
  });
}

Deno.test({
  name: "answers that come at the same time do not get into each other's frames, nor later ones",
  ignore: !hasZstd(),
  async fn() {
    for (let round = 0; round < 3; round++) {
      const answers = Array.from(
        { length: 20 },
        (_, answer) =>
          Array.from(
            { length: 3 },
            (_, n) =>
              incompressible(100 * round + 5 * answer + n, n === 2 ? 1000 * answer + 1 : MOST),
          ),
      );
      await Promise.all(answers.map(async (contents, answer) => {
        const found: Uint8Array[] = [];
        for await (const { bytes } of expand(partsOf(contents, 10_000 + answer))) {
          const before = bytes.slice();
          await Promise.resolve();
          assert.ok(bytes.every((byte, at) => byte === before[at]));
          found.push(before);
        }
        assert.equal(found.length, 3);
        found.forEach((bytes, n) =>
          assert.ok(bytes.every((byte, at) => byte === contents[n]![at]))
        );
      }));
    }
  },
});

Deno.test({
  name: "what comes after an answer that was wrong or broke off is not touched by it",
  ignore: !hasZstd(),
  async fn() {
    const content = incompressible(1, 5000);
    async function* broken() {
      yield storedFrame(content).subarray(0, 3000);
      await Promise.resolve();
    }
    await assert.rejects(Array.fromAsync(expand(broken())), PeerFailed);
    async function* wrong() {
      yield new Uint8Array(100);
      await Promise.resolve();
    }
    await assert.rejects(Array.fromAsync(expand(wrong())), PeerLied);
    for await (const { bytes } of expand(partsOf([content], 700))) {
      assert.deepEqual(bytes.slice(), content);
    }
  },
});
