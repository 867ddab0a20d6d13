import assert from "node:assert/strict";
import { EXIT } from "../../lib/cli/exit.ts";
import { commandHelp, programHelp } from "../../lib/cli/help.ts";
import { COMMON_OPTIONS } from "../../lib/cli/options.ts";
import { loadCommand, loadCommands } from "../../lib/cli/commands.ts";

const COMMANDS = await loadCommands();
const README = Deno.readTextFileSync(new URL("../../README.md", import.meta.url));

Deno.test("the program's help lists every command with its arguments and what it does", () => {
  const help = programHelp(COMMANDS, "1.2.3");
  assert.match(help, /1\.2\.3/);
  for (const { name, args, summary } of COMMANDS) {
    const line = help.split("\n").find((line) => line.startsWith(`  0share ${name} `));
    assert.ok(line !== undefined, name);
    assert.ok(line.includes(args) && line.endsWith(summary), line);
  }
});

Deno.test("a command is loaded by its name, and by nothing else", async () => {
  for (const command of COMMANDS) assert.equal(await loadCommand(command.name), command);
  for (const name of ["", "toString", "Fetch"]) assert.equal(await loadCommand(name), undefined);
});

for (const command of COMMANDS) {
  Deno.test(`the help of ${command.name} lists every option that is not hidden`, () => {
    const help = commandHelp(command);
    assert.ok(help.startsWith(`Usage: 0share ${command.name} [OPTION]…`), help);
    for (const option of [...command.options, ...COMMON_OPTIONS]) {
      const line = help.split("\n").find((line) =>
        new RegExp(`^  (-\\w, |    )--${option.name}( |$)`).test(line)
      );
      assert.equal(line !== undefined, option.hidden !== true, option.name);
      if (line === undefined) continue;
      assert.ok(line.endsWith(option.help), line);
      assert.equal(line.includes(`-${option.short}, `), option.short !== undefined, line);
      if (option.value !== undefined) assert.ok(line.includes(`--${option.name} ${option.value}`));
      assert.equal(line.includes("…"), option.many === true, line);
    }
  });

  Deno.test(`no two options of ${command.name} have one spelling`, () => {
    const options = [...command.options, ...COMMON_OPTIONS];
    const spellings = options.flatMap(({ name, short }) =>
      short === undefined ? [name] : [name, short]
    );
    assert.equal(new Set(spellings).size, spellings.length);
  });

  Deno.test(`the README shows ${command.name}`, () => {
    assert.ok(README.includes(`\`0share ${[command.name, command.args].join(" ").trim()}\``));
  });
}

Deno.test("every option that the README shows exists", () => {
  const known = new Set(
    [...COMMANDS.flatMap(({ options }) => options), ...COMMON_OPTIONS].flatMap(({ name, short }) =>
      short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`]
    ),
  );
  const calls = README.match(/0share(?: [a-z]+)?(?: [^\n`|]*)?/g) ?? [];
  const shown = calls.flatMap((call) => call.match(/(?<=[ [])--?[a-zA-Z][a-z-]*/g) ?? []);
  assert.ok(shown.length > 5, `${shown}`);
  for (const option of shown) {
    assert.ok(known.has(option) || option === "--help" || option === "--version", option);
  }
});

Deno.test("help and README list every exit status", () => {
  const texts = [README, programHelp(COMMANDS, "1"), ...COMMANDS.map(commandHelp)];
  for (const text of texts.map((text) => text.replace(/\s+/g, " "))) {
    const list = /Exit status: ([^.]*verify)\./.exec(text)?.[1] ?? "";
    assert.deepEqual(list.match(/\d/g), Object.values(EXIT).map(String));
  }
});

Deno.test("no line of the help is longer than 120 characters", () => {
  for (const help of [programHelp(COMMANDS, "1.2.3"), ...COMMANDS.map(commandHelp)]) {
    for (const line of help.split("\n")) assert.ok(line.length <= 120, line);
  }
});
