import type { Command } from "./command.ts";
import { COMMON_OPTIONS, type Option } from "./options.ts";

const EXIT_STATUS = `Exit status: 0 done, 1 failed, 2 wrong usage, 3 nobody has it,
4 what arrived, or what is there, does not verify.`;

/** The help of the whole program. */
export function programHelp(commands: readonly Command[], version: string): string {
  const rows = commands.map((command): [string, string] => [
    `0share ${command.name} ${command.args}`.trimEnd(),
    command.summary,
  ]);
  return `0share ${version}: shares Zero Install implementations on the local network

${table(rows)}

  Without a command it serves; "0share -f DIGEST [-H HOST]" fetches.
  "0share COMMAND --help" lists the options of a command.

${EXIT_STATUS}
`;
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const options = [...command.options, ...COMMON_OPTIONS].filter((option) => !option.hidden);
  const notes = (command.notes ?? []).map((note) => `\n${note}\n`).join("");
  return `Usage: 0share ${
    `[OPTION]… ${command.args}`.trimEnd().replace("[OPTION]…", `${command.name} [OPTION]…`)
  }

${command.summary}

${table(options.map((option) => [spelling(option), option.help]))}
${notes}
${EXIT_STATUS}
`;
}

function spelling(option: Option): string {
  const short = option.short === undefined ? "    " : `-${option.short}, `;
  return `${short}--${option.name}${option.value === undefined ? "" : ` ${option.value}`}${
    option.many ? " …" : ""
  }`;
}

function table(rows: readonly [string, string][]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}
