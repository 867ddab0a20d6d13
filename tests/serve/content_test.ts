import assert from "node:assert/strict";
import fc from "fast-check";
import { DamagedImplementation } from "../../lib/errors.ts";
import { contentStream } from "../../lib/manifest/layout.ts";
import { ContentReader } from "../../lib/serve/content.ts";
import type { Held } from "../../lib/serve/held.ts";
import { KnownFiles } from "../../lib/serve/known_files.ts";
import { CHUNK_SIZE } from "../../lib/wire/limits.ts";
import { needs } from "../skips.ts";
import { Scratch } from "../store/sample.ts";
import { directory, file, type Node } from "../vectors/trees.ts";
import {
  addImplementation,
  concatenate,
  type Implementation,
  noise,
  streamOf,
  TREES,
} from "./implementations.ts";

function heldOf(implementation: Implementation): Held {
  return { ...implementation, stream: contentStream(implementation.manifest) };
}

/** All that a reader gives before it ends or fails. */
function readAll(
  reader: ContentReader,
): { bytes: Uint8Array<ArrayBuffer>; error: unknown } {
  const chunks: Uint8Array[] = [];
  try {
    for (let chunk; (chunk = reader.next()) !== undefined;) {
      assert.ok(chunk.length > 0 && chunk.length <= CHUNK_SIZE, `${chunk.length}`);
      chunks.push(chunk);
    }
    return { bytes: concatenate(chunks), error: undefined };
  } catch (error) {
    return { bytes: concatenate(chunks), error };
  } finally {
    reader.close();
  }
}

Deno.test({
  name: "every range is that slice of the contents laid end to end",
  ...needs("posix"),
  async fn() {
    await fc.assert(
      fc.asyncProperty(
        TREES,
        fc.constantFrom("sha256new" as const, "sha1new" as const, "sha256" as const),
        fc.array(
          fc.tuple(
            fc.double({ min: 0, max: 1, noNaN: true }),
            fc.double({
              min: 0,
              max: 1,
              noNaN: true,
            }),
          ),
          { minLength: 1, maxLength: 6 },
        ),
        async (nodes, algorithm, ranges) => {
          using scratch = new Scratch();
          const implementation = await addImplementation(scratch.path, nodes, algorithm);
          const held = heldOf(implementation);
          const expected = streamOf(implementation);
          assert.equal(held.stream.size, expected.length);
          const { size } = held.stream;
          for (const [first, second] of [[0, 1] as const, ...ranges]) {
            const start = Math.floor(first * size);
            const end = start + Math.ceil(second * (size - start));
            const { bytes, error } = readAll(new ContentReader(held, start, end));
            assert.equal(error, undefined);
            assert.deepEqual(bytes, expected.slice(start, end));
          }
        },
      ),
      { numRuns: 40 },
    );
  },
});

/** Changes one byte and nothing else that can be seen from outside. */
function flip(path: string, at: number): void {
  using opened = Deno.openSync(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  opened.seekSync(at, Deno.SeekMode.Start);
  opened.readSync(byte);
  byte[0]! ^= 1;
  opened.seekSync(at, Deno.SeekMode.Start);
  opened.writeSync(byte);
}

const FILES: readonly Node[] = [
  file("1", noise(1, 1000)),
  file("2", noise(2, 2 * CHUNK_SIZE + 5)),
  file("3", noise(3, 10)),
];

Deno.test("the end of a file with a changed byte never comes out when all of it is asked for", async () => {
  for (const at of [0, CHUNK_SIZE, 2 * CHUNK_SIZE + 4]) {
    using scratch = new Scratch();
    const implementation = await addImplementation(scratch.path, FILES);
    flip(`${implementation.path}/2`, at);
    const held = heldOf(implementation);
    const end = 1000 + 2 * CHUNK_SIZE + 5;
    for (const [from, to] of [[0, held.stream.size], [0, end], [1000, end]] as const) {
      const { bytes, error } = readAll(new ContentReader(held, from, to));
      assert.ok(error instanceof DamagedImplementation, `at ${at}: ${from} to ${to}`);
      assert.equal(error.path, "2");
      assert.ok(from + bytes.length < end);
    }
  }
});

Deno.test("a damaged file does not keep ranges back that have nothing of it", async () => {
  using scratch = new Scratch();
  const implementation = await addImplementation(scratch.path, FILES);
  const expected = streamOf(implementation);
  flip(`${implementation.path}/2`, 0);
  const held = heldOf(implementation);
  const last = held.stream.size - 10;
  assert.deepEqual(readAll(new ContentReader(held, 0, 1000)).bytes, expected.slice(0, 1000));
  assert.deepEqual(readAll(new ContentReader(held, last, last + 10)).bytes, expected.slice(last));
});

Deno.test("a range that stops short of a file's end is not checked, as it cannot be", async () => {
  using scratch = new Scratch();
  const implementation = await addImplementation(scratch.path, FILES);
  flip(`${implementation.path}/1`, 0);
  const { bytes, error } = readAll(new ContentReader(heldOf(implementation), 0, 999));
  assert.equal(error, undefined);
  assert.equal(bytes.length, 999);
});

Deno.test("a file that shrinks while it is read breaks the answer off", async () => {
  using scratch = new Scratch();
  const implementation = await addImplementation(scratch.path, FILES);
  const held = heldOf(implementation);
  const reader = new ContentReader(held, 1000, held.stream.size);
  reader.next();
  Deno.truncateSync(`${implementation.path}/2`, CHUNK_SIZE + 1);
  const { error } = readAll(reader);
  assert.ok(error instanceof DamagedImplementation);
  assert.match(error.message, /it shrank/);
});

Deno.test("a file that grows while it is read is given as it was", async () => {
  using scratch = new Scratch();
  const implementation = await addImplementation(scratch.path, FILES);
  const expected = streamOf(implementation);
  const held = heldOf(implementation);
  const reader = new ContentReader(held, 0, held.stream.size);
  const first = reader.next()!;
  Deno.truncateSync(`${implementation.path}/2`, 3 * CHUNK_SIZE);
  const { bytes, error } = readAll(reader);
  assert.equal(error, undefined);
  assert.deepEqual(concatenate([first, bytes]), expected);
});

Deno.test("a reader that is closed midway, or twice, leaves no file open", async () => {
  using scratch = new Scratch();
  const held = heldOf(await addImplementation(scratch.path, FILES));
  const reader = new ContentReader(held, 0, held.stream.size);
  reader.next();
  reader.close();
  reader.close();
});

Deno.test({
  name: "a symlink with another target of the same length breaks the answer off",
  ...needs("posix"),
  async fn() {
    using scratch = new Scratch();
    const implementation = await addImplementation(scratch.path, [
      { kind: "symlink", path: "link", target: "right" },
      file("z", "behind it"),
    ]);
    Deno.removeSync(`${implementation.path}/link`);
    Deno.symlinkSync("wrong", `${implementation.path}/link`);
    const held = heldOf(implementation);
    const { bytes, error } = readAll(new ContentReader(held, 0, held.stream.size));
    assert.ok(error instanceof DamagedImplementation);
    assert.equal(bytes.length, 0);
  },
});

Deno.test({
  name: "of a file that is in part outside of the range nothing is read behind a new symlink",
  ...needs("posix"),
  async fn() {
    using scratch = new Scratch();
    const elsewhere = scratch.directory("elsewhere");
    Deno.writeTextFileSync(`${elsewhere}/b`, "SECRET".repeat(100));
    const implementation = await addImplementation(scratch.directory("store"), [
      directory("d"),
      file("d/a", noise(1, 2 * CHUNK_SIZE)),
      file("d/b", noise(2, 600)),
    ]);
    const held = heldOf(implementation);
    const reader = new ContentReader(held, 0, held.stream.size - 1);
    reader.next();
    Deno.renameSync(`${implementation.path}/d`, `${implementation.path}/was`);
    Deno.symlinkSync(elsewhere, `${implementation.path}/d`);
    const { bytes, error } = readAll(reader);
    assert.ok(error instanceof DamagedImplementation);
    assert.equal(bytes.length, CHUNK_SIZE);
  },
});

Deno.test("a file whose hash is known, and that is changed while it is read, is not given out to its end", async () => {
  using scratch = new Scratch();
  const size = 4 * CHUNK_SIZE;
  const store = scratch.directory("store");
  const implementation = await addImplementation(store, [file("f", noise(1, size))]);
  class AllKnown extends KnownFiles {
    override has(): boolean {
      return true;
    }
  }
  const reader = new ContentReader(heldOf(implementation), 0, size, { known: new AllKnown() });
  assert.ok(reader.next() !== undefined);
  const path = `${implementation.path}/f`;
  Deno.chmodSync(path, 0o644);
  using changing = Deno.openSync(path, { write: true });
  changing.seekSync(size - 1, Deno.SeekMode.Start);
  changing.writeSync(new Uint8Array(1));
  const { bytes, error } = readAll(reader);
  assert.ok(error instanceof DamagedImplementation, String(error));
  assert.match(error.message, /changed while it was read/);
  assert.ok(bytes.length < size - CHUNK_SIZE);
});
