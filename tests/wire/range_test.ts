import assert from "node:assert/strict";
import fc from "fast-check";
import { formatContentRange, formatUnsatisfiedRange, parseRange } from "../../lib/wire/range.ts";

const SIZE = 10_000;

Deno.test("reads the ranges of RFC 9110, section 14.1.2", () => {
  const ranges: [string, ReturnType<typeof parseRange>][] = [
    ["bytes=0-499", { start: 0, end: 500 }],
    ["bytes=500-999", { start: 500, end: 1000 }],
    ["bytes=-500", { start: 9500, end: 10_000 }],
    ["bytes=9500-", { start: 9500, end: 10_000 }],
    ["bytes=0-0", { start: 0, end: 1 }],
    ["bytes=0-", { start: 0, end: 10_000 }],
    ["bytes=9999-9999", { start: 9999, end: 10_000 }],
    ["bytes=0-99999", { start: 0, end: 10_000 }],
    ["bytes=-99999", { start: 0, end: 10_000 }],
    ["BYTES=0-1", { start: 0, end: 2 }],
    ["bytes= 0-1 ", { start: 0, end: 2 }],
    ["bytes=,0-1,", { start: 0, end: 2 }],
    [`bytes=1-${"9".repeat(400)}`, { start: 1, end: 10_000 }],
    [`bytes=-${"9".repeat(400)}`, { start: 0, end: 10_000 }],
  ];
  for (const [header, range] of ranges) assert.deepEqual(parseRange(header, SIZE), range, header);
});

Deno.test("a range that begins behind the end, or is empty, cannot be satisfied", () => {
  for (
    const header of ["bytes=10000-", "bytes=10000-10001", "bytes=-0", `bytes=${"9".repeat(400)}-`]
  ) {
    assert.equal(parseRange(header, SIZE), "unsatisfiable", header);
  }
  assert.equal(parseRange("bytes=0-", 0), "unsatisfiable");
  assert.equal(parseRange("bytes=0-0", 0), "unsatisfiable");
});

Deno.test("all is sent for several ranges, other units, and what cannot be read", () => {
  const headers = [
    null,
    "",
    "bytes",
    "bytes=",
    "bytes=-",
    "bytes=,",
    "bytes=1",
    "bytes=2-1",
    "bytes=0-1,3-4",
    "bytes=a-b",
    "bytes=0x1-2",
    "bytes=+0-1",
    "bytes=0-1.5",
    "bytes=0--1",
    "bytes=--1",
    "bytes=0 - 1",
    "bytes 0-1",
    "items=0-1",
    "bytes=0-1\n",
  ];
  for (const header of headers) assert.equal(parseRange(header, SIZE), undefined, String(header));
  assert.equal(parseRange("bytes=-5", 0), undefined);
});

Deno.test("whatever is asked for, what is found lies inside", () => {
  const header = fc.oneof(
    fc.string(),
    fc.tuple(fc.nat(), fc.nat()).map(([first, last]) => `bytes=${first}-${last}`),
    fc.stringMatching(/^bytes=[-0-9, ]{0,20}$/),
  );
  fc.assert(fc.property(header, fc.maxSafeNat(), (header, size) => {
    const range = parseRange(header, size);
    if (range === undefined || range === "unsatisfiable") return;
    assert.ok(range.start >= 0 && range.start < range.end && range.end <= size);
  }));
});

Deno.test("a Content-Range names the first byte, the last one, and the size", () => {
  assert.equal(formatContentRange(0, 500, 1234), "bytes 0-499/1234");
});

Deno.test("a range that cannot be satisfied is answered with the size", () => {
  assert.equal(formatUnsatisfiedRange(1234), "bytes */1234");
});
