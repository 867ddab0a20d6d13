import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { decodeBitfield, encodeBitfield } from "../../lib/wire/bitfield.ts";

const flags = fc.array(fc.constantFrom(0, 1), { maxLength: 300 }).map((bits) =>
  Uint8Array.from(bits)
);

/** The same by bytes and the system's base64. */
function byBytes(flags: Uint8Array): string {
  const bytes = new Uint8Array(Math.ceil(flags.length / 8));
  flags.forEach((flag, index) => bytes[index >> 3]! |= flag << (7 - index % 8));
  return Buffer.from(bytes).toString("base64url");
}

Deno.test("the first piece is the most significant bit", () => {
  const of = (...flags: number[]) => encodeBitfield(Uint8Array.from(flags));
  assert.equal(of(), "");
  assert.equal(of(0), "AA");
  assert.equal(of(1), "gA");
  assert.equal(of(0, 0, 0, 0, 0, 0, 0, 1), "AQ");
  assert.equal(of(1, 1, 1, 1, 1, 1, 1, 1, 1), "_4A");
});

Deno.test("a bitfield is base64url of its bytes without padding, and reads as what it was", () => {
  fc.assert(fc.property(flags, (flags) => {
    const text = encodeBitfield(flags);
    assert.equal(text, byBytes(flags));
    assert.deepEqual(decodeBitfield(text, flags.length), flags);
  }));
});

Deno.test("2,048 pieces take 342 characters", () => {
  assert.equal(encodeBitfield(new Uint8Array(2048).fill(1)).length, 342);
});

Deno.test("a bitfield has one spelling", () => {
  const not: [text: string, count: number][] = [
    ["", 1],
    ["A", 1],
    ["AA", 0],
    ["AA", 9],
    ["AAA", 8],
    ["AA==", 8],
    ["A+", 8],
    ["/w", 8],
    ["A ", 8],
    ["\u{1d400}", 8],
    // Bits behind the last piece.
    ["AB", 8],
    ["AAE", 15],
    ["AAD", 16],
    ["QA", 1],
  ];
  for (const [text, count] of not) {
    assert.equal(decodeBitfield(text, count), undefined, `${text} for ${count}`);
  }
});

Deno.test("reads whatever text without throwing, and what it finds is spelled like that", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.stringMatching(/^[AQgw_-]{0,6}$/),
  );
  fc.assert(fc.property(text, fc.nat(40), (text, count) => {
    const found = decodeBitfield(text, count);
    if (found !== undefined) assert.equal(encodeBitfield(found), text);
  }));
});
