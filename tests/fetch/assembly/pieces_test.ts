import assert from "node:assert/strict";
import fc from "fast-check";
import { type PieceListener, Pieces } from "../../../lib/fetch/assembly/pieces.ts";
import type { Digest } from "../../../lib/manifest/digest.ts";
import type { Entry } from "../../../lib/manifest/entry.ts";
import { type ContentStream, contentStream, type Extent } from "../../../lib/manifest/layout.ts";
import { readPieceStates } from "../../../lib/store/piece_file.ts";
import { openStaging } from "../../../lib/store/staging.ts";
import { Scratch } from "../../store/sample.ts";

const DIGEST = `sha1new=${"a".repeat(40)}` as Digest;
const PIECE = 262_144;

function streamOf(sizes: readonly number[]): ContentStream {
  const entries = sizes.map((size, index): Entry => {
    const name = String(index);
    return { kind: "file", directory: "", name, hash: name, size, mtime: 0, executable: false };
  });
  return contentStream({ algorithm: "sha1new", entries, ambiguous: false });
}

/** What may be done with a content: its bytes come in two parts, are lost, are found right. */
const STEP = fc.record({
  extent: fc.nat(20),
  what: fc.constantFrom("first half", "second half", "lost", "verified", "match", "unmatch"),
  from: fc.constantFrom("a", "b", "c"),
});

Deno.test("what is said of pieces in staging is what is so, in any order of events", async () => {
  const sizes = fc.array(fc.integer({ min: 2, max: 400_000 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.array(STEP, { maxLength: 40 }), async (sizes, steps) => {
      using scratch = new Scratch();
      using staging = await openStaging(scratch.path, DIGEST, {
        signal: new AbortController().signal,
        alsoIn: [],
        onWait: () => {},
      });
      const stream = streamOf(sizes);
      using pieces = new Pieces(stream);
      pieces.open(staging.store, DIGEST);
      const { map } = pieces;
      const here = new Uint8Array(stream.size);
      const right = new Uint8Array(stream.size);
      const matched = new Uint8Array(map.count);
      const events: string[] = [];
      pieces.listener = new Told(events);
      const all = (flags: Uint8Array, piece: number) => {
        const { start, end } = map.rangeOf(piece);
        return flags.subarray(start, end).every((flag) => flag === 1);
      };
      for (const { extent: choose, what, from } of steps) {
        const extent = stream.extents.at(choose % stream.extents.length);
        const { offset, size } = extent;
        const end = offset + size;
        const half = offset + (size >> 1);
        const expected: string[] = [];
        const before = Array.from(matched, (_, piece) => all(here, piece));
        const fill = (start: number, end: number) => {
          if (here[start] === 1) return;
          here.fill(1, start, end);
          for (const [piece, was] of before.entries()) {
            if (!was && all(here, piece)) expected.push(`arrived ${piece}`);
          }
          pieces.received(start, end, from);
        };
        if (what === "first half") fill(offset, half);
        else if (what === "second half") fill(half, end);
        else if (what === "lost") {
          if (here[offset] === 0 || here[half] === 0 || right[offset] === 1) continue;
          here.fill(0, offset, end);
          for (const [piece, was] of before.entries()) {
            if (!was || all(here, piece)) continue;
            expected.push(`missing ${piece}`);
            matched[piece] = 0;
          }
          pieces.lost(offset, end);
        } else if (what === "verified") {
          if (here[offset] === 0 || here[half] === 0 || right[offset] === 1) continue;
          right.fill(1, offset, end);
          expected.push(`settled ${offset}`);
          pieces.verified(extent);
        } else if (what === "match") {
          const piece = choose % map.count;
          if (!all(here, piece)) continue;
          matched[piece] = 1;
          pieces.match(piece);
        } else {
          matched.fill(0);
          pieces.unmatch();
        }
        assert.deepEqual(events.splice(0), expected);
        const states = Array.from(
          matched,
          (flag, piece) => !all(here, piece) ? 0 : flag === 1 || all(right, piece) ? 2 : 1,
        );
        assert.deepEqual([...readPieceStates(staging.store, DIGEST)!], states);
        for (const [piece, state] of states.entries()) {
          assert.equal(pieces.isShared(piece), state === 2);
        }
      }
    }),
    { numRuns: 40 },
  );
});

const ALL = { start: 0, end: Infinity };

class Told implements PieceListener {
  constructor(readonly events: string[]) {}
  arrived = (piece: number) => void this.events.push(`arrived ${piece}`);
  wasted = () => {};
  missing = (piece: number) => void this.events.push(`missing ${piece}`);
  doubted = (index: number) => void this.events.push(`doubted ${index}`);
  settled = ({ offset }: Extent) => void this.events.push(`settled ${offset}`);
}

Deno.test("what came before the file was begun is in it", async () => {
  using scratch = new Scratch();
  using staging = await openStaging(scratch.path, DIGEST, {
    signal: new AbortController().signal,
    alsoIn: [],
    onWait: () => {},
  });
  const stream = streamOf([PIECE, PIECE, 100]);
  using pieces = new Pieces(stream);
  pieces.received(0, 2 * PIECE, "a");
  pieces.verified(stream.extents.at(0));
  pieces.open(staging.store, DIGEST);
  assert.deepEqual([...readPieceStates(staging.store, DIGEST)!], [2, 1, 0]);
});

Deno.test("of each piece it is known who sent what is here of it", () => {
  const pieces = new Pieces(streamOf([2 * PIECE]));
  pieces.received(0, 100, "a");
  pieces.received(100, PIECE + 100, "b");
  assert.deepEqual(pieces.suppliersOf(0, ALL), new Set(["a", "b"]));
  assert.deepEqual(pieces.suppliersOf(1, ALL), new Set(["b"]));
  pieces.lost(0, PIECE);
  assert.deepEqual(pieces.suppliersOf(0, ALL), new Set());
  assert.deepEqual(pieces.suppliersOf(1, ALL), new Set(["b"]));
  pieces.received(0, PIECE, "c");
  assert.deepEqual(pieces.suppliersOf(0, ALL), new Set(["c"]));
});

Deno.test("who sent another file's part of a piece is not forgotten with this file's", () => {
  const pieces = new Pieces(streamOf([PIECE / 2, PIECE / 2]));
  pieces.received(0, PIECE / 2, "a");
  pieces.received(PIECE / 2, PIECE, "b");
  pieces.lost(0, PIECE / 2);
  assert.deepEqual(pieces.suppliersOf(0, ALL), new Set(["b"]));
  pieces.received(0, PIECE / 2, "c");
  assert.deepEqual(pieces.suppliersOf(0, ALL), new Set(["b", "c"]));
});

Deno.test("who sent what is lost before the piece was whole is not blamed for the rest", () => {
  const pieces = new Pieces(streamOf([PIECE / 2, PIECE / 2]));
  pieces.received(0, PIECE / 2, "a");
  pieces.lost(0, PIECE / 2);
  pieces.received(0, PIECE, "b");
  assert.deepEqual(pieces.suppliersOf(0, ALL), new Set(["b"]));
});
