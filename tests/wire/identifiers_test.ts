import assert from "node:assert/strict";
import fc from "fast-check";
import {
  idOfLine,
  lineOfId,
  lineOfNonce,
  nonceOfLine,
  randomHex,
} from "../../lib/wire/identifiers.ts";
import { id, nonce } from "./arbitraries.ts";

/** Both kinds, with identifiers of each. */
const KINDS = [
  { kind: "id", identifier: id, read: idOfLine, write: lineOfId },
  { kind: "nonce", identifier: nonce, read: nonceOfLine, write: lineOfNonce },
];

for (const { kind, identifier, read, write } of KINDS) {
  Deno.test(`the line of an identifier gives it (${kind})`, () => {
    fc.assert(fc.property(identifier, (one) => {
      assert.equal(write(one), `${kind} ${one}`);
      assert.equal(read(write(one)), one);
    }));
  });

  Deno.test(`an identifier has one line: every other is none, or another's (${kind})`, () => {
    const change = fc.constantFrom("", " ", "0", "f", "F", "\n", "\r", "é");
    const nearly = fc.tuple(identifier, fc.nat(21), change).map(([one, at, insert]) => {
      const line = `${kind} ${one}`;
      return line.slice(0, at) + insert + line.slice(at + 1);
    });
    fc.assert(fc.property(fc.oneof(nearly, fc.string()), (line) => {
      const found = read(line);
      if (found !== undefined) assert.equal(write(found), line);
    }));
  });

  Deno.test(`what is no identifier is not sent (${kind})`, () => {
    for (const bad of ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF"]) {
      const message = `Cannot send ${kind}: expected 16 hexadecimal digits, found "${bad}"`;
      assert.throws(() => write(bad), { name: "TypeError", message });
    }
  });
}

Deno.test("the line of one kind is none of the other", () => {
  assert.equal(idOfLine(lineOfNonce("0123456789abcdef")), undefined);
  assert.equal(nonceOfLine(lineOfId("0123456789abcdef")), undefined);
});

Deno.test("ids of one's own are 64 bits, as they are sent, and never twice the same", () => {
  const ids = new Set(Array.from({ length: 1000 }, randomHex));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.equal(idOfLine(lineOfId(id)), id);
  // A byte below 16 has a leading 0.
  assert.ok([...ids].some((id) => /^(..)*0/.test(id)));
});
