import { UsageError } from "../errors.ts";

/** What Deno puts for bytes that are not UTF-8, so that another name is meant. */
const REPLACEMENT = "\ufffd";

/** One character for each byte. */
const bytewise = new TextDecoder("latin1");

/**
 * Refuses what was not UTF-8 when this program was started. Only Linux tells; elsewhere, and where
 * that may not be read, everything passes.
 *
 * @throws UsageError
 */
export function refuseUndecodable(args: readonly string[]): void {
  if (!args.some((arg) => arg.includes(REPLACEMENT))) return;
  let commandLine;
  try {
    commandLine = Deno.readFileSync("/proc/self/cmdline");
  } catch {
    return;
  }
  const changed = changedArgument(args, commandLine);
  if (changed === undefined) return;
  throw new UsageError(`Cannot take the argument ${JSON.stringify(changed)}: it is not UTF-8`, {
    hint: "use a name that is, or call 0install itself, which takes any",
  });
}

/**
 * The first argument that is not what was typed: a replacement character that was typed is one.
 *
 * @param commandLine the words of the process, each with a zero byte behind it: Deno's own, then
 * the arguments
 */
export function changedArgument(
  args: readonly string[],
  commandLine: Uint8Array,
): string | undefined {
  const words = bytewise.decode(commandLine).split("\0").slice(0, -1).slice(-args.length);
  const encoder = new TextEncoder();
  return args.find((arg, index) =>
    arg.includes(REPLACEMENT) && bytewise.decode(encoder.encode(arg)) !== words[index]
  );
}
