/** Implementations that are larger, or have more files, than what one gets from npm. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { type Load, seal } from "./loads.ts";

const BLOCK = 4 * 2 ** 20;

/** `gigabytes` (10^9 bytes) in one file of four fifths of that, and a thousand that share the rest. */
export async function gigabytes(gigabytes: number, store: string): Promise<Load> {
  const name = `${gigabytes} GB`;
  const tree = join(store, "tmp-large");
  mkdirSync(join(tree, "many"), { recursive: true });
  const noise = new Noise();
  await noise.write(join(tree, "one"), gigabytes * 0.8e9);
  for (let i = 0; i < 1000; i++) {
    await noise.write(join(tree, "many", String(i)), gigabytes * 0.2e6);
  }
  return await seal(name, tree, store);
}

/** `count` files of 1 to 4 KB, five hundred in a directory. */
export async function manyFiles(count: number, store: string): Promise<Load> {
  const tree = join(store, "tmp-many");
  const noise = new Noise();
  for (let i = 0; i < count; i++) {
    const directory = join(tree, String(Math.floor(i / 500)));
    if (i % 500 === 0) mkdirSync(directory, { recursive: true });
    Deno.writeFileSync(join(directory, `${i}.js`), noise.next(1000 + (i * 7919) % 3000));
  }
  return await seal(`${count} files`, tree, store);
}

/** Bytes that do not shrink, no two pieces alike, made faster than a disk takes them. */
class Noise {
  #block = new Uint8Array(BLOCK);
  #count = 0;

  constructor() {
    for (let at = 0; at < BLOCK; at += 65_536) {
      crypto.getRandomValues(this.#block.subarray(at, at + 65_536));
    }
  }

  /** Valid until the next call. At most 4 MiB. */
  next(size: number): Uint8Array<ArrayBuffer> {
    const part = this.#block.subarray(0, size);
    // A stamp in every 64 KiB makes each of them new; zstd looks no further back than a piece.
    const stamp = new DataView(part.buffer);
    for (let at = 0; at + 8 <= size; at += 65_536) {
      stamp.setBigUint64(at, BigInt(++this.#count) * 0x9e37_79b9_7f4an);
    }
    return part;
  }

  async write(path: string, size: number): Promise<void> {
    using file = await Deno.open(path, { write: true, createNew: true });
    for (let left = size; left > 0;) {
      const part = this.next(Math.min(left, BLOCK));
      for (let at = 0; at < part.length;) at += await file.write(part.subarray(at));
      left -= part.length;
    }
  }
}
