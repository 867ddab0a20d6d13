import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { CompressedPieces } from "../../lib/serve/compressed_pieces.ts";
import type { Held } from "../../lib/serve/held.ts";
import { Holdings } from "../../lib/serve/holdings.ts";
import { PieceReader } from "../../lib/serve/piece_reader.ts";
import { compressFrame, hasZstd } from "../../lib/wire/zstd.ts";
import { ZSTD_LEVELS, type ZstdLevel } from "../../lib/wire/zstd_calls.ts";
import { Scratch } from "../store/sample.ts";
import { file } from "../vectors/trees.ts";
import { Download } from "./downloads.ts";
import { addImplementation, addTree, incompressible, noise } from "./implementations.ts";

const PIECE = 262_144;

/** Tells how often a piece was read, which is how often it was not kept. */
class CountingReader extends PieceReader {
  reads = 0;

  override piece(piece: number, room: Uint8Array): Uint8Array {
    this.reads++;
    return super.piece(piece, room);
  }
}

class Fixture implements Disposable {
  readonly scratch = new Scratch();
  readonly store = this.scratch.directory("store");
  readonly holdings = new Holdings([this.store], () => {});
  now = 0;

  pieces(room: number): CompressedPieces {
    return new CompressedPieces({ room, now: () => this.now, processor: () => 0 });
  }

  async held(seed: number, count: number): Promise<Held> {
    const added = await addImplementation(this.store, [file("f", noise(seed, count * PIECE))]);
    return this.holdings.find(added.digest)!;
  }

  [Symbol.dispose](): void {
    this.scratch[Symbol.dispose]();
  }
}

/** Which of the first pieces have to be read to get their frames. */
function readOf(pieces: CompressedPieces, held: Held, count: number): number[] {
  return Array.from({ length: count }, (_, piece) => piece).filter((piece) => {
    const reader = new CountingReader(held, 0, count - 1);
    const frame = pieces.frameOf(held, piece, reader)!;
    assert.equal(zstdDecompressSync(frame).length, PIECE);
    reader.close();
    return reader.reads > 0;
  });
}

const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore: !hasZstd(), fn });

test("a piece is compressed once, and again when it was forgotten", async () => {
  using fixture = new Fixture();
  const pieces = fixture.pieces(1e9);
  const held = await fixture.held(1, 3);
  assert.deepEqual(readOf(pieces, held, 3), [0, 1, 2]);
  assert.deepEqual(readOf(pieces, held, 3), []);
  pieces.forget(held.digest);
  assert.deepEqual(readOf(pieces, held, 3), [0, 1, 2]);
});

/** Puts other bytes of the same number in a file's place, as damage, or as what mends it. */
const CHANGES: Record<string, (path: string, bytes: Uint8Array) => void> = {
  "written over": (path, bytes) => Deno.writeFileSync(path, bytes, { create: false }),
  "replaced": (path, bytes) => {
    const { mtime } = Deno.statSync(path);
    Deno.removeSync(path);
    Deno.writeFileSync(path, bytes);
    Deno.utimeSync(path, mtime!, mtime!);
  },
};

for (const [what, change] of Object.entries(CHANGES)) {
  test(`of a file that is ${what} no piece is given as it was before`, async () => {
    using fixture = new Fixture();
    const pieces = fixture.pieces(1e9);
    const held = await fixture.held(1, 3);
    const right = Deno.readFileSync(`${held.path}/f`);
    const wrong = right.map((byte) => byte ^ 1);
    const frame = () => {
      const reader = new PieceReader(held, 1, 1);
      const bytes = new Uint8Array(zstdDecompressSync(pieces.frameOf(held, 1, reader)!));
      reader.close();
      return bytes;
    };
    for (const bytes of [wrong, right]) {
      change(`${held.path}/f`, bytes);
      assert.ok(frame().every((byte, at) => byte === bytes[PIECE + at]));
      assert.deepEqual(readOf(pieces, held, 3), [0, 2]);
      // Times are in milliseconds, and those of a file system in ticks of several.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
}

test("what is read on from a file that was replaced meanwhile is not kept for the new one", async () => {
  using fixture = new Fixture();
  const pieces = fixture.pieces(1e9);
  const held = await fixture.held(1, 3);
  const reader = new PieceReader(held, 0, 2);
  pieces.frameOf(held, 0, reader);
  const right = Deno.readFileSync(`${held.path}/f`);
  CHANGES["replaced"]!(`${held.path}/f`, right);
  pieces.frameOf(held, 1, reader);
  reader.close();
  assert.deepEqual(readOf(pieces, held, 2), [0, 1]);
});

test("a file that is hashed with its piece need not be looked at again", async () => {
  using fixture = new Fixture();
  const added = await addImplementation(fixture.store, [file("f", noise(1, PIECE))]);
  const held = fixture.holdings.find(added.digest)!;
  const pieces = fixture.pieces(1e9);
  assert.deepEqual(readOf(pieces, held, 1), [0]);
  Deno.removeSync(`${held.path}/f`);
  assert.deepEqual(readOf(pieces, held, 1), []);
});

test("that a piece does not shrink is remembered, too", async () => {
  using fixture = new Fixture();
  const { digest } = await addTree(
    fixture.store,
    (root) => Deno.writeFileSync(`${root}/f`, incompressible(1, PIECE)),
  );
  const held = fixture.holdings.find(digest)!;
  const pieces = fixture.pieces(1e9);
  const reader = new CountingReader(held, 0, 0);
  assert.equal(pieces.frameOf(held, 0, reader), undefined);
  assert.equal(pieces.frameOf(held, 0, reader), undefined);
  assert.equal(reader.reads, 1);
  assert.equal(pieces.sourceOf(held, 0, 0, reader), undefined);
  reader.close();
});

test("where there is not room for all, what is kept stays for the next who begins at the start", async () => {
  using fixture = new Fixture();
  const held = await fixture.held(1, 4);
  // Letters take about five bits of eight.
  const pieces = fixture.pieces(2.5 * PIECE * 0.62);
  assert.deepEqual(readOf(pieces, held, 4), [0, 1, 2, 3]);
  assert.deepEqual(readOf(pieces, held, 4), [2, 3]);
  assert.deepEqual(readOf(pieces, held, 4), [2, 3]);
});

test("what is in use keeps its room, and gives it up when it is not", async () => {
  using fixture = new Fixture();
  const [first, second] = [await fixture.held(1, 2), await fixture.held(2, 2)];
  const pieces = fixture.pieces(2.5 * PIECE * 0.62);
  readOf(pieces, first, 2);
  assert.deepEqual(readOf(pieces, second, 2), [0, 1]);
  assert.deepEqual(readOf(pieces, first, 2), []);
  fixture.now += 3_600_000;
  assert.deepEqual(readOf(pieces, second, 2), [0, 1]);
  assert.deepEqual(readOf(pieces, second, 2), []);
  assert.deepEqual(readOf(pieces, first, 2), [0, 1]);
});

test("a piece of a download that was taken back and got anew is not the old one", async () => {
  using fixture = new Fixture();
  const origin = await addImplementation(
    fixture.scratch.directory("origin"),
    [file("f", noise(1, 2 * PIECE))],
  );
  using download = new Download(fixture.store, origin);
  const right = Deno.readFileSync(`${download.tree}/f`);
  const wrong = right.slice();
  wrong[7]! ^= 1;
  download.set(2, 0);
  const held = fixture.holdings.findAny(origin.digest)!;
  const pieces = fixture.pieces(1e9);
  const frame = () => {
    const reader = new PieceReader(held, 0, 0);
    try {
      return new Uint8Array(zstdDecompressSync(pieces.frameOf(held, 0, reader)!));
    } finally {
      reader.close();
    }
  };
  Deno.writeFileSync(`${download.tree}/f`, wrong);
  assert.deepEqual(frame(), wrong.slice(0, PIECE));
  Deno.writeFileSync(`${download.tree}/f`, right);
  assert.deepEqual(frame(), right.slice(0, PIECE));
});

/** The level of the last of twelve pieces, when the wire takes half a second for each. */
function lastLevel(fixture: Fixture, held: Held): ZstdLevel | undefined {
  const pieces = fixture.pieces(1e9);
  const frames = Array.from({ length: 12 }, (_, piece) => {
    const reader = new PieceReader(held, piece, piece);
    fixture.now += 500;
    const frame = pieces.frameOf(held, piece, reader);
    reader.close();
    return frame;
  });
  const bytes = Deno.readFileSync(`${held.path}/f`).slice(11 * PIECE);
  const found = hash("sha256", frames.at(-1)!);
  return ZSTD_LEVELS.find((level) => hash("sha256", compressFrame(bytes, level)) === found);
}

test("over a slow wire pieces are compressed well; of a download, whose machine is busy, fast", async () => {
  using fixture = new Fixture();
  const elsewhere = fixture.scratch.directory("origin");
  const origin = await addImplementation(elsewhere, [file("f", noise(1, 12 * PIECE))]);
  const whole = new Holdings([elsewhere], () => {}).find(origin.digest)!;
  assert.equal(lastLevel(fixture, whole), 6);
  using download = new Download(fixture.store, origin);
  download.set(2, ...Array(12).keys());
  const part = fixture.holdings.findAny(origin.digest)!;
  assert.equal(lastLevel(fixture, part), 1);
});

test("a piece of a download is given on as it came, as long as it is that piece", async () => {
  using fixture = new Fixture();
  const origin = await addImplementation(
    fixture.scratch.directory("origin"),
    [file("f", noise(1, 2 * PIECE))],
  );
  using download = new Download(fixture.store, origin);
  const bytes = Deno.readFileSync(`${download.tree}/f`).slice(0, PIECE);
  download.set(2, 0);
  const held = fixture.holdings.findAny(origin.digest)!;
  const pieces = fixture.pieces(1e9);
  const reader = new PieceReader(held, 0, 0);
  // Another level than this program's: it is known by that.
  const frame = new Uint8Array(zstdCompressSync(bytes, { params: { 100: 9 } }));
  const sha256 = hash("sha256", bytes, "hex");
  pieces.keep(origin.digest, { piece: 0, size: bytes.length, sha256, frame });
  assert.deepEqual(pieces.frameOf(held, 0, reader), frame);
  const other = bytes.slice();
  other[7]! ^= 1;
  Deno.writeFileSync(`${download.tree}/f`, other);
  Deno.truncateSync(`${download.tree}/f`, 2 * PIECE);
  const again = new PieceReader(held, 0, 0);
  assert.notDeepEqual(pieces.frameOf(held, 0, again), frame);
  for (const opened of [reader, again]) opened.close();
});
