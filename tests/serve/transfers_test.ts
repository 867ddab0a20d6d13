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

/** Lets an address take what it gets, and says how many places that are. */
function takeAll(transfers: Transfers, address: string): number {
  let taken = 0;
  while (transfers.begin(address) !== undefined) taken++;
  return taken;
}

Deno.test("a few addresses that take all they get leave places for others", () => {
  const transfers = new Transfers();
  assert.equal(takeAll(transfers, "a"), MAX_TRANSFERS_PER_ADDRESS);
  for (const address of ["b", "c", "d", "e", "f", "g", "h"]) takeAll(transfers, address);
  assert.ok(takeAll(transfers, "late") > 0);
});

Deno.test("who has no place gets the last one, and nobody else does", () => {
  const transfers = new Transfers(3);
  assert.ok(transfers.begin("a") !== undefined);
  assert.equal(transfers.begin("a"), undefined);
  assert.ok(transfers.begin("b") !== undefined);
  assert.ok(transfers.begin("c") !== undefined);
  assert.equal(transfers.begin("d"), undefined);
});

Deno.test("a room of machines shares the places", () => {
  const transfers = new Transfers();
  const machines = Array.from({ length: 30 }, (_, index) => `machine ${index}`);
  for (const machine of machines) assert.ok(transfers.begin(machine) !== undefined, machine);
  const more = machines.filter((machine) => transfers.begin(machine) !== undefined);
  assert.ok(more.length > 20, `${more.length} have a second one`);
});
