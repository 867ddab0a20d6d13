/** Machines on a network of their own that want the same application, and its origin there. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import { Application } from "./application.ts";
import type { Host } from "./host.ts";
import { machine } from "./machine.ts";
import { Origin } from "./origin.ts";
import { type Program, Running, start } from "./program.ts";
import { Room } from "./room.ts";
import type { Sandbox } from "./sandbox_env.ts";

const ORIGIN = fileURLToPath(new URL("origin_program.ts", import.meta.url));

/** One request for an archive. */
export interface Asked {
  readonly by: Host;
  readonly path: string;
}

export interface ClubOptions {
  readonly machines: number;
  /** Of the origin's link. */
  readonly bitsPerSecond: number;
  /** Bytes of each of the two libraries. */
  readonly padding: number;
}

export class Club implements AsyncDisposable {
  private constructor(
    readonly room: Room,
    /** Those that want it. */
    readonly hosts: readonly Host[],
    readonly application: Application,
    /** Of all archives together, in bytes. */
    readonly size: number,
    readonly directory: string,
    readonly originHost: Host,
    readonly origin: Running,
  ) {}

  static async open(program: Program, options: ClubOptions): Promise<Club> {
    const room = await Room.open(program, { hosts: options.machines + 1 });
    try {
      const hosts = room.network.hosts.slice(0, -1);
      const last = room.network.hosts.at(-1)!;
      const { path } = room.directory;
      await using origin = await Origin.open(`${path}/key`, last.ipv4);
      const publisher = machine(room.directory, "publisher", { TZ: "UTC" });
      const application = await Application.publish(origin, publisher, options.padding);
      for (const host of hosts) await origin.trustedBy(room.machine(host));
      const sizes = await origin.saveTo(`${path}/site`);
      const archives = [...application.parts.values()].flatMap((part) => part.archives);
      const size = archives.reduce((sum, path) => sum + sizes.get(path)!, 0);
      await last.limit(options.bitsPerSecond);
      const server = new Running(
        [...last.prefix, Deno.execPath(), "run", "--allow-all", ORIGIN, `${path}/site`],
        { env: publisher.env, limit: 300_000 },
      );
      await server.output(/^ready$/m, "stdout");
      return new Club(room, hosts, application, size, `${path}/site`, last, server);
    } catch (error) {
      await room[Symbol.asyncDispose]();
      throw error;
    }
  }

  machine(host: Host): Sandbox {
    return this.room.machine(host);
  }

  /** Starts 0share on a host. */
  start(host: Host, command: string, ...args: string[]): Running {
    return start(this.room.program, [command, "--no-mdns", ...args], {
      // Archives of zip have local times.
      env: { ...this.machine(host).env, TZ: "UTC" },
      prefix: host.prefix,
    });
  }

  /** The requests for archives so far. */
  get asked(): Asked[] {
    return Array.from(
      this.origin.stdout.matchAll(/^(\S+) (\/archives\/.*)$/gm),
      ([, address, path]) => ({
        by: this.hosts.find(({ ipv4 }) => ipv4 === address)!,
        path: path!,
      }),
    );
  }

  /** The host that asks first for an archive, as soon as one does. */
  async downloader(): Promise<Host> {
    await this.origin.output(/^\S+ \/archives\//m, "stdout");
    return this.asked[0]!.by;
  }

  /** How often the origin has sent everything so far, by what went over its link. */
  async copies(): Promise<number> {
    return (await this.originHost.traffic()).sent / this.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.origin[Symbol.asyncDispose]();
    await this.room[Symbol.asyncDispose]();
  }
}

/** What runs in a host, without the agent that GnuPG leaves: process ids and command lines. */
export async function processesOf(host: Host): Promise<{ pid: number; command: string }[]> {
  const pids = await new Deno.Command("ip", { args: ["netns", "pids", host.namespace] }).output();
  assert.ok(pids.success);
  return new TextDecoder().decode(pids.stdout).split("\n").filter(Boolean).flatMap((line) => {
    try {
      const command = Deno.readTextFileSync(`/proc/${line}/cmdline`).replaceAll("\0", " ");
      return /^$|^gpg-agent /.test(command) ? [] : [{ pid: Number(line), command }];
    } catch {
      // It has just ended.
      return [];
    }
  });
}

/** Sends a signal to what runs in a host and has this in its command line. Fails when nothing has. */
export async function signalAll(host: Host, what: RegExp, signal: Deno.Signal): Promise<void> {
  const found = (await processesOf(host)).filter(({ command }) => what.test(command));
  assert.ok(found.length > 0, `nothing in ${host.namespace} is ${what}`);
  for (const { pid } of found) Deno.kill(pid, signal);
}

/** Waits until a host runs nothing any more. */
export async function emptied(host: Host): Promise<void> {
  while ((await processesOf(host)).length > 0) {
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
