import assert from "node:assert/strict";
import fc from "fast-check";
import { count, formatBytes, formatDuration } from "../../lib/cli/quantities.ts";

const BYTES: [bytes: number, text: string][] = [
  [0, "0 bytes"],
  [0.4, "0 bytes"],
  [0.6, "1 byte"],
  [1, "1 byte"],
  [1.4, "1 byte"],
  [2, "2 bytes"],
  [999, "999 bytes"],
  [999.4, "999 bytes"],
  [999.6, "1.00 kB"],
  [1000, "1.00 kB"],
  [9994, "9.99 kB"],
  [9996, "10.0 kB"],
  [99_940, "99.9 kB"],
  [99_960, "100 kB"],
  [999_499, "999 kB"],
  [999_501, "1.00 MB"],
  [1_234_567_890, "1.23 GB"],
  [5e12, "5.00 TB"],
  [5e15, "5000 TB"],
];

for (const [bytes, text] of BYTES) {
  Deno.test(`${bytes} bytes are ${text}`, () => assert.equal(formatBytes(bytes), text));
}

Deno.test("a size is told with at most three digits, and to within half a percent", () => {
  const units: Record<string, number> = { kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };
  fc.assert(fc.property(fc.integer({ min: 1000, max: 999 * 10 ** 12 }), (bytes) => {
    const [, number, unit] = /^(\d+(?:\.\d+)?) ([kMGT]B)$/.exec(formatBytes(bytes)) ?? [];
    assert.equal(number!.replace(".", "").length, 3);
    assert.ok(Math.abs(Number(number) * units[unit!]! / bytes - 1) <= 0.005);
  }));
});

const DURATIONS: [seconds: number, text: string][] = [
  [-1, "0 s"],
  [0, "0 s"],
  [7.4, "7 s"],
  [59.4, "59 s"],
  [59.5, "1:00"],
  [185, "3:05"],
  [3599.6, "1:00:00"],
  [7209, "2:00:09"],
  [360_000, "100:00:00"],
];

for (const [seconds, text] of DURATIONS) {
  Deno.test(`${seconds} seconds are ${text}`, () => assert.equal(formatDuration(seconds), text));
}

Deno.test("things are counted, with thousands set apart whatever the locale", () => {
  assert.deepEqual([0, 1, 2, 1234567].map((n) => count(n, "file")), [
    "0 files",
    "1 file",
    "2 files",
    "1,234,567 files",
  ]);
});
