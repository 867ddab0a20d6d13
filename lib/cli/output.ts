import { OutputFailed } from "../errors.ts";
import { reasonOf } from "../store/errors.ts";
import { nameDigests, type NameOf } from "./name_digests.ts";

/** What is said on the terminal: how much of it, and in which form. */
export type Level = "quiet" | "info" | "verbose";

export interface OutputOptions {
  level: Level;
  /** One JSON object per line on stdout in place of text. */
  json: boolean;
  /** What implementations are called: people are told it beside each digest, except in results. */
  nameOf?: NameOf;
  /** Standard output is another program's: the JSON lines go to stderr. */
  leavesStdout?: boolean;
  /** The JSON lines are a log, not results: one that cannot be written is no failure. */
  eventsAreLog?: boolean;
}

/**
 * Results go to stdout; the log, the progress bar and errors go to stderr, so that a pipe gets
 * results alone. The bar is drawn only on a terminal and is erased before anything else is said.
 */
export class Output {
  readonly #options: OutputOptions;
  readonly #terminal: boolean;
  #bar = "";

  constructor(options: OutputOptions) {
    this.#options = options;
    this.#terminal = this.tellsPeople && Deno.stderr.isTerminal();
  }

  /** Whether a progress bar can be drawn. */
  get terminal(): boolean {
    return this.#terminal;
  }

  /** Whether the output is for a program: JSON lines. */
  get json(): boolean {
    return this.#options.json;
  }

  /** Whether anybody reads the log. */
  get tellsPeople(): boolean {
    return !this.#options.json && this.#options.level !== "quiet";
  }

  /** A result, on stdout. @throws OutputFailed */
  result(line: string): void {
    this.#erase();
    writeResult(line + "\n");
  }

  /**
   * An event for a program, on stdout unless that is another's; nothing unless `--json`.
   *
   * @throws OutputFailed
   */
  event(name: string, fields: Record<string, unknown>): void {
    if (!this.#options.json) return;
    const { eventsAreLog = false, leavesStdout = false } = this.#options;
    const line = JSON.stringify({ event: name, ...fields }) + "\n";
    // An error shows in the exit status as well.
    if (leavesStdout) tryToWrite(Deno.stderr, line);
    else if (eventsAreLog || name === "error") tryToWrite(Deno.stdout, line);
    else writeResult(line);
  }

  /** A line that was asked for, beside the results: on stderr, however much of a log is wanted. */
  explanation(line: string): void {
    this.#say(line);
  }

  /** A line of the log. */
  info(line: string): void {
    if (this.tellsPeople) this.#say(line);
  }

  /** A line of the log that only `--verbose` shows. */
  detail(line: string): void {
    if (this.#options.level === "verbose" && !this.#options.json) this.#say(line);
  }

  warning(line: string): void {
    this.#say(`0share: warning: ${line}`);
  }

  error(message: string, hint: string | undefined): void {
    this.#say(`0share: error: ${message}`);
    // A hint has commands in it, to be copied as they are.
    if (hint !== undefined) this.#write(`0share: hint: ${hint}`);
  }

  /** Draws the progress bar anew; an empty text takes it away. */
  bar(text: string): void {
    if (!this.#terminal || text === this.#bar) return;
    this.#bar = text;
    tryToWrite(Deno.stderr, `\r${text}\x1b[K`);
  }

  #say(line: string): void {
    const { nameOf } = this.#options;
    this.#write(nameOf === undefined ? line : nameDigests(line, nameOf));
  }

  #write(line: string): void {
    const bar = this.#bar;
    this.#erase();
    tryToWrite(Deno.stderr, line + "\n");
    if (bar !== "") this.bar(bar);
  }

  #erase(): void {
    if (this.#bar !== "") this.bar("");
  }
}

interface Stream {
  writeSync(bytes: Uint8Array): number;
}

function writeResult(text: string): void {
  try {
    write(Deno.stdout, text);
  } catch (cause) {
    throw new OutputFailed(reasonOf(cause), { cause });
  }
}

/** A log that cannot be written, on a full disk or a terminal that was closed, stops nothing. */
function tryToWrite(to: Stream, text: string): void {
  try {
    write(to, text);
  } catch {
    // There is nowhere else to say so.
  }
}

function write(to: Stream, text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
  } catch (error) {
    // Who reads us may have heard enough (`0share list | head`); that is no failure of ours.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Text that came from elsewhere, made safe for a terminal and a line of log. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}
