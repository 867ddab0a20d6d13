/** One host of a network made of namespaces, and what can happen to a host. */

import assert from "node:assert/strict";

export interface Host {
  readonly namespace: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Put in front of a command, it runs in this host. */
  readonly prefix: readonly string[];
  /** `fe80::…%eth0`, as it is seen from this host; fails where there is no IPv6. */
  linkLocal(): Promise<string>;
  /** Runs a command in this host to its end and gives its stdout; fails when it fails. */
  exec(...command: string[]): Promise<string>;
  /** A command of this host, to be spawned. */
  command(command: readonly string[], options?: Deno.CommandOptions): Deno.Command;
  /**
   * A firewall that answers nothing to anybody else: packets that come in are dropped. Where there
   * is no nftables, the host is taken off the switch, which from outside looks much the same.
   */
  silence(): Promise<void>;
  /** Takes the host off the switch: its own link stays up, nothing arrives any more. */
  unplug(): Promise<void>;
  /** Puts it back. */
  plug(): Promise<void>;
  /** Takes its interface down, as somebody who switches Wi-Fi off. */
  down(): Promise<void>;
  /** Limits its link to `bitsPerSecond` in each direction. */
  limit(bitsPerSecond: number): Promise<void>;
  /** Loses so many of a hundred packets that come in, at random. Needs nftables. */
  lose(percent: number): Promise<void>;
  /** Bytes that this host has sent and received on its link so far. */
  traffic(): Promise<{ sent: number; received: number }>;
}

export class HostOnSwitch implements Host {
  readonly ipv4: string;
  readonly ipv6: string;
  /** The switch's end of the cable. */
  readonly port: string;
  readonly prefix: readonly string[];
  #hub: string;

  constructor(readonly namespace: string, readonly number: number, hub: string) {
    this.ipv4 = `192.168.77.${number}`;
    this.ipv6 = `fd77::${number.toString(16)}`;
    this.port = `p${number}`;
    this.prefix = ["ip", "netns", "exec", namespace];
    this.#hub = hub;
  }

  async linkLocal(): Promise<string> {
    const out = await this.exec("ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link");
    const address = /inet6 (fe80:[^/]+)/.exec(out)?.[1];
    assert.ok(address, `${this.namespace} has no link-local address: ${out}`);
    return `${address}%eth0`;
  }

  async exec(...args: string[]): Promise<string> {
    return await command(this.prefix[0]!, [...this.prefix.slice(1), ...args]);
  }

  command(args: readonly string[], options: Deno.CommandOptions = {}): Deno.Command {
    return new Deno.Command(this.prefix[0]!, {
      ...options,
      args: [...this.prefix.slice(1), ...args],
    });
  }

  async silence(): Promise<void> {
    const rules =
      'table inet quiet { chain input { type filter hook input priority 0; policy drop; iif "lo" accept; }; }';
    try {
      await this.exec("nft", rules);
    } catch {
      await this.unplug();
    }
  }

  async unplug(): Promise<void> {
    await command("ip", ["-n", this.#hub, "link", "set", this.port, "nomaster"]);
  }

  async plug(): Promise<void> {
    await command("ip", ["-n", this.#hub, "link", "set", this.port, "master", "br0"]);
  }

  async down(): Promise<void> {
    await command("ip", ["-n", this.namespace, "link", "set", "eth0", "down"]);
  }

  async limit(bitsPerSecond: number): Promise<void> {
    // Smaller bursts than 100 kB lose some of the rate to the timer; the queue holds 10 ms or more.
    const burst = Math.max(100_000, Math.ceil(bitsPerSecond / 8 / 500));
    const queue = Math.max(262_144, Math.ceil(bitsPerSecond / 8 / 100));
    for (const [namespace, link] of [[this.namespace, "eth0"], [this.#hub, this.port]] as const) {
      await command("tc", [
        ...["-n", namespace, "qdisc", "replace", "dev", link, "root", "tbf"],
        ...["rate", `${bitsPerSecond}bit`, "burst", String(burst), "limit", String(queue)],
      ]);
    }
  }

  async lose(percent: number): Promise<void> {
    // Otherwise a loss would be one of dozens of packets that the kernel carries as one.
    for (const [namespace, link] of [[this.namespace, "eth0"], [this.#hub, this.port]] as const) {
      await command("ip", ["-n", namespace, "link", "set", link, "gso_max_segs", "1"]);
    }
    const drop = `iif "eth0" numgen random mod 1000 < ${Math.round(percent * 10)} counter drop;`;
    await this.exec(
      "nft",
      `table inet loss { chain input { type filter hook input priority 0; ${drop} }; }`,
    );
  }

  async traffic(): Promise<{ sent: number; received: number }> {
    const out = await command("ip", ["-n", this.namespace, "-s", "-j", "link", "show", "eth0"]);
    const [link] = JSON.parse(out);
    return { sent: link.stats64.tx.bytes, received: link.stats64.rx.bytes };
  }
}

/** Runs a command to its end, gives its stdout, and fails with its stderr when it fails. */
export async function command(name: string, args: string[], input?: string): Promise<string> {
  const child = new Deno.Command(name, {
    args,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  assert.ok(success, `${name} ${args.join(" ")}: ${decoder.decode(stderr)}${input ?? ""}`);
  return decoder.decode(stdout);
}
