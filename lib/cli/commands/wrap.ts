import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ShareError, UsageError } from "../../errors.ts";
import {
  directoriesOnPath,
  findProgram,
  isWrapper,
  type ProgramSearch,
  programsOnPath,
} from "../../zeroinstall/program.ts";
import { WRAPPED, type WrapperTarget, wrapperText } from "../../zeroinstall/wrapper.ts";
import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit.ts";
import { fetchSettings } from "../fetching.ts";
import { PEERS_FIRST_OPTIONS } from "../fetching_options.ts";
import { ownCommand } from "../own_command.ts";
import { findZeroInstall } from "../real_zero_install.ts";

/** Where people keep programs of their own, and administrators those for everybody. */
const USUAL = ["~/.local/bin", "~/bin", "/usr/local/bin"];

export const wrap: Command = {
  name: "wrap",
  args: "[DIR]",
  summary: "Put a wrapper named 0install in front of the real one on the PATH",
  options: [
    { name: "remove", help: "take it away again" },
    ...PEERS_FIRST_OPTIONS,
  ],
  notes: [
    'Afterwards run, download, update and add of 0install, and 0launch, go through "0share\n' +
    '0install", with the options given here; everything else goes straight to the real 0install,\n' +
    "as it all does when 0share is gone. DIR must come before the real one on the PATH. Without it:\n" +
    `the first of ${USUAL.join(", ")} that does; to remove, every directory of the PATH.`,
  ],
  run(parsed, context) {
    const { args } = parsed;
    if (args.length > 1) {
      throw new UsageError(`Command "wrap" takes one directory: ${JSON.stringify(args[1])}`);
    }
    if (context.environment.os === "windows") {
      throw new ShareError("Cannot wrap 0install: its wrapper is a POSIX shell script", {
        hint: "Zero Install for .NET finds 0share by itself: 0install run --discover URI",
      });
    }
    if (parsed.has("remove")) {
      remove(args[0], context);
      return Promise.resolve(EXIT.done);
    }
    // Refuses what could not be used later.
    fetchSettings(parsed, context);
    const options = PEERS_FIRST_OPTIONS.flatMap(({ name, value }) =>
      value !== undefined
        ? parsed.all(name).map((value) => `--${name}=${value}`)
        : parsed.has(name)
        ? [`--${name}`]
        : []
    );
    install(args[0], options, context);
    return Promise.resolve(EXIT.done);
  },
};

function install(chosen: string | undefined, options: readonly string[], context: Context): void {
  const { output } = context;
  const search = searchOf(context);
  const real = findZeroInstall(context).program;
  const directory = chosen === undefined ? usualDirectory(real, context) : resolve(chosen);
  if (chosen !== undefined) refuseMistyped(directory, search);
  const target: WrapperTarget = { ...ownCommand(), options };
  Deno.mkdirSync(directory, { recursive: true });
  const programs = WRAPPED.filter((program) => findProgram(program, search) !== undefined);
  for (const program of programs) refuseForeign(join(directory, program));
  for (const program of programs) {
    const path = join(directory, program);
    // Whoever starts it meanwhile gets the old or the new one.
    const temporary = `${path}.${Deno.pid}`;
    Deno.writeTextFileSync(temporary, wrapperText(program, target), { mode: 0o755 });
    // Whatever the umask is.
    Deno.chmodSync(temporary, 0o755);
    Deno.renameSync(temporary, path);
    if (output.json) output.event("wrapped", { program, path });
    else output.result(path);
    const first = programsOnPath(program, search)[0];
    if (first === undefined || resolve(first) !== path) {
      output.warning(
        `"${directory}" is not before "${first}" on the PATH: the wrapper is not used`,
      );
    }
  }
}

function remove(chosen: string | undefined, context: Context): void {
  const { output } = context;
  const candidates = WRAPPED.flatMap((program) =>
    chosen === undefined
      ? programsOnPath(program, searchOf(context)).map((path) => resolve(path))
      : [join(resolve(chosen), program)]
  );
  for (const path of new Set(candidates)) {
    if (!isWrapper(path)) continue;
    Deno.removeSync(path);
    if (output.json) output.event("unwrapped", { path });
    else output.result(path);
  }
}

/** @throws ShareError when neither the directory is there nor the PATH leads to it */
function refuseMistyped(directory: string, { path }: ProgramSearch): void {
  if (existsSync(directory)) return;
  if (directoriesOnPath(path).some((entry) => resolve(entry) === directory)) return;
  throw new ShareError(
    `Cannot wrap 0install in "${directory}": there is no such directory, nor is it on the PATH`,
    { hint: "name a directory that comes early on the PATH: 0share wrap DIR" },
  );
}

/** @throws ShareError when something is there that this program did not make */
function refuseForeign(path: string): void {
  try {
    Deno.lstatSync(path);
  } catch {
    return;
  }
  if (isWrapper(path)) return;
  throw new ShareError(`Cannot write the wrapper "${path}": there is something else already`, {
    hint: "name another directory that comes early on the PATH: 0share wrap DIR",
  });
}

/** @throws ShareError when there is none that would do */
function usualDirectory(real: string, context: Context): string {
  const home = context.environment.get("HOME") ?? "/";
  const usual = USUAL.map((path) => path.replace(/^~/, home));
  const directories = directoriesOnPath(searchOf(context).path);
  const behind = directories.findIndex((directory) => `${directory}/0install` === real);
  const before = directories.slice(0, Math.max(behind, 0));
  const found = usual.find((path) => before.includes(path));
  if (found !== undefined) return found;
  throw new ShareError(
    `Cannot wrap 0install: none of ${USUAL.join(", ")} comes before "${real}" on the PATH`,
    { hint: "name a directory that does: 0share wrap DIR" },
  );
}

function searchOf({ environment }: Context): ProgramSearch {
  return { path: environment.get("PATH") ?? "", os: environment.os };
}
