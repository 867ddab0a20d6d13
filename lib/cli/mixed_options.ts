import { COMMON_OPTIONS, isWhole, type Option } from "./options.ts";

/** What the options of the other program look like. */
export interface ForeignOptions {
  /** How many arguments behind one are its values. */
  valuesBehind(arg: string): number;
  /** Whether the first argument that is no option ends the options. */
  readonly endAtArgument: boolean;
  /** Options of both programs, such as `-v`: switches. */
  readonly shared: readonly string[];
}

/**
 * Sets a command's own options apart from those of the program that the rest is for.
 *
 * @returns the own options, `--`, and the rest in its order
 */
export function ownOptionsFirst(
  args: readonly string[],
  options: readonly Option[],
  foreign: ForeignOptions,
): string[] {
  const known = [...options, ...COMMON_OPTIONS];
  const own: string[] = [];
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--" || foreign.endAtArgument && !arg.startsWith("-")) {
      rest.push(...args.slice(at));
      break;
    }
    const option = known.find((option) => isSpelling(arg, option));
    const separate = option?.value !== undefined && isWhole(arg, option);
    const values = option === undefined ? foreign.valuesBehind(arg) : separate ? 1 : 0;
    const words = args.slice(at, at + 1 + values);
    at += values;
    if (option !== undefined) own.push(...words);
    if (option === undefined || foreign.shared.includes(arg)) rest.push(...words);
  }
  return [...own, "--", ...rest];
}

/** `--name`, `-n`, and with their value in the same argument `--name=value` and `-nvalue`. */
function isSpelling(arg: string, option: Option): boolean {
  if (isWhole(arg, option)) return true;
  if (option.value === undefined) return false;
  return arg.startsWith(`--${option.name}=`) ||
    option.short !== undefined && arg.startsWith(`-${option.short}`);
}
