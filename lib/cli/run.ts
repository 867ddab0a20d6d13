import settings from "../../deno.json" with { type: "json" };
import { UsageError } from "../errors.ts";
import { systemEnvironment } from "../store/environment.ts";
import type { Command } from "./command.ts";
import { loadCommand, loadCommands } from "./commands.ts";
import { EXIT } from "./exit.ts";
import { commandHelp, programHelp } from "./help.ts";
import { formatName, Names } from "./names.ts";
import { parseOptions } from "./options.ts";
import { Output } from "./output.ts";
import { tellError } from "./tell_error.ts";
import { refuseUndecodable } from "./undecodable.ts";

/** These say nothing of implementations before they know what to do: names are not prepared for them. */
const NAMELESS: ReadonlySet<string> = new Set(["run", "0install"]);

/** Runs the program with these arguments; returns its exit status and never throws. */
export async function run(args: readonly string[]): Promise<number> {
  // What goes wrong before the options are known is said plainly.
  let output = new Output({ level: "info", json: args.includes("--json") });
  try {
    const [first, second] = args;
    if (first === "--help" || first === "-h" || first === "help") {
      const help = second === undefined || second.startsWith("-")
        ? programHelp(await loadCommands(), settings.version)
        : commandHelp(await commandNamed(second));
      output.result(help.trimEnd());
      return EXIT.done;
    }
    if (first === "--version") {
      output.result(`0share ${settings.version}`);
      return EXIT.done;
    }
    const { command, rest } = await chooseCommand(args);
    refuseUndecodable(args);
    const parsed = parseOptions(command.arrange?.(rest) ?? rest, command);
    if (parsed.has("help")) {
      output.result(commandHelp(command).trimEnd());
      return EXIT.done;
    }
    const environment = systemEnvironment();
    const names = new Names(environment);
    if (!NAMELESS.has(command.name)) await names.prepare();
    output = new Output({
      level: parsed.has("quiet") ? "quiet" : parsed.has("verbose") ? "verbose" : "info",
      json: parsed.has("json"),
      nameOf(digest) {
        const name = names.of(digest);
        return name === undefined ? undefined : formatName(name);
      },
      leavesStdout: command.leavesStdout ?? false,
      eventsAreLog: command.eventsAreLog ?? false,
    });
    return await command.run(parsed, { output, environment, names });
  } catch (error) {
    return tellError(output, error);
  }
}

/** The verb, or what 2008's spellings mean: `-f DIGEST` fetches, no verb at all serves. */
async function chooseCommand(
  args: readonly string[],
): Promise<{ command: Command; rest: readonly string[] }> {
  const [first, ...rest] = args;
  const spelt = first !== undefined && !first.startsWith("-");
  const fetches = args.some((arg) => /^(-f|--fetch(=|$))/.test(arg));
  const name = spelt ? first : fetches ? "fetch" : "serve";
  return { command: await commandNamed(name), rest: spelt ? rest : args };
}

/** @throws UsageError if there is none */
async function commandNamed(name: string): Promise<Command> {
  const command = await loadCommand(name);
  if (command === undefined) {
    throw new UsageError(`There is no command ${JSON.stringify(name)}`, {
      hint: "0share --help lists the commands",
    });
  }
  return command;
}
