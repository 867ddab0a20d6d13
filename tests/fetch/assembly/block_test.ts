import assert from "node:assert/strict";
import type { Assembly } from "../../../lib/fetch/assembly/assembly.ts";
import { Block } from "../../../lib/fetch/assembly/block.ts";
import { BLOCK_SIZE } from "../../../lib/wire/limits.ts";

for (const [when, ...parts] of [["full", BLOCK_SIZE - 1, 1], ["flushed", 100]] as const) {
  Deno.test(`what could not be written when a block was ${when} is not written again`, () => {
    let writes = 0;
    const full = {
      write() {
        writes++;
        throw new Error("no space left on the device");
      },
      wholeFilesEnd: (_start: number, end: number) => end,
    } as unknown as Assembly;
    const block = new Block(full, 0, "peer");
    assert.throws(() => {
      for (const size of parts) block.push(new Uint8Array(size));
      block.flush();
    }, /no space left/);
    block.flush();
    assert.equal(writes, 1);
  });
}
