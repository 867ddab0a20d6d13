import assert from "node:assert/strict";
import { changedArgument } from "../../lib/cli/undecodable.ts";

/** The words of a process as Linux has them, and the last `count` of them as Deno gives them. */
function started(words: readonly (string | readonly number[])[], count: number) {
  const encoder = new TextEncoder();
  const bytes = words.map((word) => typeof word === "string" ? encoder.encode(word) : word);
  return {
    args: bytes.slice(-count).map((word) => new TextDecoder().decode(new Uint8Array(word))),
    commandLine: new Uint8Array(bytes.flatMap((word) => [...word, 0])),
  };
}

Deno.test("an argument that was not UTF-8 is known from one with a replacement character", () => {
  const cases = [
    { words: ["0share", "run", "\ufffd", "é"], count: 3, index: undefined },
    { words: ["0share", "run", "é", [0x61, 0xe9]], count: 3, index: 2 },
    { words: ["0share", "run", "\ufffd", [0xff], ""], count: 4, index: 2 },
    { words: ["deno", "run", [0xe9], "run", "\ufffd"], count: 2, index: undefined },
    { words: ["deno", "run", "main.ts", [0xe9], [0xff]], count: 2, index: 0 },
  ];
  for (const { words, count, index } of cases) {
    const { args, commandLine } = started(words, count);
    const expected = index === undefined ? undefined : args[index];
    assert.equal(changedArgument(args, commandLine), expected);
  }
});
