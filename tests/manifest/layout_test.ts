import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidManifest } from "../../lib/errors.ts";
import type { Entry, FileEntry } from "../../lib/manifest/entry.ts";
import { contentStream, extentIndexAt, pieceSize } from "../../lib/manifest/layout.ts";
import type { Manifest } from "../../lib/manifest/manifest.ts";

function fileOf(name: string, hash: string, size: number): FileEntry {
  return { kind: "file", directory: "", name, hash, size, mtime: 0, executable: false };
}

function manifestOf(entries: readonly Entry[]): Manifest {
  return { algorithm: "sha256new", entries, ambiguous: false };
}

/** Few hashes and sizes, so that they meet in all combinations. */
const manifests = fc.array(
  fc.record({
    kind: fc.constantFrom("file", "symlink", "directory"),
    hash: fc.constantFrom("h1", "h2", "h3"),
    size: fc.oneof(fc.constantFrom(0, 1, 2), fc.nat(2 ** 40)),
  }),
).map((items) =>
  manifestOf(items.map(({ kind, hash, size }, index): Entry => {
    const name = String(index);
    if (kind === "directory") return { kind, directory: "", name };
    if (kind === "symlink") return { kind, directory: "", name, hash, size: size + 1 };
    return fileOf(name, hash, size);
  }))
);

Deno.test("lays contents end to end in manifest order", () => {
  const link: Entry = { kind: "symlink", directory: "", name: "link", hash: "h2", size: 3 };
  const stream = contentStream(manifestOf([
    fileOf("a", "h1", 5),
    link,
    { kind: "directory", directory: "", name: "d" },
    { ...fileOf("b", "h3", 7), directory: "d" },
  ]));
  assert.equal(stream.size, 15);
  assert.deepEqual(
    [...stream.extents].map(({ offset, size, hash, first }) => [offset, size, hash, first.name]),
    [[0, 5, "h1", "a"], [5, 3, "h2", "link"], [8, 7, "h3", "b"]],
  );
});

Deno.test("an empty tree has an empty content stream", () => {
  const { size, extents } = contentStream(manifestOf([]));
  assert.equal(size, 0);
  assert.deepEqual([...extents], []);
});

Deno.test("extents follow each other from 0 without gaps", () => {
  fc.assert(fc.property(manifests, (manifest) => {
    const { size, extents } = contentStream(manifest);
    let end = 0;
    for (const extent of extents) {
      assert.equal(extent.offset, end);
      assert.ok(extent.size > 0);
      end += extent.size;
    }
    assert.equal(size, end);
  }));
});

Deno.test("thousands of contents, some of them alike in part, are told apart", () => {
  const entries = Array.from({ length: 20_000 }, (_, index) => {
    const hash = (index % 7000).toString(16).padStart(64, index % 2 === 0 ? "0" : "f");
    return fileOf(String(index), hash, 1 + index % 3);
  });
  const groups = Map.groupBy(entries, ({ hash, size }) => `${hash} ${size}`);
  const { extents } = contentStream(manifestOf(entries));
  assert.deepEqual([...extents].map((extent) => extent.entries), [...groups.values()]);
});

Deno.test("every content that is not empty is there once, with all its places in order", () => {
  fc.assert(fc.property(manifests, (manifest) => {
    const { extents } = contentStream(manifest);
    const contents = [...manifest.entries].filter((entry) => entry.kind !== "directory")
      .filter((entry) => entry.size > 0);
    const groups = Map.groupBy(contents, ({ hash, size }) => `${hash} ${size}`);
    assert.deepEqual([...extents].map((extent) => extent.entries), [...groups.values()]);
    for (const { hash, size, first, entries } of extents) {
      assert.equal(entries[0], first);
      for (const entry of entries) {
        assert.ok(entry.hash === hash && entry.size === size);
      }
    }
  }));
});

Deno.test("finds the extent of each byte", () => {
  fc.assert(fc.property(manifests, fc.double({ min: 0, max: 1, noNaN: true }), (manifest, at) => {
    const stream = contentStream(manifest);
    for (const { index, offset, size } of stream.extents) {
      const within = Math.min(size - 1, Math.floor(at * size));
      for (const byte of [offset, offset + within, offset + size - 1]) {
        assert.equal(extentIndexAt(stream, byte), index);
      }
    }
  }));
});

Deno.test("refuses to find a byte outside the content stream", () => {
  const stream = contentStream(manifestOf([fileOf("a", "h1", 5)]));
  for (const offset of [-1, 5, NaN, Infinity]) {
    assert.throws(() => extentIndexAt(stream, offset), RangeError);
  }
  assert.throws(() => extentIndexAt(contentStream(manifestOf([])), 0), RangeError);
});

Deno.test("is exact up to 2^53 - 1 bytes and refuses more", () => {
  const huge = fileOf("a", "h1", Number.MAX_SAFE_INTEGER - 1);
  const stream = contentStream(manifestOf([huge, fileOf("b", "h2", 1)]));
  assert.equal(stream.size, Number.MAX_SAFE_INTEGER);
  assert.equal(extentIndexAt(stream, Number.MAX_SAFE_INTEGER - 1), 1);
  assert.throws(
    () => contentStream(manifestOf([huge, fileOf("b", "h2", 2)])),
    InvalidManifest,
  );
});

Deno.test("a piece is 256 KiB up to 64 MiB, then 512 KiB or what makes at most 2,048 pieces", () => {
  for (
    const [stream, piece] of [
      [0, 18],
      [1, 18],
      [2 ** 26, 18],
      [2 ** 26 + 1, 19],
      [2 ** 30, 19],
      [2 ** 30 + 1, 20],
      [2 ** 32, 21],
    ]
  ) {
    assert.equal(pieceSize(stream!), 2 ** piece!);
  }
  fc.assert(fc.property(fc.maxSafeNat(), (size) => {
    const piece = pieceSize(size);
    assert.ok(Number.isInteger(Math.log2(piece)) && piece >= 2 ** 18);
    assert.ok(Math.ceil(size / piece) <= 2048);
    assert.ok(piece <= 2 ** 19 || size > piece / 2 * 2048, "half of it would do");
  }));
});
