import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeName,
  encodeName,
  formatName,
  labelOf,
  type NamePlaces,
  sameName,
} from "../../lib/wire/dns_name.ts";
import { name } from "./dns_arbitraries.ts";

/** Bytes of a message with this text as its first label and what follows. */
function raw(...parts: (string | number)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number" ? [part] : [...new TextEncoder().encode(part)]
    ),
  );
}

Deno.test("names that follow each other are read as they were written, however short", () => {
  fc.assert(fc.property(fc.array(name, { maxLength: 6 }), (names) => {
    const places: NamePlaces = new Map();
    const bytes: number[] = [];
    for (const one of names) bytes.push(...encodeName(one, bytes.length, places));
    const message = Uint8Array.from(bytes);
    let at = 0;
    for (const one of names) {
      const found = decodeName(message, at, message.length)!;
      assert.deepEqual(found.name, one);
      at = found.end;
    }
    assert.equal(at, message.length);
  }));
});

Deno.test("what came before is only pointed to", () => {
  const places: NamePlaces = new Map();
  const first = encodeName(["a", "local"], 12, places);
  const second = encodeName(["b", "local"], 12 + first.length, places);
  assert.deepEqual(second, [1, 98, 0xc0, 14]);
  assert.deepEqual(encodeName(["A", "local"], 40, places), [1, 65, 0xc0, 14]);
});

Deno.test("a dot in a label is no end of it, and letter case is no difference", () => {
  assert.ok(!sameName(["a.b", "local"], ["a", "b", "local"]));
  assert.ok(!sameName(["a\\", "b"], ["a\\.b"]));
  assert.ok(sameName(["OFFICE", "local"], ["office", "LOCAL"]));
  assert.ok(!sameName(["GRÖSSE"], ["grösse"]));
  assert.equal(formatName(["a.b\\c", "local"]), "a\\.b\\\\c.local");
});

Deno.test("what is no name is refused, on both sides", () => {
  for (const bad of [[""], ["a".repeat(64)], Array(130).fill("a"), Array(5).fill("a".repeat(60))]) {
    assert.throws(() => encodeName(bad), RangeError);
  }
  const long = Array.from({ length: 5 }, () => [60, "a".repeat(60)]).flat();
  const bad: Record<string, Uint8Array> = {
    "nothing": raw(),
    "no end": raw(1, "a"),
    "a label that is cut off": raw(5, "abc"),
    "a pointer to itself": raw(0xc0, 0),
    "a pointer that is cut off": raw(0xc0),
    "a pointer forward": raw(0xc0, 2, 0),
    "a label of an unknown kind": raw(0x41, "a", 0),
    "too many labels": raw(...Array.from({ length: 128 }, () => [1, "a"]).flat(), 0),
    "too many bytes": raw(...long, 0),
  };
  for (const [what, bytes] of Object.entries(bad)) {
    assert.equal(decodeName(bytes, 0, bytes.length), undefined, what);
  }
});

Deno.test("a pointer leads out of what it stands in, but a label does not", () => {
  const message = raw(1, "a", 0, 0xc0, 0, 1, "b", 0);
  assert.deepEqual(decodeName(message, 3, 5), { name: ["a"], labels: 1, end: 5 });
  assert.equal(decodeName(message, 5, 7), undefined);
  assert.deepEqual(decodeName(message, 5, 8), { name: ["b"], labels: 1, end: 8 });
});

Deno.test("pointers to pointers are followed, but not for ever", () => {
  const chain = (count: number) => {
    const bytes = [0];
    let last = 0;
    for (let index = 0; index < count; index++) {
      bytes.push(0xc0 | last >> 8, last & 0xff);
      last = bytes.length - 2;
    }
    return decodeName(Uint8Array.from(bytes), last, bytes.length);
  };
  assert.deepEqual(chain(16)?.name, []);
  assert.equal(chain(17), undefined);
});

Deno.test("a name that is no UTF-8 is one of no text, and a byte order mark stays", () => {
  const message = Uint8Array.from([2, 0xff, 97, 4, 0xef, 0xbb, 0xbf, 98, 0, 0xc0, 3, 0xc0, 0, 9]);
  assert.deepEqual(decodeName(message, 0, message.length), { name: undefined, labels: 2, end: 9 });
  assert.deepEqual(decodeName(message, 9, 11), { name: ["\ufeffb"], labels: 1, end: 11 });
  assert.deepEqual(decodeName(message, 11, 13), { name: undefined, labels: 2, end: 13 });
});

Deno.test("any bytes are a name that can be written, one of no text, or none", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, at) => {
    const found = decodeName(bytes, at, bytes.length);
    assert.ok(found === undefined || found.end <= bytes.length);
    if (found?.name !== undefined) assert.doesNotThrow(() => encodeName(found.name!));
  }));
});

Deno.test("a label takes of a text what fits, as whole characters", () => {
  assert.equal(labelOf("a\tb\nc"), "abc");
  assert.equal(labelOf("ä".repeat(40)), "ä".repeat(31));
  assert.equal(labelOf("\ud800x"), "x");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const label = labelOf(text);
    if (label !== "") assert.doesNotThrow(() => encodeName([label]));
  }));
});
