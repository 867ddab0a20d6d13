/** The two ways from one host to another that are compared, each as "serve" and "get once". */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { type Program, type Running, start } from "../tests/e2e/lib/program.ts";
import { removeTree, sandboxEnv } from "../tests/e2e/lib/sandbox_env.ts";
import { serve } from "../tests/e2e/lib/server.ts";
import type { Load } from "./trees.ts";

/** One way to get a tree. */
export interface Side extends AsyncDisposable {
  readonly name: string;
  /** Gets the tree once, in a fresh place that is removed afterwards, and gives the seconds. */
  get(load: Load): Promise<Fetched>;
  /** Peak memory of the serving process so far, in bytes. */
  serverPeak(): number;
}

export interface Fetched {
  readonly seconds: number;
  /** Peak memory of the fetching process in bytes; 0 where it was not watched. */
  readonly peak: number;
}

const BENCH_LIMIT_MS = 3_600_000;

/** 0share serves `store`; a fresh machine with an empty store fetches by address. */
export async function zeroShare(program: Program, store: string, work: string): Promise<Side> {
  const machine = sandboxEnv(join(work, "serving"));
  const server = await serve(program, {
    env: machine.env,
    stores: [store],
    limit: BENCH_LIMIT_MS,
  });
  let count = 0;
  return {
    name: "0share",
    serverPeak: () => peakOf(server.running.pid),
    async get(load) {
      const directory = join(work, `fetching-${++count}`);
      const { env, store: target } = sandboxEnv(directory);
      mkdirSync(target, { recursive: true });
      const address = `127.0.0.1:${server.port}`;
      const args = ["fetch", load.digest, "-H", address, "--store", target];
      const before = performance.now();
      await using fetch = start(program, args, { env, limit: BENCH_LIMIT_MS });
      const peak = watchPeak(fetch);
      const { code } = await fetch.ended;
      const seconds = (performance.now() - before) / 1000;
      if (code !== 0) throw new Error(`fetch failed: ${fetch.report()}`);
      await removeTree(directory);
      return { seconds, peak: await peak };
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
    },
  };
}

/**
 * nginx serves a tar made beforehand, without `.manifest`; `curl | tar x` gets it. Nothing is
 * verified.
 */
export async function nginxTar(loads: readonly Load[], work: string): Promise<Side> {
  const served = join(work, "tars");
  mkdirSync(served, { recursive: true });
  for (const load of loads) {
    await must("tar", [
      "--sort=name",
      "--exclude=./.manifest",
      "-C",
      load.path,
      "-cf",
      join(served, `${load.name}.tar`),
      ".",
    ]);
  }
  const port = freePort();
  const configuration = join(work, "nginx.conf");
  const own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  await Deno.writeTextFile(
    configuration,
    `worker_processes 1;
daemon off;
pid ${work}/nginx.pid;
${Deno.uid() === 0 ? "user root;" : ""}
events { worker_connections 512; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  ${own.map((name) => `${name}_temp_path ${work}/nginx-${name};`).join("\n  ")}
  server { listen 127.0.0.1:${port}; root ${served}; }
}
`,
  );
  const nginx = new Deno.Command("nginx", {
    args: ["-e", join(work, "nginx.log"), "-p", work, "-c", configuration],
    env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
    stdin: "null",
  }).spawn();
  await listening(port);
  let count = 0;
  return {
    name: "curl | tar x",
    // The worker does the serving; the master only waits.
    serverPeak: () => Math.max(...childrenOf(nginx.pid).map(peakOf)),
    async get(load) {
      const directory = join(work, `unpacking-${++count}`);
      mkdirSync(directory);
      const url = `http://127.0.0.1:${port}/${load.name}.tar`;
      const line = `set -o pipefail; curl -sS --fail "${url}" | tar -x -C "${directory}" -f -`;
      const before = performance.now();
      await must("bash", ["-c", line]);
      const seconds = (performance.now() - before) / 1000;
      await removeTree(directory);
      return { seconds, peak: 0 };
    },
    async [Symbol.asyncDispose]() {
      nginx.kill("SIGQUIT");
      await nginx.status;
    },
  };
}

/** The most memory that a process has had, in bytes, from Linux's own book-keeping. */
export function peakOf(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** The peak of a process that ends by itself: the high-water mark just before. */
export async function watchPeak(running: Running): Promise<number> {
  let peak = 0;
  let ended = false;
  void running.ended.then(() => ended = true);
  while (!ended) {
    try {
      peak = Math.max(peak, peakOf(running.pid));
    } catch {
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return peak;
}

function childrenOf(pid: number): number[] {
  return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(/\s+/)
    .filter(Boolean).map(Number);
}

async function must(name: string, args: string[]): Promise<void> {
  const { success, code } = await new Deno.Command(name, { args, stdin: "null" }).spawn().status;
  if (!success) throw new Error(`${name} ${args.join(" ")}: exit ${code}`);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  throw new Error(`Nothing listens on port ${port}`);
}
