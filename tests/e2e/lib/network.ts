/**
 * A small network of its own inside the kernel: hosts (network namespaces) on one switch (a bridge
 * in a namespace of its own). Nothing is created in the machine's own network and nothing can
 * leave. Needs Linux, root and iproute2.
 */

import assert from "node:assert/strict";

import { command, type Host, HostOnSwitch } from "./host.ts";

export type { Host } from "./host.ts";

export interface NetworkOptions {
  readonly hosts: number;
  /** 192.168.77.N/24 for host N, counted from 1; true by default. */
  readonly ipv4?: boolean;
  /** A link-local address and fd77::N/64; false by default. */
  readonly ipv6?: boolean;
  /** A route to everywhere, by a router that is not there; false by default. */
  readonly defaultRoute?: boolean;
  /**
   * A second interface, `dead0`, with addresses of its own. "no-carrier": its cable is out.
   * "silent": it is up, but nothing sent there arrives and nothing comes.
   */
  readonly dead?: "no-carrier" | "silent";
  /** Speed of each host's link in both directions, in bit/s. Unlimited by default. */
  readonly bitsPerSecond?: number;
}

const PREFIX = "zs";

/** Whether namespaces can be made here. */
export function available(): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const name = `${PREFIX}-${Deno.pid}-try`;
  try {
    const made = new Deno.Command("ip", { args: ["netns", "add", name], stderr: "null" });
    if (!made.outputSync().success) return false;
    return new Deno.Command("ip", { args: ["netns", "del", name] }).outputSync().success;
  } catch {
    return false;
  }
}

/** A switch and its hosts. Bind it with `await using`: what runs in it ends with it. */
export class Network implements AsyncDisposable {
  static #count = 0;
  readonly hosts: readonly Host[];
  #namespaces: readonly string[];

  private constructor(hosts: readonly Host[], namespaces: readonly string[]) {
    this.hosts = hosts;
    this.#namespaces = namespaces;
  }

  static async create(options: NetworkOptions): Promise<Network> {
    await sweep();
    const base = `${PREFIX}-${Deno.pid}-${++Network.#count}`;
    const hub = `${base}-sw`;
    const hosts = Array.from(
      { length: options.hosts },
      (_, index) => new HostOnSwitch(`${base}-${index + 1}`, index + 1, hub),
    );
    const namespaces = [hub, ...hosts.map((host) => host.namespace)];
    const network = new Network(hosts, namespaces);
    try {
      await command("ip", ["netns", "add", hub]);
      await batch(hub, [
        "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        "link set br0 up",
      ]);
      for (const host of hosts) await connect(host, hub, options);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** Host `number`, counted from 1, as its addresses are. */
  host(number: number): Host {
    const host = this.hosts[number - 1];
    assert.ok(host, `no host ${number}`);
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const namespace of this.#namespaces) await remove(namespace);
  }
}

async function connect(host: HostOnSwitch, hub: string, options: NetworkOptions): Promise<void> {
  const { namespace, number, port } = host;
  await command("ip", ["netns", "add", namespace]);
  // Without duplicate address detection an address can be used at once.
  const quiet = "for f in accept_dad accept_ra router_solicitations; do " +
    "for i in all default; do echo 0 > /proc/sys/net/ipv6/conf/$i/$f; done; done";
  const off = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6";
  await command("ip", [
    ...["netns", "exec", namespace, "sh", "-c"],
    options.ipv6 ? quiet : off,
  ]);
  const ipv4 = options.ipv4 ?? true;
  await batch(hub, [
    `link add ${port} type veth peer name eth0 netns ${namespace}`,
    `link set ${port} master br0 up`,
    ...(options.dead ? [`link add d${number} type veth peer name dead0 netns ${namespace}`] : []),
    ...(options.dead === "silent" ? [`link set d${number} up`] : []),
  ]);
  await batch(namespace, [
    "link set lo up",
    // First, so that it has the lower index and is met first by who walks the interfaces.
    ...(options.dead ? ["link set dead0 up"] : []),
    ...(options.dead && ipv4 ? [`addr add 192.168.66.${number}/24 brd + dev dead0`] : []),
    "link set eth0 up",
    ...(ipv4 ? [`addr add ${host.ipv4}/24 brd + dev eth0`] : []),
    ...(options.ipv6 ? [`addr add ${host.ipv6}/64 dev eth0`] : []),
    ...(options.defaultRoute && ipv4 ? ["route add default via 192.168.77.254 dev eth0"] : []),
    ...(options.defaultRoute && options.ipv6 ? ["-6 route add default via fd77::fe dev eth0"] : []),
    // A look-up of a name is to fail at once, not to wait for a router that is not there.
    ...(options.defaultRoute
      ? nameServers().map((server) => `route add unreachable ${server}`)
      : []),
  ]);
  if (options.bitsPerSecond !== undefined) await host.limit(options.bitsPerSecond);
}

function nameServers(): string[] {
  const text = Deno.readTextFileSync("/etc/resolv.conf");
  return [...text.matchAll(/^nameserver\s+(\d+\.\d+\.\d+\.\d+)/gm)].map((match) => match[1]!)
    .filter((address) => !address.startsWith("127."));
}

/** Several commands of `ip` at the price of one. A line that begins with -6 goes on its own. */
async function batch(namespace: string, lines: readonly string[]): Promise<void> {
  const common = lines.filter((line) => !line.startsWith("-"));
  await command("ip", ["-n", namespace, "-batch", "-"], common.join("\n") + "\n");
  for (const line of lines.filter((line) => line.startsWith("-"))) {
    await command("ip", ["-n", namespace, ...line.split(" ")]);
  }
}

/** Ends what runs in a namespace and deletes it; fine when it is not there. */
async function remove(namespace: string): Promise<void> {
  const list = new Deno.Command("ip", { args: ["netns", "pids", namespace], stderr: "null" });
  const { stdout } = await list.output();
  for (const pid of new TextDecoder().decode(stdout).split("\n").filter(Boolean)) {
    try {
      Deno.kill(Number(pid), "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  await new Deno.Command("ip", { args: ["netns", "del", namespace], stderr: "null" }).output();
}

/** Deletes what a run of the tests that was killed has left. */
async function sweep(): Promise<void> {
  for (const { name, pid } of await namespaces()) {
    if (!await exists(`/proc/${pid}`)) await remove(name);
  }
}

/** Ends whatever runs in the networks that process `pid` made, and deletes them. */
export async function removeNetworksOf(pid: number): Promise<void> {
  for (const one of await namespaces()) {
    if (one.pid === pid) await remove(one.name);
  }
}

async function namespaces(): Promise<{ name: string; pid: number }[]> {
  const { stdout } = await new Deno.Command("ip", { args: ["netns", "list"] }).output();
  const names = new TextDecoder().decode(stdout).matchAll(
    new RegExp(`^(${PREFIX}-(\\d+)-\\S+)`, "gm"),
  );
  return Array.from(names, ([, name, pid]) => ({ name: name!, pid: Number(pid) }));
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
