import { MANIFEST_EXPANSION, MANIFEST_FRAME_SIZE } from "../wire/limits.ts";
import { compressFrame, storedFrame } from "../wire/zstd.ts";
import type { Source } from "./body.ts";

/**
 * A manifest as zstd frames. Those of the one that was asked for last are kept as long as it is: a
 * room of machines asks for the same at once.
 */
export class ManifestFrames {
  #kept = new WeakMap<Uint8Array, Uint8Array<ArrayBuffer>[]>();

  /** The frames one after the other, each made when it is wanted. Only where `hasZstd`. */
  sourceOf(bytes: Uint8Array<ArrayBuffer>): Source {
    let frames = this.#kept.get(bytes);
    if (frames === undefined) this.#kept = new WeakMap([[bytes, frames = []]]);
    let next = 0;
    return {
      next: () => {
        const at = next * MANIFEST_FRAME_SIZE;
        if (at >= bytes.length) return undefined;
        return frames[next++] ??= frameOf(bytes.subarray(at, at + MANIFEST_FRAME_SIZE));
      },
      close: () => {},
    };
  }
}

function frameOf(part: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = compressFrame(part);
  return frame.length * MANIFEST_EXPANSION < part.length ? storedFrame(part) : frame;
}
