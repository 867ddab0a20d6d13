import { ShareError } from "../errors.ts";
import { type ExitCode, exitCodeFor } from "./exit.ts";
import { type Output, printable } from "./output.ts";

/**
 * Says what went wrong, and what to do about it.
 *
 * @param about what programs are told of what it went wrong with
 * @returns the exit code that it means
 */
export function tellError(
  output: Output,
  error: unknown,
  about: Readonly<Record<string, unknown>> = {},
): ExitCode {
  const code = exitCodeFor(error);
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof ShareError ? error.hint : undefined;
  output.event("error", {
    name: error instanceof Error ? error.name : undefined,
    message,
    hint,
    exitCode: code,
    ...about,
  });
  output.error(message.split("\n").map(printable).join("\n"), hint);
  // What is not expected is a mistake in this program: its place helps whoever mends it.
  if (!(error instanceof ShareError) && error instanceof Error) output.detail(error.stack ?? "");
  return code;
}
