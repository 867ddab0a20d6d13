import type { Environment } from "../store/locations.ts";
import type { Names } from "./names.ts";
import type { Option, Parsed } from "./options.ts";
import type { Output } from "./output.ts";

/** What every command may use. */
export interface Context {
  readonly output: Output;
  readonly environment: Environment;
  /** What implementations are called. The output has the names of those that are expected there. */
  readonly names: Names;
}

/** A verb: what the help says of it, and what it does. */
export interface Command {
  readonly name: string;
  /** What stands behind the name, such as `DIGEST…`. */
  readonly args: string;
  readonly summary: string;
  /** Paragraphs of the help, below the options. */
  readonly notes?: readonly string[];
  readonly options: readonly Option[];
  /**
   * For a command that takes another program's options, too: puts the command's own options before
   * a `--` and everything else behind it.
   */
  arrange?(args: readonly string[]): string[];
  /** Standard output belongs to the program that the command runs. */
  readonly leavesStdout?: boolean;
  /** What it tells programs is a log, and no result. */
  readonly eventsAreLog?: boolean;
  /** @returns the exit status: one of `EXIT`, or that of the program that the command ran */
  run(parsed: Parsed, context: Context): Promise<number>;
}
