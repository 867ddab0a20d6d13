/** Sub-commands of 0install that may download implementations. */
export const DOWNLOADING = ["run", "download", "update", "add"] as const;

export type DownloadingCommand = typeof DOWNLOADING[number];

/** Options of 0install 2.18 and how many values they take, without those that end it at once. */
const OPTIONS: ReadonlyMap<string, number> = new Map([
  ["--console", 0],
  ["--gui", 0],
  ["--verbose", 0],
  ["--with-store", 1],
  ["--offline", 0],
  ["--refresh", 0],
  ["--main", 1],
  ["--wrapper", 1],
  ["--before", 1],
  ["--command", 1],
  ["--cpu", 1],
  ["--message", 1],
  ["--not-before", 1],
  ["--os", 1],
  ["--source", 0],
  ["--version", 1],
  ["--version-for", 2],
  ["--show", 0],
  ["--xml", 0],
]);

const SHORT: Readonly<Record<string, string>> = {
  c: "--console",
  g: "--gui",
  v: "--verbose",
  o: "--offline",
  r: "--refresh",
  m: "--main",
  w: "--wrapper",
  s: "--source",
};

/** Those that say how, not what: they go with every call of 0install. */
const MANNER = ["--console", "--verbose", "--with-store", "--message"];

/** Those that say what may be chosen: with one of them it is solved anew. */
const REQUIREMENTS = [
  ...["--before", "--command", "--cpu", "--not-before", "--os", "--source", "--version"],
  "--version-for",
];

/** An option, by its long name, and its values. */
export interface ZeroInstallOption {
  readonly name: string;
  readonly values: readonly string[];
}

/** A call of 0install that was understood. */
export interface ZeroInstallCall {
  readonly command: DownloadingCommand;
  readonly options: readonly ZeroInstallOption[];
  /** What stands behind: a URI or a name, and for `run` the program's own arguments. */
  readonly args: readonly string[];
}

/**
 * Understands the arguments of 0install, as it does itself: a value may follow its option or be
 * joined to it, short options may be written together, `--` ends the options, and so does the URI
 * of `run`, whose program gets the rest.
 *
 * @returns undefined when it is not a command that downloads, or there is something that is not
 * known here, or that ends it at once: then only 0install can say what it means
 */
export function understand(args: readonly string[]): ZeroInstallCall | undefined {
  const options: ZeroInstallOption[] = [];
  const positional: string[] = [];
  let optionsOver = false;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (optionsOver || !arg.startsWith("-")) {
      positional.push(arg);
      if (positional.length === 2 && positional[0] === "run") optionsOver = true;
      continue;
    }
    if (arg === "--") {
      optionsOver = true;
      continue;
    }
    const found = arg.startsWith("--") ? longOption(arg) : shortOptions(arg);
    if (found === undefined) return undefined;
    for (const { name, joined } of found) {
      const count = OPTIONS.get(name)! - joined.length;
      const values = [...joined, ...args.slice(at + 1, at + 1 + count)];
      if (values.length !== OPTIONS.get(name)) return undefined;
      at += count;
      options.push({ name, values });
    }
  }
  const [command, ...rest] = positional;
  return isDownloading(command) ? { command, options, args: rest } : undefined;
}

/** How many of the arguments behind an option of 0install are its values; 0 for what is not known. */
export function valuesBehind(arg: string): number {
  const found = arg.startsWith("--") ? longOption(arg) : shortOptions(arg);
  const last = found?.at(-1);
  return last === undefined ? 0 : OPTIONS.get(last.name)! - last.joined.length;
}

/** The arguments that mean this call; `understand` gives it back. */
export function argumentsOf({ command, options, args }: ZeroInstallCall): string[] {
  return [command, ...optionArguments(options), "--", ...args];
}

/** `0install select --xml` for what a call is about. */
export function selectArguments(
  { options }: Pick<ZeroInstallCall, "options">,
  target: string,
): string[] {
  const known = [...MANNER, ...REQUIREMENTS, "--gui", "--offline", "--refresh"];
  return ["select", "--xml", ...optionArguments(pick(options, known)), "--", target];
}

/** `0install download` of what a selections document lists. */
export function downloadArguments(
  { options }: Pick<ZeroInstallCall, "options">,
  file: string,
): string[] {
  return ["download", ...optionArguments(pick(options, MANNER)), "--", file];
}

export function hasOption({ options }: ZeroInstallCall, ...names: string[]): boolean {
  return options.some(({ name }) => names.includes(name));
}

/** Whether the call wants versions chosen anew, whatever was chosen before. */
export function choosesAnew(call: ZeroInstallCall): boolean {
  return hasOption(call, "--refresh", "--gui", ...REQUIREMENTS);
}

export function withoutOptions(call: ZeroInstallCall, ...names: string[]): ZeroInstallCall {
  return { ...call, options: call.options.filter(({ name }) => !names.includes(name)) };
}

/** All values of an option, in order. */
export function valuesOf({ options }: ZeroInstallCall, wanted: string): string[] {
  return options.flatMap(({ name, values }) => name === wanted ? values : []);
}

function optionArguments(options: readonly ZeroInstallOption[]): string[] {
  return options.flatMap(({ name, values: [first, ...rest] }) =>
    first === undefined ? [name] : [`${name}=${first}`, ...rest]
  );
}

function pick(
  options: readonly ZeroInstallOption[],
  names: readonly string[],
): ZeroInstallOption[] {
  return options.filter(({ name }) => names.includes(name));
}

interface Found {
  readonly name: string;
  /** The value that is part of the same argument, if one is. */
  readonly joined: readonly string[];
}

function longOption(arg: string): Found[] | undefined {
  const equals = arg.indexOf("=");
  const name = equals < 0 ? arg : arg.slice(0, equals);
  const count = OPTIONS.get(name);
  if (count === undefined || count === 0 && equals >= 0) return undefined;
  return [{ name, joined: equals < 0 ? [] : [arg.slice(equals + 1)] }];
}

function shortOptions(arg: string): Found[] | undefined {
  const found: Found[] = [];
  for (let at = 1; at < arg.length; at++) {
    const name = SHORT[arg[at]!];
    if (name === undefined) return undefined;
    const rest = arg.slice(at + 1);
    if (OPTIONS.get(name)! > 0) {
      found.push({ name, joined: rest === "" ? [] : [rest] });
      break;
    }
    found.push({ name, joined: [] });
  }
  return found;
}

function isDownloading(command: string | undefined): command is DownloadingCommand {
  return DOWNLOADING.some((name) => name === command);
}
