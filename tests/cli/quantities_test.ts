import assert from "node:assert/strict";
import fc from "fast-check";
import { count, formatBytes, formatDuration, parseRate } from "../../lib/cli/quantities.ts";

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

const RATES: [text: string, rate: number | undefined][] = [
  ["1000", 1000],
  ["500k", 500_000],
  ["500kB/s", 500_000],
  ["2M", 2_000_000],
  ["2 MB", 2_000_000],
  ["1.5MB/s", 1_500_000],
  ["1G", 1e9],
  ["800Ki", 819_200],
  ["2 MiB/s", 2_097_152],
  ["1.0005k", 1001],
  ["1000000B", 1_000_000],
  ["999", undefined],
  ["0", undefined],
  ["0.5k", undefined],
  ["", undefined],
  ["k", undefined],
  ["-2M", undefined],
  [" 2M", undefined],
  ["2M ", undefined],
  [".5M", undefined],
  ["5.M", undefined],
  ["1e6", undefined],
  ["8Mb", undefined],
  ["8Mbit", undefined],
  ["8Mb/s", undefined],
  ["2MB/h", undefined],
  ["2T", undefined],
  ["1,5M", undefined],
  ["999999999999G", undefined],
  ["Infinity", undefined],
];

for (const [text, rate] of RATES) {
  Deno.test(`the rate ${JSON.stringify(text)} is ${rate ?? "none"}`, () => {
    assert.equal(parseRate(text), rate);
  });
}
