/** Asking and hearing between hosts, with no default route anywhere. */

import assert from "node:assert/strict";
import { type Host } from "../e2e/lib/host.ts";
import { Network, type NetworkOptions } from "../e2e/lib/network.ts";
import { needs } from "../skips.ts";

const PORT = 38339;
const EXCHANGE = new URL("./exchange_program.ts", import.meta.url).pathname;

/** Starts the program and waits until it says that it is ready. */
async function listen(host: Host, ...permissions: string[]): Promise<Deno.ChildProcess> {
  const child = host.command(deno(permissions, "hear"), { stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  return child;
}

function deno(permissions: string[], ...args: string[]): string[] {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  return [
    ...[Deno.execPath(), "run", "--no-prompt", "--quiet", "--cached-only", "--config", config],
    ...(permissions.length > 0 ? permissions : ["--allow-all"]),
    ...[EXCHANGE, ...args, String(PORT)],
  ];
}

/**
 * Who answers host 2 when it asks. The answers are `FROM: ADDRESS THAT ASKED`.
 *
 * @param options.late host 1 has no interface until it listens
 * @param options.apart host 1 is set to keep IPv4 away from the sockets of IPv6
 * @param permissions of host 1
 */
async function answers(
  options: Omit<NetworkOptions, "hosts"> & { late?: boolean; apart?: boolean },
  ...permissions: string[]
): Promise<{ found: string[]; hosts: readonly Host[] }> {
  await using network = await Network.create({ hosts: 2, ...options });
  if (options.late) await network.host(1).down();
  if (options.apart) {
    await network.host(1).exec("sh", "-c", "echo 1 > /proc/sys/net/ipv6/bindv6only");
  }
  const child = await listen(network.host(1), ...permissions);
  try {
    if (options.late) await network.host(1).exec("ip", "link", "set", "eth0", "up");
    const out = await network.host(2).exec(...deno([], "ask"));
    return { found: [...new Set(out.trim().split("\n"))].sort(), hosts: network.hosts };
  } finally {
    child.kill();
    await child.stdout.cancel();
    await child.status;
  }
}

Deno.test({
  name: "a neighbour is found over IPv4",
  ...needs("namespaces"),
  fn: async () => {
    const { found } = await answers({});
    assert.deepEqual(found, ["192.168.77.1: 192.168.77.2"]);
  },
});

Deno.test({
  name: "a neighbour is found over IPv6 alone, and both know the link",
  ...needs("namespaces"),
  fn: async () => {
    const { found } = await answers({ ipv4: false, ipv6: true });
    assert.equal(found.length, 1);
    assert.match(found[0]!, /^fe80:[0-9a-f:]+%\d+: fe80:[0-9a-f:]+$/);
  },
});

Deno.test({
  name: "who may not list the interfaces is found over IPv6 and IPv4 all the same",
  ...needs("namespaces"),
  fn: async () => {
    const { found } = await answers({ ipv6: true }, "--allow-net");
    assert.equal(found.length, 2);
    assert.equal(found[0], "192.168.77.1: 192.168.77.2");
    assert.match(found[1]!, /^fe80:/);
  },
});

Deno.test({
  name: "who listens is found on an interface that comes later, whether it may list them or not",
  ...needs("namespaces"),
  fn: async () => {
    const late = { ipv4: false, ipv6: true, late: true };
    // Who knows another interface does not guess that there may be more.
    const found = [
      await answers({ ...late, dead: "silent" }),
      await answers(late, "--allow-net"),
    ];
    for (const { found: [first, ...more] } of found) {
      assert.match(first!, /^fe80:/);
      assert.deepEqual(more, []);
    }
  },
});

Deno.test({
  name: "a neighbour whose system keeps the families apart is found over both",
  ...needs("namespaces"),
  fn: async () => {
    const { found } = await answers({ ipv6: true, apart: true });
    assert.equal(found.length, 2);
    assert.equal(found[0], "192.168.77.1: 192.168.77.2");
    assert.match(found[1]!, /^fe80:/);
  },
});

for (const dead of ["no-carrier", "silent"] as const) {
  Deno.test({
    name: `a second interface that is dead (${dead}) does no harm`,
    ...needs("namespaces"),
    fn: async () => {
      const { found } = await answers({ ipv6: true, dead });
      assert.ok(found.includes("192.168.77.1: 192.168.77.2"), found.join("\n"));
      assert.ok(found.some((answer) => answer.startsWith("fe80:")), found.join("\n"));
    },
  });
}

Deno.test({
  name: "a neighbour is found where there is a default route",
  ...needs("namespaces"),
  fn: async () => {
    const { found } = await answers({ defaultRoute: true });
    assert.deepEqual(found, ["192.168.77.1: 192.168.77.2"]);
  },
});
