import assert from "node:assert/strict";
import { Transfers } from "../../lib/serve/transfers.ts";
import { MAX_TRANSFERS, MAX_TRANSFERS_PER_ADDRESS } from "../../lib/wire/limits.ts";

Deno.test("an address gets its own places and no more, and others still get theirs", () => {
  const transfers = new Transfers();
  for (let index = 0; index < MAX_TRANSFERS_PER_ADDRESS; index++) {
    assert.ok(transfers.begin("a") !== undefined);
  }
  assert.equal(transfers.begin("a"), undefined);
  assert.ok(transfers.begin("b") !== undefined);
});

Deno.test("all addresses together get a bounded number of places", () => {
  const transfers = new Transfers();
  for (let index = 0; index < MAX_TRANSFERS; index++) {
    assert.ok(transfers.begin(`address ${index}`) !== undefined);
  }
  assert.equal(transfers.begin("late"), undefined);
});

Deno.test("a place that is given back twice is free once", () => {
  const transfers = new Transfers();
  const leave = Array.from({ length: MAX_TRANSFERS_PER_ADDRESS }, () => transfers.begin("a")!);
  leave[0]!();
  leave[0]!();
  assert.ok(transfers.begin("a") !== undefined);
  assert.equal(transfers.begin("a"), undefined);
});

Deno.test("a refused transfer takes no place", () => {
  const transfers = new Transfers();
  const leave = Array.from({ length: MAX_TRANSFERS }, (_, index) => transfers.begin(`${index}`)!);
  for (let index = 0; index < MAX_TRANSFERS; index++) transfers.begin("late");
  leave.forEach((give) => give());
  for (let index = 0; index < MAX_TRANSFERS; index++) {
    assert.ok(transfers.begin(`again ${index}`) !== undefined);
  }
});
