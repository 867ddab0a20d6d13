/** What processes cost, from Linux's own book-keeping. */

import { type Program, start } from "../../tests/e2e/lib/program.ts";
import type { Seat } from "./seats.ts";

/** A limit that only what hangs will meet. */
export const LIMIT_MS = 1_800_000;

export interface Cost {
  /** From start to end. */
  readonly seconds: number;
  /** Processor time of the command and of all that it started, in seconds. */
  readonly cpu: number;
  /** Most memory that one of its processes had, in bytes; 0 where it was not watched. */
  readonly peak: number;
}

export interface CommandOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly seat: Seat;
  /** Exit code that is expected; 0 by default. */
  readonly code?: number;
  /** Look at its memory every 20 ms; false by default. */
  readonly watch?: boolean;
}

/** The shell's `time` is exact, and counts also what was waited for. */
const TIMED = `TIMEFORMAT=$'\\ncpu %3U %3S'; time "$@"`;

/** Runs a command to its end and gives what it cost; throws when it fails. */
export async function cost(command: readonly string[], options: CommandOptions): Promise<Cost> {
  const timed: Program = { name: command[0]!, command: ["bash", "-c", TIMED, "timed"] };
  const before = performance.now();
  await using running = start(timed, command, {
    env: options.env,
    prefix: options.seat.prefix,
    limit: LIMIT_MS,
  });
  const watching = options.watch ? watchPeak(running.pid, running.ended) : Promise.resolve(0);
  const { code, stderr } = await running.ended;
  const seconds = (performance.now() - before) / 1000;
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)\s*$/.exec(stderr) ?? [];
  if (code !== (options.code ?? 0) || user === undefined) throw new Error(running.report());
  return { seconds, cpu: Number(user) + Number(system), peak: await watching };
}

/** Runs a command that prepares something, to its end; throws when it fails. */
export async function must(name: string, ...args: string[]): Promise<void> {
  const command = new Deno.Command(name, { args, stdin: "null", stdout: "null" });
  const { success, code } = await command.spawn().status;
  if (!success) throw new Error(`${name} ${args.join(" ")}: exit ${code}`);
}

/** Peak memory of a process that ends by itself, and of those that it starts. */
export async function watchPeak(pid: number, end: Promise<unknown>): Promise<number> {
  let peak = 0;
  let ended = false;
  void end.then(() => ended = true);
  while (!ended) {
    for (const one of [pid, ...descendants(pid)]) peak = Math.max(peak, peakOf(one));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return peak;
}

/** The most memory that a process has had, in bytes; 0 when it is gone. */
export function peakOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(proc(pid, "status"))?.[1] ?? 0) * 1024;
}

/** Processor time that a process and those below it have had, in seconds. */
export function cpuOf(pid: number): number {
  return [pid, ...descendants(pid)].reduce((sum, one) => {
    // The second field is a name in parentheses, in which anything may stand.
    const fields = proc(one, "stat").replace(/^.*\) /s, "").split(" ");
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100;
  }, 0);
}

/** All processes that a process has started, and those that they have. */
export function descendants(pid: number): number[] {
  const found: number[] = [];
  for (const thread of threads(pid)) {
    const children = proc(pid, `task/${thread}/children`).split(/\s+/).filter(Boolean).map(Number);
    for (const child of children) found.push(child, ...descendants(child));
  }
  return found;
}

/** How busy all processors of the machine are meanwhile, from 0 to 1. */
export function watchMachine(): () => number {
  const before = ticks();
  return () => {
    const after = ticks();
    return 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
  };
}

function ticks(): { idle: number; all: number } {
  const line = Deno.readTextFileSync("/proc/stat").split("\n")[0]!;
  const values = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { idle: values[3]! + values[4]!, all: values.reduce((sum, value) => sum + value, 0) };
}

function threads(pid: number): string[] {
  try {
    return Array.from(Deno.readDirSync(`/proc/${pid}/task`), ({ name }) => name);
  } catch {
    return [];
  }
}

function proc(pid: number, name: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${name}`);
  } catch {
    return "";
  }
}
