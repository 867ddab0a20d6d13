import { parseArgs } from "node:util";
import { UsageError } from "../errors.ts";
import { parseRate } from "./quantities.ts";

/** One option; the same entry makes the parser, the help and the test that the README is true. */
export interface Option {
  readonly name: string;
  readonly short?: string;
  /** What stands for the value in the help; an option without it is a switch. */
  readonly value?: string;
  /** May be given several times. */
  readonly many?: boolean;
  /** Not shown in the help: another spelling that still works. */
  readonly hidden?: boolean;
  readonly help: string;
}

/** The options and arguments of one call. */
export interface Parsed {
  readonly args: readonly string[];
  /** Whether the switch was given. */
  has(name: string): boolean;
  /** The value of the option, the last one if it was given several times. */
  get(name: string): string | undefined;
  /** All values of the option, in order. */
  all(name: string): readonly string[];
}

/** Options of every command. */
export const COMMON_OPTIONS: readonly Option[] = [
  { name: "json", help: "print one JSON object per line, for programs" },
  { name: "quiet", short: "q", help: "no log and no progress, only warnings and errors" },
  { name: "verbose", short: "v", help: "log more" },
  { name: "help", short: "h", help: "show this help" },
];

/** The longest duration that an option takes, in seconds: more than eleven days. */
const MAX_SECONDS = 999_999;

/**
 * Parses what stands behind the verb.
 *
 * @param command whose options they are, and whose help is hinted at
 * @throws UsageError for an unknown option, or a value that is missing or too much
 */
export function parseOptions(
  args: readonly string[],
  command: { readonly name: string; readonly options: readonly Option[] },
): Parsed {
  const known = [...command.options, ...COMMON_OPTIONS];
  let parsed;
  try {
    parsed = parseArgs({
      args: joinNegativeNumbers(args, known),
      allowPositionals: true,
      options: Object.fromEntries(known.map((option) => [option.name, {
        type: option.value === undefined ? "boolean" as const : "string" as const,
        ...(option.short === undefined ? {} : { short: option.short }),
        multiple: true,
      }])),
    });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(message.split(/\. |\n/)[0]!.replace(/\.$/, ""), {
      hint: `0share ${command.name} --help lists its options`,
      cause,
    });
  }
  const values = parsed.values as Record<string, (string | boolean)[] | undefined>;
  for (const { name, many, value } of known) {
    if (value !== undefined && many !== true && (values[name]?.length ?? 0) > 1) {
      throw new UsageError(`Option "--${name}" was given more than once`);
    }
  }
  const all = (name: string) => (values[name] ?? []).filter((v) => typeof v === "string");
  return {
    args: parsed.positionals,
    has: (name) => values[name] !== undefined,
    get: (name) => all(name).at(-1),
    all,
  };
}

/** Whether the argument is the option and nothing else: a value is the next one. */
export function isWhole(arg: string, { name, short }: Option): boolean {
  return arg === `--${name}` || short !== undefined && arg === `-${short}`;
}

/**
 * Makes `-p -1` `--port=-1`. No option is a number, but the parser takes what begins with a minus for
 * one; this way the command says of the number what is wrong with it.
 */
function joinNegativeNumbers(args: readonly string[], options: readonly Option[]): string[] {
  const joined: string[] = [];
  for (const [at, arg] of args.entries()) {
    if (arg === "--") return [...joined, ...args.slice(at)];
    const before = args[at - 1] ?? "";
    const option = /^-\.?\d/.test(arg)
      ? options.find((option) => option.value !== undefined && isWhole(before, option))
      : undefined;
    if (option === undefined) joined.push(arg);
    else joined.splice(-1, 1, `--${option.name}=${arg}`);
  }
  return joined;
}

/** A whole number option within bounds. @throws UsageError */
export function integerOption(
  parsed: Parsed,
  name: string,
  bounds: { min: number; max: number },
): number | undefined {
  const text = parsed.get(name);
  if (text === undefined) return undefined;
  const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(number >= bounds.min && number <= bounds.max)) {
    throw new UsageError(
      `Option "--${name}" needs a whole number from ${bounds.min} to ${bounds.max}: ${
        JSON.stringify(text)
      }`,
    );
  }
  return number;
}

/** A duration option in seconds, with decimals. @throws UsageError */
export function secondsOption(parsed: Parsed, name: string): number | undefined {
  const text = parsed.get(name);
  if (text === undefined) return undefined;
  const seconds = /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : NaN;
  if (!(seconds <= MAX_SECONDS)) {
    throw new UsageError(
      `Option "--${name}" needs a number of seconds from 0 to ${MAX_SECONDS}: ${
        JSON.stringify(text)
      }`,
    );
  }
  return seconds;
}

/** A rate option, in bytes per second. @throws UsageError */
export function rateOption(parsed: Parsed, name: string): number | undefined {
  const text = parsed.get(name);
  if (text === undefined) return undefined;
  const rate = parseRate(text);
  if (rate === undefined) {
    throw new UsageError(
      `Option "--${name}" needs bytes per second, from 1k up, such as 500k or 2MB/s: ${
        JSON.stringify(text)
      }`,
    );
  }
  return rate;
}
