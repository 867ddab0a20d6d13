/**
 * Where a benchmark works, and the promise that nothing of it stays: processes, namespaces, mounts
 * and files are gone when it ends, fails or is interrupted.
 */

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { removeNetworksOf } from "../../tests/e2e/lib/network.ts";
import { removeTree } from "../../tests/e2e/lib/sandbox_env.ts";
import { descendants } from "./processes.ts";

export interface WorkplaceOptions {
  /** Below which the workplace is made. */
  readonly work: string;
  /** Of the tmpfs, as `mount` understands it. */
  readonly size: string;
  /** A file to lock while something is measured, on a machine that others use too. */
  readonly lock?: string | undefined;
}

export class Workplace {
  /** A tmpfs of its own (for root on Linux), so that no disk is measured. */
  readonly memory: string;
  /** On the file system of `work`, for what does not fit into memory. */
  readonly disk: string;
  #lock: string | undefined;
  #count = 0;
  #closed = false;

  constructor({ work, size, lock }: WorkplaceOptions) {
    this.disk = Deno.makeTempDirSync({ dir: work, prefix: "0share-bench-" });
    this.memory = join(this.disk, "memory");
    this.#lock = lock;
    mkdirSync(this.memory);
    const mount = new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", `size=${size},mode=755`, "0share-bench", this.memory],
      stderr: "null",
    });
    if (Deno.uid() !== 0 || !mount.outputSync().success) {
      say(`No tmpfs (that takes root): ${work} is measured too, unless it is one`);
    }
  }

  /** A path that was never used, below `memory` unless told otherwise. */
  fresh(name: string, where = this.memory): string {
    if (this.#closed) throw new Error("Interrupted");
    return join(where, `${name}-${++this.#count}`);
  }

  /** Runs what is measured while nobody else measures. */
  async measured<T>(run: () => Promise<T>): Promise<T> {
    if (this.#lock === undefined) return await run();
    using file = await Deno.open(this.#lock, { write: true, create: true });
    await file.lock(true);
    return await run();
  }

  /**
   * Ends all that this process has started, and removes all that it has made.
   *
   * @param benchmark what may still be starting things: it is given the time to notice
   */
  async clear(benchmark: Promise<unknown>): Promise<void> {
    this.#closed = true;
    let settled = false;
    void benchmark.catch(() => {}).then(() => settled = true);
    for (let attempt = 0; attempt < 50; attempt++) {
      for (const pid of descendants(Deno.pid)) kill(pid);
      await removeNetworksOf(Deno.pid);
      if (settled) break;
      await pause(50);
    }
    for (let attempt = 0; isMounted(this.memory) && attempt < 50; attempt++) {
      // What was killed a moment ago may still hold it.
      const options = attempt < 40 ? [] : ["--lazy"];
      const args = [...options, this.memory];
      const { success } = await new Deno.Command("umount", { args, stderr: "null" }).output();
      if (!success) await pause(50);
    }
    if (!isMounted(this.memory)) await removeTree(this.disk);
  }
}

/** Runs a benchmark in a workplace; the exit code is 1 when it fails, 130 when interrupted. */
export async function inWorkplace(
  options: WorkplaceOptions,
  benchmark: (place: Workplace) => Promise<void>,
): Promise<void> {
  const interrupted = Promise.withResolvers<"interrupted">();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => interrupted.resolve("interrupted"));
  }
  const place = new Workplace(options);
  const running = benchmark(place);
  let code = 0;
  try {
    const end = await Promise.race([running, interrupted.promise]);
    if (end === "interrupted") code = 130;
  } catch (error) {
    say(error instanceof Error ? error.stack ?? error.message : String(error));
    code = 1;
  }
  // Whatever fails from here on fails because it is being ended.
  addEventListener("unhandledrejection", (event) => event.preventDefault());
  await place.clear(running);
  Deno.exit(code);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function isMounted(path: string): boolean {
  return existsSync("/proc/mounts") &&
    Deno.readTextFileSync("/proc/mounts").split("\n").some((line) => line.split(" ")[1] === path);
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}
