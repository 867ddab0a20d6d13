import assert from "node:assert/strict";
import fc from "fast-check";
import { idOfLine, lineOfId, randomHex } from "../../lib/wire/server_id.ts";
import { id } from "./arbitraries.ts";

Deno.test("the line of an id gives the id", () => {
  fc.assert(fc.property(id, (id) => assert.equal(idOfLine(lineOfId(id)), id)));
});

Deno.test("an id has one line: every other spelling is none, or another id", () => {
  const nearly = fc.tuple(id, fc.nat(18), fc.constantFrom("", " ", "0", "f", "F", "\n", "\r", "é"))
    .map(([id, at, insert]) => {
      const line = `id ${id}`;
      return line.slice(0, at) + insert + line.slice(at + 1);
    });
  fc.assert(fc.property(fc.oneof(nearly, fc.string()), (line) => {
    const found = idOfLine(line);
    if (found !== undefined) assert.equal(lineOfId(found), line);
  }));
});

Deno.test("ids of one's own are 64 bits, as they are sent, and never twice the same", () => {
  const ids = new Set(Array.from({ length: 1000 }, randomHex));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.equal(idOfLine(lineOfId(id)), id);
  // A byte below 16 has a leading 0.
  assert.ok([...ids].some((id) => /^(..)*0/.test(id)));
});
