import assert from "node:assert/strict";
import fc from "fast-check";
import { Suppliers } from "../../../lib/fetch/assembly/suppliers.ts";

Deno.test("who sent what is here is known byte by byte, in any order", () => {
  const step = fc.record({
    start: fc.nat(40),
    size: fc.integer({ min: 1, max: 12 }),
    from: fc.constantFrom("a", "b", "c", undefined),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
    const suppliers = new Suppliers();
    const model = new Array<string | undefined>(60).fill(undefined);
    for (const { start, size, from } of steps) {
      const end = start + size;
      if (from === undefined) {
        const lost = suppliers.lost(3, start, end);
        for (const name of ["a", "b", "c"]) {
          const bytes = model.slice(start, end).filter((other) => other === name).length;
          assert.equal(lost.get(name) ?? 0, bytes);
        }
      } // Only what is missing is ever received.
      else if (model.slice(start, end).some((other) => other !== undefined)) continue;
      else suppliers.received(3, start, end, from);
      model.fill(from, start, end);
      for (const within of [{ start: 0, end: 60 }, { start: 20, end: 30 }]) {
        const senders = model.slice(within.start, within.end);
        const expected = new Set(senders.filter((other) => other !== undefined));
        assert.deepEqual(suppliers.of(3, within), expected);
        assert.deepEqual(suppliers.of(4, within), new Set());
      }
    }
  }));
});
