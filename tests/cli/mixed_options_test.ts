import assert from "node:assert/strict";
import fc from "fast-check";
import { ownOptionsFirst } from "../../lib/cli/mixed_options.ts";
import { FETCHING_OPTIONS } from "../../lib/cli/fetching_options.ts";
import { valuesBehind } from "../../lib/zeroinstall/command_line.ts";

const RUN = { valuesBehind, endAtArgument: true, shared: ["-v", "--verbose"] };
const DOWNLOAD = { ...RUN, endAtArgument: false };

function arranged(args: readonly string[], foreign = RUN): { own: string[]; rest: string[] } {
  const words = ownOptionsFirst(args, FETCHING_OPTIONS, foreign);
  const end = words.indexOf("--");
  return { own: words.slice(0, end), rest: words.slice(end + 1) };
}

Deno.test("own options are set apart from those of the other program, in any order", () => {
  assert.deepEqual(
    arranged(["-c", "-H", "h", "--version", "1", "--timeout=3", "-m", "-H", "-Hx", "URI", "-H"]),
    {
      own: ["-H", "h", "--timeout=3", "-Hx"],
      rest: ["-c", "--version", "1", "-m", "-H", "URI", "-H"],
    },
  );
});

Deno.test("an option of both programs is given to both", () => {
  assert.deepEqual(arranged(["-v", "--quiet", "URI", "-v"]), {
    own: ["-v", "--quiet"],
    rest: ["-v", "URI", "-v"],
  });
});

Deno.test("options may stand behind arguments where the other program allows it", () => {
  assert.deepEqual(arranged(["URI", "-H", "h", "-c", "--", "-H"], DOWNLOAD), {
    own: ["-H", "h"],
    rest: ["URI", "-c", "--", "-H"],
  });
});

Deno.test("what begins like an own option is another one", () => {
  assert.deepEqual(arranged(["--hosts", "--time", "--explain=x"]), {
    own: [],
    rest: ["--hosts", "--time", "--explain=x"],
  });
});

Deno.test("no word is lost, and none comes twice that is not of both programs", () => {
  const word = fc.oneof(
    fc.constantFrom("-H", "--host", "-c", "--", "--version-for", "-m", "URI", "--no-share"),
    fc.string().filter((text) => text !== "-v" && text !== "--verbose"),
  );
  fc.assert(fc.property(fc.array(word), fc.boolean(), (args, endAtArgument) => {
    const { own, rest } = arranged(args, { ...RUN, endAtArgument });
    assert.deepEqual([...own, ...rest].sort(), [...args].sort());
  }));
});
