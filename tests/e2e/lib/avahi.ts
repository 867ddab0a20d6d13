/** Avahi on a host: the mDNS of most Linux machines, with a message bus of its own to reach it by. */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Host } from "./host.ts";
import { Running } from "./program.ts";

/** All of the tools that are needed; they are in Debian's avahi-daemon, avahi-utils and dbus. */
export function available(): boolean {
  return ["avahi-daemon", "avahi-browse", "avahi-publish", "dbus-daemon"].every((name) => {
    const look = new Deno.Command("sh", {
      args: ["-c", `PATH=$PATH:/usr/sbin; command -v ${name}`],
    });
    return look.outputSync().success;
  });
}

const BUS = (socket: string) =>
  `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
`;

const DAEMON = (name: string) =>
  `[server]
host-name=${name}
use-ipv4=yes
use-ipv6=yes
[publish]
publish-workstation=no
[rlimits]
`;

/** A service as avahi-browse found it. */
export interface Resolved {
  readonly family: string;
  readonly instance: string;
  readonly type: string;
  readonly hostname: string;
  readonly address: string;
  readonly port: number;
  readonly text: string;
}

/** An avahi-daemon that runs on a host. Bind it with `await using`. */
export class Avahi implements AsyncDisposable {
  readonly #host: Host;
  readonly #env: Readonly<Record<string, string>>;
  readonly #running: Running[] = [];

  private constructor(host: Host, env: Readonly<Record<string, string>>) {
    this.#host = host;
    this.#env = env;
  }

  /** @param directory a new one, short enough for the name of a socket */
  static async start(host: Host, directory: string): Promise<Avahi> {
    mkdirSync(directory, { recursive: true });
    const socket = join(directory, "bus");
    writeFileSync(join(directory, "bus.conf"), BUS(socket));
    writeFileSync(join(directory, "avahi.conf"), DAEMON(`host${host.ipv4.split(".").at(-1)}`));
    const env = {
      PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin`,
      DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${socket}`,
      LANG: "C.UTF-8",
    };
    const avahi = new Avahi(host, env);
    try {
      const bus = avahi.#start(
        ...["dbus-daemon", "--config-file", join(directory, "bus.conf")],
        ...["--nofork", "--nopidfile", "--print-address"],
      );
      await bus.output(/unix:path/, "stdout");
      // The daemon's PID file has a fixed place; a host has mounts of its own.
      const daemon = avahi.#start(
        ...["sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh", "avahi-daemon"],
        ...["--file", join(directory, "avahi.conf"), "--no-drop-root", "--no-chroot"],
        ...["--no-rlimits", "--debug"],
      );
      await daemon.output(/Server startup complete/);
    } catch (error) {
      await avahi[Symbol.asyncDispose]();
      throw error;
    }
    return avahi;
  }

  /** What its log has said so far. */
  get log(): string {
    return this.#running.map((running) => running.stderr).join("");
  }

  /** Looks for services and resolves them, as `avahi-browse` does until it has seen everything. */
  async browse(type: string): Promise<Resolved[]> {
    const browsing = this.#start("avahi-browse", "-rtp", "--no-db-lookup", type);
    const { code, stdout, stderr } = await browsing.ended;
    assert.equal(code, 0, stderr);
    return stdout.split("\n").filter((line) => line.startsWith("=")).map((line) => {
      const [, , family, instance, type, , hostname, address, port, text] = line.split(";");
      return {
        family: family!,
        // Unusual characters are written as their numbers.
        instance: instance!.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number(code)))
          .replace(/\\(.)/g, "$1"),
        type: type!,
        hostname: hostname!,
        address: address!,
        port: Number(port),
        text: text ?? "",
      };
    });
  }

  /** Announces a service of this host until this is disposed of. */
  async publish(instance: string, type: string, port: number, ...text: string[]): Promise<void> {
    const publishing = this.#start("avahi-publish", "-s", instance, type, String(port), ...text);
    await publishing.output(/Established under name/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running.toReversed()) await running[Symbol.asyncDispose]();
  }

  #start(...command: string[]): Running {
    const running = new Running([...this.#host.prefix, ...command], { env: this.#env });
    this.#running.push(running);
    return running;
  }
}
