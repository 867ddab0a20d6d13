import assert from "node:assert/strict";
import fc from "fast-check";
import {
  argumentsOf,
  choosesAnew,
  downloadArguments,
  DOWNLOADING,
  selectArguments,
  understand,
  valuesBehind,
  valuesOf,
  withoutOptions,
  type ZeroInstallCall,
  type ZeroInstallOption,
} from "../../lib/zeroinstall/command_line.ts";

const URI = "http://example.com/prog.xml";

const UNDERSTOOD: Readonly<Record<string, [string[], ZeroInstallCall]>> = {
  "a URI": [["run", URI], { command: "run", options: [], args: [URI] }],
  "the program's options": [
    ["run", URI, "--version", "-c", "--"],
    { command: "run", options: [], args: [URI, "--version", "-c", "--"] },
  ],
  "options before the command": [
    ["-cv", "--with-store=/s", "run", URI],
    {
      command: "run",
      options: [
        { name: "--console", values: [] },
        { name: "--verbose", values: [] },
        { name: "--with-store", values: ["/s"] },
      ],
      args: [URI],
    },
  ],
  "values joined and apart": [
    ["run", "-mx", "-w", "gdb -x", "--before", "2", "--cpu=", URI],
    {
      command: "run",
      options: [
        { name: "--main", values: ["x"] },
        { name: "--wrapper", values: ["gdb -x"] },
        { name: "--before", values: ["2"] },
        { name: "--cpu", values: [""] },
      ],
      args: [URI],
    },
  ],
  "a value in a cluster of short options": [
    ["run", "-cmpath", URI],
    {
      command: "run",
      options: [{ name: "--console", values: [] }, { name: "--main", values: ["path"] }],
      args: [URI],
    },
  ],
  "an option of two values": [
    ["download", "--version-for=http://x/", "1..", URI, "--version-for", "http://y/", "2"],
    {
      command: "download",
      options: [
        { name: "--version-for", values: ["http://x/", "1.."] },
        { name: "--version-for", values: ["http://y/", "2"] },
      ],
      args: [URI],
    },
  ],
  "options behind the arguments, but for run": [
    ["add", "name", URI, "-o"],
    { command: "add", options: [{ name: "--offline", values: [] }], args: ["name", URI] },
  ],
  "the end of the options": [
    ["run", "--", "-odd", "-c"],
    { command: "run", options: [], args: ["-odd", "-c"] },
  ],
  "a dash, which 0install takes for no options at all": [
    ["run", "-", URI],
    { command: "run", options: [], args: [URI] },
  ],
};

for (const [name, [args, call]] of Object.entries(UNDERSTOOD)) {
  Deno.test(`a call of 0install is understood: ${name}`, () => {
    assert.deepEqual(understand(args), call);
  });
}

const LEFT_ALONE: Readonly<Record<string, string[]>> = {
  "nothing": [],
  "another command": ["store", "list"],
  "help": ["run", "--help"],
  "help in a cluster": ["run", "-ch", URI],
  "a trial": ["run", "--dry-run", URI],
  "the version": ["--version"],
  "an unknown option": ["run", "--unheard-of", URI],
  "an unknown short option": ["run", "-cz", URI],
  "a missing value": ["run", "--main"],
  "one value of two": ["download", "--version-for", "http://x/"],
  "a value too many": ["run", "--console=yes", URI],
};

for (const [name, args] of Object.entries(LEFT_ALONE)) {
  Deno.test(`a call of 0install is left to itself: ${name}`, () => {
    assert.equal(understand(args), undefined);
  });
}

const value = fc.oneof(fc.constantFrom("", "-c", "--", "run", "a=b"), fc.string());

const option = fc.oneof(
  fc.tuple(
    fc.constantFrom("--console", "--gui", "--refresh", "--offline", "--source", "--xml"),
    fc.constant([]),
  ),
  fc.tuple(
    fc.constantFrom("--main", "--version", "--with-store", "--message"),
    fc.tuple(value),
  ),
  fc.tuple(fc.constant("--version-for"), fc.tuple(value, value)),
).map(([name, values]): ZeroInstallOption => ({ name, values }));

const call = fc.tuple(fc.constantFrom(...DOWNLOADING), fc.array(option), fc.array(value))
  .map(([command, options, args]): ZeroInstallCall => ({ command, options, args }));

Deno.test("the arguments of a call are understood as that call", () => {
  fc.assert(fc.property(call, (call) => {
    assert.deepEqual(understand(argumentsOf(call)), call);
  }));
});

Deno.test("whatever is typed is understood or left alone, and what is understood is stable", () => {
  const word = fc.oneof(
    fc.constantFrom("run", "download", "-c", "-m", "--", "-", "--version-for", "--main=x", "-cvm"),
    fc.string(),
  );
  fc.assert(fc.property(fc.array(word), (args) => {
    const call = understand(args);
    if (call !== undefined) assert.deepEqual(understand(argumentsOf(call)), call);
  }));
});

Deno.test("an option is never taken for the argument that it has behind it", () => {
  fc.assert(fc.property(option, value, ({ name, values }, next) => {
    const joined = [`${name}=${values[0]}`, ...values.slice(1), next];
    const apart = [name, ...values, next];
    for (const words of values.length === 0 ? [apart] : [joined, apart]) {
      assert.deepEqual(words.slice(1 + valuesBehind(words[0]!)), [next]);
    }
  }));
});

Deno.test("selecting has the options that say what may be chosen and how, and no others", () => {
  const call = understand([
    ...["run", "-cvm", "x", "-wgdb", "--version", "1", "--version-for=u", "2", "-o", "-r", "-g"],
    ...["--message=m", "--with-store=/s", URI, "--version"],
  ])!;
  assert.deepEqual(selectArguments(call, URI), [
    ...["select", "--xml", "--console", "--verbose", "--version=1", "--version-for=u", "2"],
    ...["--offline", "--refresh", "--gui", "--message=m", "--with-store=/s", "--", URI],
  ]);
  assert.deepEqual(downloadArguments(call, "/f.xml"), [
    ...["download", "--console", "--verbose", "--message=m", "--with-store=/s", "--", "/f.xml"],
  ]);
  assert.equal(choosesAnew(call), true);
  assert.deepEqual(valuesOf(call, "--with-store"), ["/s"]);
  const plain = withoutOptions(call, "--refresh", "--gui", "--version", "--version-for");
  assert.equal(choosesAnew(plain), false);
});
