import assert from "node:assert/strict";
import { type ShareError, UsageError } from "../../lib/errors.ts";
import {
  COMMON_OPTIONS,
  integerOption,
  type Option,
  parseOptions,
  rateOption,
  secondsOption,
} from "../../lib/cli/options.ts";

const OPTIONS: readonly Option[] = [
  { name: "host", short: "H", value: "HOST", many: true, help: "" },
  { name: "port", short: "p", value: "PORT", help: "" },
  { name: "timeout", value: "SECONDS", help: "" },
  { name: "limit", value: "RATE", help: "" },
  { name: "dry", short: "d", help: "" },
];

function parse(...args: string[]) {
  return parseOptions(args, { name: "some", options: OPTIONS });
}

Deno.test("options and arguments may come in any order and spelling", () => {
  for (
    const args of [
      ["A", "--port", "1", "-H", "x", "B", "--dry", "--host=y"],
      ["-d", "-p1", "-Hx", "--host", "y", "A", "B"],
      ["-dp1", "-H", "x", "-H", "y", "--", "A", "B"],
    ]
  ) {
    const parsed = parse(...args);
    assert.deepEqual(parsed.args, ["A", "B"]);
    assert.equal(parsed.get("port"), "1");
    assert.deepEqual(parsed.all("host"), ["x", "y"]);
    assert.equal(parsed.has("dry"), true);
    assert.equal(parsed.has("json"), false);
  }
});

Deno.test("behind -- everything is an argument", () => {
  assert.deepEqual(parse("--", "--port", "-d").args, ["--port", "-d"]);
});

Deno.test("what was not given has no value", () => {
  const parsed = parse();
  assert.deepEqual(parsed.args, []);
  assert.equal(parsed.get("port"), undefined);
  assert.deepEqual(parsed.all("host"), []);
  assert.equal(parsed.has("constructor"), false);
  assert.equal(integerOption(parsed, "port", { min: 0, max: 9 }), undefined);
  assert.equal(secondsOption(parsed, "timeout"), undefined);
});

Deno.test("every command takes the common options", () => {
  for (const { name, short } of COMMON_OPTIONS) {
    assert.equal(parse(`--${name}`).has(name), true);
    if (short !== undefined) assert.equal(parse(`-${short}`).has(name), true);
  }
});

Deno.test("a switch may be repeated, a value may not unless it says so", () => {
  assert.equal(parse("-v", "-v").has("verbose"), true);
  assert.throws(() => parse("-p", "1", "--port=2"), /"--port" was given more than once/);
});

for (
  const args of [
    ["--unknown"],
    ["-x"],
    ["--por", "1"],
    ["--port"],
    ["-p"],
    ["--port", "--dry"],
    ["--dry=yes"],
    ["--no-dry"],
    ["--__proto__"],
    ["--constructor=1"],
    ["-dx"],
  ]
) {
  Deno.test(`refuses ${args.join(" ")} in one line, with a hint`, () => {
    assert.throws(() => parse(...args), (error: ShareError) => {
      assert.ok(error instanceof UsageError);
      assert.doesNotMatch(error.message, /\n|\.$/);
      // Only a command's own help lists its options.
      assert.equal(error.hint, "0share some --help lists its options");
      return true;
    });
  });
}

Deno.test("a whole number is within its bounds", () => {
  const bounds = { min: 0, max: 65535 };
  for (const [text, value] of [["0", 0], ["65535", 65535], ["007", 7]] as const) {
    assert.equal(integerOption(parse("-p", text), "port", bounds), value);
  }
  for (const text of ["65536", "1.0", "1e3", "0x10", "", " 1", "1 ", "+1", "١", "9".repeat(400)]) {
    assert.throws(() => integerOption(parse(`--port=${text}`), "port", bounds), UsageError, text);
  }
  assert.throws(() => integerOption(parse("-p0"), "port", { min: 1, max: 9 }), /from 1 to 9: "0"/);
});

Deno.test("a duration is in seconds, with decimals, and never negative", () => {
  for (const [text, value] of [["5", 5], ["0.25", 0.25], ["0", 0]] as const) {
    assert.equal(secondsOption(parse("--timeout", text), "timeout"), value);
  }
  for (const text of ["-1", ".5", "5.", "1e3", "Infinity", "NaN", "", "5s", "9999999", "1,5"]) {
    assert.throws(() => secondsOption(parse(`--timeout=${text}`), "timeout"), UsageError, text);
  }
});

Deno.test("a duration that is too long is told the range", () => {
  assert.equal(secondsOption(parse("--timeout", "999999"), "timeout"), 999_999);
  for (const text of ["1000000", "999999.5", "99999999"]) {
    assert.throws(
      () => secondsOption(parse("--timeout", text), "timeout"),
      (error: Error) =>
        error.message ===
          `Option "--timeout" needs a number of seconds from 0 to 999999: "${text}"`,
    );
  }
});

Deno.test("a number below zero is a value, to be refused like any that is out of bounds", () => {
  const bounds = { min: 0, max: 65535 };
  for (const spelling of [["-p", "-1"], ["--port", "-1"], ["-p-1"], ["--port=-1"]]) {
    assert.throws(
      () => integerOption(parse("A", ...spelling, "B"), "port", bounds),
      /^UsageError: Option "--port" needs a whole number from 0 to 65535: "-1"$/,
    );
  }
  assert.throws(() => secondsOption(parse("--timeout", "-.5"), "timeout"), /seconds .*: "-.5"$/);
  assert.throws(() => rateOption(parse("--limit", "-5k"), "limit"), /bytes per second.*: "-5k"$/);
  assert.deepEqual(parse("--", "-p", "-1").args, ["-p", "-1"]);
  assert.throws(() => parse("-p", "1", "-1"), /Unknown option '-1'/);
  assert.throws(() => parse("-d", "-1"), /Unknown option '-1'/);
});

Deno.test("a rate is bytes per second with a unit, or refused", () => {
  assert.equal(rateOption(parse(), "limit"), undefined);
  assert.equal(rateOption(parse("--limit", "1.5MB/s"), "limit"), 1_500_000);
  for (const text of ["", "0", "-1k", "8Mbit", "fast"]) {
    assert.throws(() => rateOption(parse(`--limit=${text}`), "limit"), UsageError, text);
  }
});
