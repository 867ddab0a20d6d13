/** Starting 0share as a user would: from source or compiled, on this machine or inside a host. */

import assert from "node:assert/strict";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

export interface Program {
  readonly name: string;
  readonly command: readonly string[];
}

export interface RunOptions {
  /** The whole environment; see `sandboxEnv`. */
  readonly env: Readonly<Record<string, string>>;
  /** A command in front of the command, as `Host.prefix` or `["setpriv", …]`. */
  readonly prefix?: readonly string[];
  readonly cwd?: string;
  /** Milliseconds until a command that hangs is killed, which fails the test. */
  readonly limit?: number;
}

export interface Result {
  /** The exit code; 128 + signal number when a signal ended it. */
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Long enough for the slowest machine: only a test that would hang for ever meets it. */
const LIMIT_MS = 120_000;

/** The program from source, under `permissions` (all of them by default). */
export function fromSource(permissions: readonly string[] = ["--allow-all"]): Program {
  return {
    name: "from source",
    command: [Deno.execPath(), "run", "--quiet", ...permissions, `${ROOT}main.ts`],
  };
}

/**
 * What the end-to-end tests run, one series of tests for each: `ZERO_SHARE` names an executable
 * to test instead of the source; `ZERO_SHARE_COMPILED` one to test besides it.
 */
export function programs(): Program[] {
  const chosen = Deno.env.get("ZERO_SHARE");
  if (chosen) return [{ name: "chosen", command: [absolute(chosen)] }];
  const compiled = compiledProgram();
  return compiled === undefined ? [fromSource()] : [fromSource(), compiled];
}

/** One of them: for what takes long and does not depend on how the program was packed. */
export function oneProgram(): Program[] {
  return programs().slice(0, 1);
}

/** The compiled program, when `.ci/run` or the user says where one is. */
export function compiledProgram(): Program | undefined {
  const path = Deno.env.get("ZERO_SHARE_COMPILED") || Deno.env.get("ZERO_SHARE");
  return path ? { name: "compiled", command: [absolute(path)] } : undefined;
}

function absolute(path: string): string {
  return Deno.realPathSync(isAbsolute(path) ? path : `${ROOT}${path}`);
}

/** Runs the program to its end, however that is: the caller looks at the code. */
export async function run(
  program: Program,
  args: readonly string[],
  options: RunOptions,
): Promise<Result> {
  await using running = start(program, args, options);
  return await running.ended;
}

/** Starts the program and returns at once. Bind it with `await using`: it is killed at the end. */
export function start(program: Program, args: readonly string[], options: RunOptions): Running {
  const all = [...args, ...quiet(args, options.prefix)];
  return new Running([...(options.prefix ?? []), ...program.command, ...all], options);
}

/** On the machine that runs the tests, nothing is said to everybody with multicast DNS. */
function quiet(args: readonly string[], prefix: readonly string[] = []): string[] {
  const speaks = /^(serve|fetch|-[fp]|--(fetch|port|allow-read).*)$/.test(args[0] ?? "");
  return speaks && prefix[0] !== "ip" ? ["--no-mdns"] : [];
}

/** A process of the program, with everything that it has printed so far. */
export class Running implements AsyncDisposable {
  /** The outcome; never rejects, so that a test may look at it late or not at all. */
  readonly ended: Promise<Result>;
  #command: string;
  #child: Deno.ChildProcess;
  #stdout = "";
  #stderr = "";
  #result: Result | undefined;
  #timedOut = false;
  #waiters = new Set<() => void>();

  constructor(command: readonly string[], options: RunOptions) {
    this.#command = command.join(" ");
    this.#child = new Deno.Command(command[0]!, {
      args: command.slice(1),
      env: { ...options.env },
      clearEnv: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.ended = this.#collect(options.limit ?? LIMIT_MS);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /**
   * The first match of `pattern` in what the process has printed on stderr (or stdout), waiting
   * for it. Fails with all that was printed when the process ends without it.
   */
  async output(pattern: RegExp, from: "stderr" | "stdout" = "stderr"): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(from === "stderr" ? this.#stderr : this.#stdout);
      if (match) return match;
      if (this.#result !== undefined) {
        throw new assert.AssertionError({
          message: `${this.#timedOut ? "timed out" : "ended"} without ${pattern}: ${this.report()}`,
        });
      }
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  /** Asks the process to end and waits until it has. */
  async stop(signal: Deno.Signal = "SIGINT"): Promise<Result> {
    this.signal(signal);
    return await this.ended;
  }

  /** Sends a signal; nothing happens when the process has ended. */
  signal(signal: Deno.Signal): void {
    if (this.#result !== undefined) return;
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It ended by itself just now.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Command, outcome and output, to put in the message of a failed test. */
  report(): string {
    const code = this.#result === undefined ? "is running" : `exit ${this.#result.code}`;
    return `${this.#command} (${code})\n--- stdout\n${this.#stdout}\n--- stderr\n${this.#stderr}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  async #collect(limit: number): Promise<Result> {
    const timer = setTimeout(() => {
      this.#timedOut = true;
      this.signal("SIGKILL");
    }, limit);
    const [status] = await Promise.all([
      this.#child.status,
      this.#read(this.#child.stdout, (text) => this.#stdout += text),
      this.#read(this.#child.stderr, (text) => this.#stderr += text),
    ]);
    clearTimeout(timer);
    if (this.#timedOut) this.#stderr += `\n(killed: still running after ${limit} ms)\n`;
    const { code, signal } = status;
    this.#result = { code, signal, stdout: this.#stdout, stderr: this.#stderr };
    this.#wake();
    return this.#result;
  }

  async #read(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      add(decoder.decode(chunk, { stream: true }));
      this.#wake();
    }
  }

  #wake(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }
}
