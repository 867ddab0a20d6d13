/** What one would use instead: an archive made beforehand, nginx, and `curl | tar x`. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { type Program, type Running, start } from "../../tests/e2e/lib/program.ts";
import { removeTree, sandboxEnv } from "../../tests/e2e/lib/sandbox_env.ts";
import { check, type Load } from "./loads.ts";
import { type Cost, cost, LIMIT_MS, must } from "./processes.ts";
import type { Seat } from "./seats.ts";
import type { Workplace } from "./workplace.ts";

export type Packing = "tar" | "tar.zst";

/** Packs a load as `DIRECTORY/NAME.tar` and gives that path; `.manifest` stays out. */
export async function pack(load: Load, packing: Packing, directory: string): Promise<string> {
  mkdirSync(directory, { recursive: true });
  const archive = join(directory, `${load.digest}.${packing}`);
  // The level that zstd takes by itself.
  const compress = packing === "tar" ? [] : ["-I", "zstd -3 -q"];
  const what = ["--sort=name", "--exclude=./.manifest", "-C", load.path];
  await must("tar", ...compress, ...what, "-cf", archive, ".");
  return archive;
}

export class ArchiveServer implements AsyncDisposable {
  private constructor(readonly running: Running, readonly url: string) {}

  /** nginx on a seat serves the files in `directory`. */
  static async start(seat: Seat, directory: string, place: Workplace): Promise<ArchiveServer> {
    const own = place.fresh("nginx");
    const { env } = sandboxEnv(own);
    const port = seat.prefix.length > 0 ? 8080 : freePort();
    const configuration = join(own, "nginx.conf");
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    await Deno.writeTextFile(
      configuration,
      `worker_processes 1;
daemon off;
pid ${own}/nginx.pid;
${Deno.uid() === 0 ? "user root;" : ""}
events { worker_connections 512; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  ${temporary.map((name) => `${name}_temp_path ${own}/${name};`).join("\n  ")}
  server { listen ${port}; root ${directory}; }
}
`,
    );
    const nginx: Program = {
      name: "nginx",
      command: ["nginx", "-e", join(own, "nginx.log"), "-p", own, "-c", configuration],
    };
    const running = start(nginx, [], {
      env: { ...env, PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
      prefix: seat.prefix,
      limit: LIMIT_MS,
    });
    await listening(seat, port, running);
    return new ArchiveServer(running, `http://${seat.address}:${port}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running.stop("SIGTERM");
  }
}

export interface UnpackOptions {
  readonly seat: Seat;
  readonly packing: Packing;
  /** Let Zero Install hash what came, as it does before it believes a tree. */
  readonly verify?: boolean;
  /** Look at the memory of what runs; false by default. */
  readonly watch?: boolean;
  /** Below which it is unpacked; the workplace's memory by default. */
  readonly where?: string;
}

/** `curl | tar x` once into a fresh place; checks what came, and removes it. */
export async function unpackOnce(
  server: ArchiveServer,
  load: Load,
  place: Workplace,
  { seat, packing, verify = false, watch = false, where }: UnpackOptions,
): Promise<Cost> {
  const directory = place.fresh("unpacked", where);
  const { env } = sandboxEnv(join(directory, "home"));
  const tree = join(directory, "tree");
  mkdirSync(tree);
  const flags = packing === "tar" ? "-x" : "-x --zstd";
  const url = `${server.url}/${load.digest}.${packing}`;
  const lines = [
    "set -e -o pipefail",
    `curl -sS --fail "${url}" | tar ${flags} -C "${tree}" -f -`,
    ...(verify
      ? [`[ "$(0install digest --algorithm=sha256new "${tree}")" = "${load.digest}" ]`]
      : []),
  ];
  const spent = await place.measured(() =>
    cost(["bash", "-c", lines.join("\n")], { env, seat, watch })
  );
  await check(load, tree);
  await removeTree(directory);
  return spent;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Waits until somebody takes connections at a port of a seat. */
export async function listening(seat: Seat, port: number, server: Running): Promise<void> {
  const [name, ...args] = [...seat.prefix, "bash", "-c", `: </dev/tcp/127.0.0.1/${port}`];
  for (let attempt = 0; attempt < 200; attempt++) {
    const { success } = await new Deno.Command(name!, { args, stderr: "null" }).output();
    if (success) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`Nothing listens on port ${port}: ${server.report()}`);
}
