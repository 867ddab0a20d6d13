import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { InvalidManifest } from "../../lib/errors.ts";
import { ALGORITHMS } from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import type { Entry } from "../../lib/manifest/entry.ts";
import { contentStream } from "../../lib/manifest/layout.ts";
import { formatManifest, parseManifest, readManifest } from "../../lib/manifest/manifest.ts";
import { ANY_NAME, entriesOf, FEW_NAMES, models, plain } from "./model.ts";

const ALGORITHM = fc.constantFrom(...ALGORITHMS);
const MODEL = fc.oneof(models(FEW_NAMES), models(ANY_NAME));

function manifestOf(algorithm: typeof ALGORITHMS[number], model: Parameters<typeof entriesOf>[1]) {
  return { algorithm, entries: entriesOf(algorithm, model), ambiguous: false };
}

Deno.test("every tree's manifest is read back as it was, unless it is ambiguous", () => {
  let ambiguous = 0;
  fc.assert(
    fc.property(ALGORITHM, MODEL, (algorithm, model) => {
      const manifest = manifestOf(algorithm, model);
      const bytes = formatManifest(manifest);
      const parsed = plain(parseManifest(algorithm, bytes));
      if (parsed.ambiguous) {
        ambiguous++;
        assert.equal(algorithm, "sha1");
      } else {
        assert.deepEqual(parsed, manifest);
      }
      assert.deepEqual(formatManifest(parsed), bytes);
      assert.deepEqual(plain(readManifest(digestOf(algorithm, bytes), bytes)), parsed);
    }),
    { numRuns: 500 },
  );
  assert.ok(ambiguous > 0, "no tree was ambiguous");
});

Deno.test("entries are the same in whatever order they are asked for, and there are no others", () => {
  fc.assert(fc.property(ALGORITHM, MODEL, fc.array(fc.nat()), (algorithm, model, order) => {
    const { entries } = parseManifest(algorithm, formatManifest(manifestOf(algorithm, model)));
    const all = [...entries];
    assert.equal(entries.length, all.length);
    fc.pre(all.length > 0);
    for (const which of order) {
      assert.deepEqual(entries.at(which % all.length), all[which % all.length]);
    }
    for (const index of [all.length, all.length + 1]) assert.equal(entries.at(index), undefined);
  }));
});

Deno.test("the contents of a manifest that was read are those of its entries", () => {
  fc.assert(fc.property(ALGORITHM, MODEL, (algorithm, model) => {
    const manifest = manifestOf(algorithm, model);
    const read = contentStream(plain(manifest));
    const parsed = contentStream(parseManifest(algorithm, formatManifest(manifest)));
    const seen = ({ size, extents }: typeof read) => ({
      size,
      extents: [...extents].map(({ index, offset, size, hash, entries }) => ({
        ...{ index, offset, size, hash },
        names: entries.map(({ name }) => name),
      })),
    });
    assert.deepEqual(seen(parsed), seen(read));
  }));
});

Deno.test("an ambiguous manifest has the same directories and names as its tree", () => {
  fc.assert(fc.property(MODEL, (model) => {
    const manifest = manifestOf("sha1", model);
    const parsed = plain(parseManifest("sha1", formatManifest(manifest)));
    const strip = ({ kind, name, directory }: Entry) =>
      kind === "directory" ? { kind, name, directory } : { kind, name };
    assert.deepEqual(parsed.entries.map(strip), manifest.entries.map(strip));
  }));
});

Deno.test("a manifest with one byte changed is refused, or read and written as it is", () => {
  let refused = 0;
  let read = 0;
  const change = fc.record({
    at: fc.nat(),
    remove: fc.constantFrom(0, 1),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 1 }),
      fc.constantFrom(..."\n /.0-aDFSX").map((character) => new TextEncoder().encode(character)),
    ),
  });
  fc.assert(
    fc.property(ALGORITHM, MODEL, change, (algorithm, model, { at, remove, insert }) => {
      const original = formatManifest(manifestOf(algorithm, model));
      const index = at % (original.length + 1);
      const bytes = new Uint8Array(Buffer.concat([
        original.subarray(0, index),
        insert,
        original.subarray(index + remove),
      ]));
      try {
        assert.deepEqual(formatManifest(plain(parseManifest(algorithm, bytes))), bytes);
        read++;
      } catch (error) {
        if (!(error instanceof InvalidManifest)) throw error;
        refused++;
      }
    }),
    { numRuns: 1000 },
  );
  assert.ok(refused > 0 && read > 0, `${refused} refused, ${read} read`);
});

Deno.test("a manifest with its lines in another order is refused, or read and written as it is", () => {
  fc.assert(fc.property(ALGORITHM, MODEL, fc.nat(), fc.nat(), (algorithm, model, from, to) => {
    const entries = entriesOf(algorithm, model);
    fc.pre(entries.length > 1);
    const moved = entries.splice(from % entries.length, 1);
    entries.splice(to % (entries.length + 1), 0, ...moved);
    const bytes = formatManifest({ algorithm, entries, ambiguous: false });
    try {
      assert.deepEqual(formatManifest(plain(parseManifest(algorithm, bytes))), bytes);
    } catch (error) {
      if (!(error instanceof InvalidManifest)) throw error;
    }
  }));
});
