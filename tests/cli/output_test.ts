import assert from "node:assert/strict";
import fc from "fast-check";
import { Output, type OutputOptions, printable } from "../../lib/cli/output.ts";
import { tellError } from "../../lib/cli/tell_error.ts";
import { NobodyHasIt, PeerLied } from "../../lib/errors.ts";

Deno.test("text from elsewhere cannot steer a terminal, and good text stays as it is", () => {
  const cases: [text: string, shown: string][] = [
    ["\x1b[2J", "\ufffd[2J"],
    ["\x9b2J", "\ufffd2J"],
    ["a\r\nb\tc\0", "a\ufffd\ufffdb\ufffdc\ufffd"],
    ["\x7f\x85\u2028\u2029", "\ufffd\ufffd\ufffd\ufffd"],
    ["\u202egnp.exe\u2066", "\ufffdgnp.exe\ufffd"],
    ["\u00e4 \u{1f600} \u4e2d ~", "\u00e4 \u{1f600} \u4e2d ~"],
  ];
  for (const [text, shown] of cases) assert.equal(printable(text), shown);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const shown = printable(text);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(shown, /[\x00-\x1f\x7f-\x9f\u202a-\u202e]/);
    assert.equal(shown.length, text.length);
  }));
});

/** What goes where while `say` speaks, as text. */
function heard(
  options: OutputOptions & { terminal?: boolean },
  say: (output: Output) => void,
): { stdout: string; stderr: string } {
  const said = { stdout: "", stderr: "" };
  const streams = { stdout: Deno.stdout, stderr: Deno.stderr };
  const restore: (() => void)[] = [];
  for (const [name, stream] of Object.entries(streams)) {
    const own = { writeSync: stream.writeSync, isTerminal: stream.isTerminal };
    restore.push(() => Object.assign(stream, own));
    Object.assign(stream, {
      // A pipe may take less than it is given.
      writeSync(bytes: Uint8Array) {
        const part = bytes.subarray(0, 7);
        said[name as "stdout"] += String.fromCharCode(...part);
        return part.length;
      },
      isTerminal: () => options.terminal ?? false,
    });
  }
  try {
    say(new Output(options));
  } finally {
    restore.forEach((undo) => undo());
  }
  return said;
}

function everything(output: Output): void {
  output.info("info");
  output.detail("detail");
  output.warning("warning");
  output.error("error", "hint");
  output.event("name", { field: 1 });
  output.bar("bar");
  output.result("result");
}

const PROBLEMS = "0share: warning: warning\n0share: error: error\n0share: hint: hint\n";

Deno.test("results go to stdout and everything else to stderr, as much as is wanted", () => {
  const levels = {
    quiet: PROBLEMS,
    info: `info\n${PROBLEMS}`,
    verbose: `info\ndetail\n${PROBLEMS}`,
  } as const;
  for (const [level, stderr] of Object.entries(levels)) {
    const said = heard({ level: level as "info", json: false }, everything);
    assert.deepEqual(said, { stdout: "result\n", stderr });
  }
});

Deno.test("a program gets one JSON object a line on stdout, and problems on stderr", () => {
  const { stdout, stderr } = heard({ level: "verbose", json: true, terminal: true }, (output) => {
    output.event("name", { text: "two\nlines" });
    output.info("info");
    output.detail("detail");
    output.bar("bar");
    output.warning("warning");
  });
  assert.deepEqual(JSON.parse(stdout), { event: "name", text: "two\nlines" });
  assert.equal(stdout.trimEnd().includes("\n"), false);
  assert.equal(stderr, "0share: warning: warning\n");
});

Deno.test("the bar is erased before a line, drawn again after it, and gone in the end", () => {
  const { stdout, stderr } = heard({ level: "info", json: false, terminal: true }, (output) => {
    output.bar("50 %");
    output.bar("50 %");
    output.info("line");
    output.result("result");
    output.bar("");
  });
  assert.equal(stderr, "\r50 %\x1b[K" + "\r\x1b[K" + "line\n" + "\r50 %\x1b[K" + "\r\x1b[K");
  assert.equal(stdout, "result\n");
});

Deno.test("there is no bar for a pipe, nor when it shall be quiet", () => {
  for (const options of [{ terminal: false }, { terminal: true, level: "quiet" as const }]) {
    const said = heard({ level: "info", json: false, ...options }, (output) => {
      assert.equal(output.terminal, false);
      output.bar("50 %");
    });
    assert.deepEqual(said, { stdout: "", stderr: "" });
  }
});

Deno.test("who stops listening does not make the program fail", () => {
  const { writeSync } = Deno.stdout;
  Deno.stdout.writeSync = () => {
    throw new Deno.errors.BrokenPipe("Broken pipe");
  };
  try {
    new Output({ level: "info", json: false }).result("result");
  } finally {
    Deno.stdout.writeSync = writeSync;
  }
});

Deno.test("an error is told with its hint, made safe for a terminal, and gives its exit code", () => {
  const { stderr } = heard({ level: "info", json: false }, (output) => {
    assert.equal(tellError(output, new NobodyHasIt(["x"], "nobody\nanswered", "ask them")), 3);
    assert.equal(tellError(output, new PeerLied("evil", "\x1b[2J")), 1);
    assert.equal(tellError(output, new TypeError("a mistake")), 1);
    assert.equal(tellError(output, "a text"), 1);
  });
  assert.ok(!stderr.includes("\x1b"));
  assert.match(stderr, /^0share: error: Nobody has x: nobody\nanswered\n0share: hint: ask them\n/);
  assert.match(stderr, /0share: error: a mistake\n0share: error: a text\n$/);
});

Deno.test("an error is told to a program with its name, hint and exit code", () => {
  const { stdout } = heard({ level: "info", json: true }, (output) => {
    tellError(output, new NobodyHasIt(["x"], "nobody", "ask them"));
  });
  assert.deepEqual(JSON.parse(stdout), {
    event: "error",
    name: "NobodyHasIt",
    message: "Nobody has x: nobody",
    hint: "ask them",
    exitCode: 3,
  });
});

Deno.test("what cannot be written is a failure when it is a result, and none when it is a log", () => {
  const own = [Deno.stdout, Deno.stderr].map((stream) => ({ stream, writeSync: stream.writeSync }));
  const writeSync = () => {
    throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
  };
  for (const { stream } of own) Object.assign(stream, { writeSync });
  try {
    const level = "verbose";
    const output = new Output({ level, json: false });
    for (const say of ["info", "detail", "warning", "explanation", "bar"] as const) {
      output[say]("x");
    }
    output.error("error", "hint");
    const failed = /^OutputFailed: Cannot write to standard output: no space left on the device$/;
    assert.throws(() => output.result("x"), failed);
    assert.throws(() => new Output({ level, json: true }).event("x", {}), failed);
    new Output({ level, json: true, eventsAreLog: true }).event("x", {});
    new Output({ level, json: true, leavesStdout: true }).event("x", {});
  } finally {
    for (const { stream, writeSync } of own) Object.assign(stream, { writeSync });
  }
});
