import { ZeroInstallMissing } from "../errors.ts";

/** The terminal sends these to every process of the job: the program has them already. */
const FROM_THE_TERMINAL: readonly Deno.Signal[] = ["SIGINT", "SIGQUIT"];

/** Others send these to this process alone: the program is to have them. */
const FORWARDED: readonly Deno.Signal[] = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"];

/** How a program ended. */
export interface Ended {
  readonly code: number;
  /** What killed it, if a signal did. */
  readonly signal: Deno.Signal | null;
}

/**
 * Runs a program on this process's standard input, output and error, until it ends.
 *
 * @throws ZeroInstallMissing when it cannot be started
 */
export async function runOnTerminal(
  program: string,
  args: readonly string[],
  options: { onStart?: (pid: number) => void } = {},
): Promise<Ended> {
  const child = spawn(program, args, { stdin: "inherit", stdout: "inherit", stderr: "inherit" });
  options.onStart?.(child.pid);
  const release = passSignalsTo(child);
  try {
    return await child.status;
  } finally {
    release();
  }
}

/**
 * Runs a program on this process's standard input and error, and gives what it writes to standard
 * output.
 *
 * @param options.env in addition to this process's environment
 * @param options.stderr "piped" keeps what it says for the caller
 * @throws ZeroInstallMissing when it cannot be started
 */
export async function outputOf(
  program: string,
  args: readonly string[],
  options: { env?: Readonly<Record<string, string>>; stderr?: "inherit" | "piped" } = {},
): Promise<Ended & { readonly stdout: string; readonly stderr: Uint8Array }> {
  const stderr = options.stderr ?? "inherit";
  const child = spawn(program, args, {
    stdin: "inherit",
    stdout: "piped",
    stderr,
    env: { ...options.env },
  });
  const release = passSignalsTo(child);
  try {
    const [status, out, said] = await Promise.all([
      child.status,
      new Response(child.stdout).text(),
      stderr === "piped" ? new Response(child.stderr).bytes() : new Uint8Array(),
    ]);
    return { ...status, stdout: out, stderr: said };
  } finally {
    release();
  }
}

/**
 * Ends this process as the program ended: who waits for it sees the same signal.
 *
 * @returns the exit code, when it was no signal
 */
export async function endAs({ code, signal }: Ended): Promise<number> {
  if (signal === null || Deno.build.os === "windows") return code;
  Deno.kill(Deno.pid, signal);
  // It comes at once, unless it is ignored: then the shell's convention has to do.
  await new Promise((resolve) => setTimeout(resolve, 100));
  return code;
}

function spawn(
  program: string,
  args: readonly string[],
  options: Deno.CommandOptions,
): Deno.ChildProcess {
  try {
    return new Deno.Command(program, { ...options, args: [...args] }).spawn();
  } catch (cause) {
    throw new ZeroInstallMissing(program, cause instanceof Error ? cause.message : String(cause));
  }
}

/** @returns a function that gives the signals their usual effect back */
function passSignalsTo(child: Deno.ChildProcess): () => void {
  const listeners: [Deno.Signal, () => void][] = [];
  const listen = (signal: Deno.Signal, listener: () => void) => {
    Deno.addSignalListener(signal, listener);
    listeners.push([signal, listener]);
  };
  // Windows sends Ctrl-C to all processes of the console, and knows none of the others.
  const windows = Deno.build.os === "windows";
  for (const signal of windows ? ["SIGINT"] as const : FROM_THE_TERMINAL) listen(signal, () => {});
  for (const signal of windows ? [] : FORWARDED) {
    listen(signal, () => {
      try {
        child.kill(signal);
      } catch {
        // It has just ended.
      }
    });
  }
  return () => {
    for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
  };
}
