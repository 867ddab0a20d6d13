import assert from "node:assert/strict";
import fc from "fast-check";
import { pieceSize } from "../../lib/manifest/layout.ts";
import {
  type Availability,
  formatAvailability,
  parseAvailability,
  pieceCount,
} from "../../lib/wire/availability.ts";
import { MAX_AVAILABILITY_SIZE } from "../../lib/wire/limits.ts";

const KIB = 1024;

const size = fc.oneof(fc.nat(5_000_000), fc.maxSafeNat());

const availability: fc.Arbitrary<Availability> = size.chain((size) =>
  fc.record({
    size: fc.constant(size),
    pieceSize: fc.constant(pieceSize(size)),
    pieces: fc.oneof(
      fc.constant("all" as const),
      fc.array(fc.constantFrom(0, 1), {
        minLength: pieceCount(size),
        maxLength: pieceCount(size),
      }).map((bits) => Uint8Array.from(bits)),
    ),
  }, { noNullPrototype: true })
);

Deno.test("what is said of the pieces is what is read, and is never long", () => {
  fc.assert(fc.property(availability, (availability) => {
    const text = formatAvailability(availability);
    assert.ok(text.length <= MAX_AVAILABILITY_SIZE);
    assert.deepEqual(parseAvailability(text), availability);
  }));
});

Deno.test("pieces are 256 KiB, of which the last is shorter, and never more than 2,048", () => {
  const count = (size: number) => [size, pieceCount(size)];
  assert.deepEqual([0, 1, 256 * KIB, 256 * KIB + 1].map(count), [
    [0, 0],
    [1, 1],
    [256 * KIB, 1],
    [256 * KIB + 1, 2],
  ]);
  fc.assert(fc.property(size, (size) => {
    assert.ok(pieceCount(size) <= 2048);
    assert.ok(pieceCount(size) * pieceSize(size) >= size);
  }));
});

Deno.test("members that are not known are ignored", () => {
  assert.deepEqual(parseAvailability(`{"x":1,"size":3,"pieceSize":262144,"pieces":"gA"}`), {
    size: 3,
    pieceSize: 262_144,
    pieces: Uint8Array.of(1),
  });
});

Deno.test("what does not go together is nothing", () => {
  const not = [
    "",
    "null",
    "[]",
    "7",
    `"all"`,
    `{"size":3,"pieceSize":262144}`,
    `{"size":3,"pieceSize":262144,"pieces":"ALL"}`,
    `{"size":3,"pieceSize":262144,"pieces":["all"]}`,
    `{"size":3,"pieceSize":262144,"pieces":""}`,
    `{"size":3,"pieceSize":262144,"pieces":"gAA"}`,
    `{"size":3,"pieceSize":262144,"pieces":"wA"}`,
    `{"size":3,"pieceSize":524288,"pieces":"all"}`,
    `{"size":3,"pieceSize":"262144","pieces":"all"}`,
    `{"size":"3","pieceSize":262144,"pieces":"all"}`,
    `{"size":-3,"pieceSize":262144,"pieces":"all"}`,
    `{"size":-0,"pieceSize":262144,"pieces":"all"}`,
    `{"size":3.5,"pieceSize":262144,"pieces":"all"}`,
    `{"size":1e300,"pieceSize":262144,"pieces":"all"}`,
    `{"size":9007199254740993,"pieceSize":262144,"pieces":"all"}`,
    `{"size":3,"pieceSize":262144,"pieces":"all"}${" ".repeat(MAX_AVAILABILITY_SIZE)}`,
  ];
  for (const text of not) assert.equal(parseAvailability(text), undefined, text);
});

Deno.test("reads whatever JSON without throwing", () => {
  fc.assert(fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
    const found = parseAvailability(text);
    if (found !== undefined) assert.deepEqual(parseAvailability(formatAvailability(found)), found);
  }));
});
