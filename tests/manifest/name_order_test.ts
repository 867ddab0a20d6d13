import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { compareNames } from "../../lib/manifest/name_order.ts";

Deno.test("sorts names by their UTF-8 bytes", () => {
  const name = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.constantFrom("a", "\ud7ff", "\ue000", "\uff5e", "\u{10000}", "\u{10ffff}"), {
      maxLength: 4,
    }).map((all) => all.join("")),
  );
  fc.assert(fc.property(name, name, (a, b) => {
    const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
    assert.equal(Math.sign(compareNames(a, b)), expected);
  }));
});

Deno.test("sorts a character beyond 16 bits after the last one within", () => {
  assert.ok("\u{1f600}" < "\uff5e", "UTF-16 has the other order");
  assert.ok(compareNames("\u{1f600}", "\uff5e") > 0);
});
