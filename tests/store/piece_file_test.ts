import assert from "node:assert/strict";
import { PieceFile, readPieceStates } from "../../lib/store/piece_file.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { needs } from "../skips.ts";
import { Scratch } from "./sample.ts";
import type { Digest } from "../../lib/manifest/digest.ts";

const DIGEST = `sha1new=${"a".repeat(40)}` as Digest;

Deno.test({
  name: "what is said of pieces is read by others, changed in place, and begun anew as a whole",
  ...needs("posix"),
  async fn() {
    using scratch = new Scratch();
    using staging = await openStaging(scratch.path, DIGEST);
    assert.equal(readPieceStates(staging.store, DIGEST), undefined);
    using first = new PieceFile(staging.store, DIGEST, Uint8Array.of(0, 1, 2));
    first.set(0, 2);
    assert.deepEqual([...readPieceStates(staging.store, DIGEST)!], [2, 1, 2]);
    using second = new PieceFile(staging.store, DIGEST, Uint8Array.of(1, 0, 0));
    second.set(2, 1);
    assert.deepEqual([...readPieceStates(staging.store, DIGEST)!], [1, 0, 1]);
  },
});

Deno.test({
  name: "a tree that is emptied has no pieces that others could take from what comes into it",
  ...needs("posix"),
  async fn() {
    using scratch = new Scratch();
    using staging = await openStaging(scratch.path, DIGEST);
    using pieces = new PieceFile(staging.store, DIGEST, Uint8Array.of(2, 2));
    staging.reset();
    assert.equal(readPieceStates(staging.store, DIGEST), undefined);
    // Whoever still has it open changes nothing that anybody reads.
    pieces.set(0, 2);
    assert.equal(readPieceStates(staging.store, DIGEST), undefined);
  },
});
