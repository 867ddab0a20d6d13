import type { Environment } from "../store/locations.ts";
import type { ExitCode } from "./exit.ts";
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
  run(parsed: Parsed, context: Context): Promise<ExitCode>;
}
