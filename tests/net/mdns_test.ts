/** Multicast DNS on links: which ones, and beside whom. */

import assert from "node:assert/strict";
import { fromSystem, type SystemInterface } from "../../lib/net/interfaces.ts";
import { mdnsAskWays, MdnsSockets, mdnsWays, waysTo } from "../../lib/net/mdns.ts";
import type { Host } from "../e2e/lib/host.ts";
import { Network } from "../e2e/lib/network.ts";
import { needs } from "../skips.ts";

const PROGRAM = new URL("./mdns_program.ts", import.meta.url).pathname;

function v4(name: string, address: string, netmask: string): SystemInterface {
  return { name, family: "IPv4", address, netmask, scopeid: null };
}

function v6(name: string, address: string, scopeid: number): SystemInterface {
  return { name, family: "IPv6", address, netmask: "ffff:ffff:ffff:ffff::", scopeid };
}

const INTERFACES = fromSystem([
  v4("lo", "127.0.0.1", "255.0.0.0"),
  v4("eth0", "192.168.2.17", "255.255.255.0"),
  v4("eth0", "10.1.2.3", "255.255.0.0"),
  v4("ppp0", "10.0.0.1", "255.255.255.255"),
  v6("lo", "::1", 0),
  v6("eth0", "fd00::2", 0),
  v6("eth0", "fe80::1234", 4),
  v6("wlan0", "fe80::1234", 7),
]);

Deno.test("there is a way for each network of a link, and one for IPv6, none to oneself", () => {
  assert.deepEqual(mdnsWays(INTERFACES).map(({ link, address }) => `${link} ${address}`), [
    "eth0 192.168.2.17",
    "eth0 10.1.2.3",
    "eth0 fe80::1234",
    "wlan0 fe80::1234",
  ]);
});

Deno.test("each way is asked from its own address", () => {
  assert.deepEqual(mdnsAskWays(INTERFACES), [
    { address: "192.168.2.17", targets: ["224.0.0.251"], scope: "" },
    { address: "10.1.2.3", targets: ["224.0.0.251"], scope: "" },
    { address: "fe80::1234", targets: ["ff02::fb%4"], scope: "%4" },
    { address: "fe80::1234", targets: ["ff02::fb%7"], scope: "%7" },
  ]);
  assert.deepEqual(mdnsAskWays([]).map(({ address }) => address), ["0.0.0.0"]);
});

Deno.test("a neighbour is on the link of his network or his scope, and a stranger on none", () => {
  const ways = mdnsWays(INTERFACES);
  const to = (address: string) => waysTo(address, ways).map(({ link, address }) => link + address);
  assert.deepEqual(to("192.168.2.99"), ["eth0192.168.2.17"]);
  assert.deepEqual(to("10.1.200.1"), ["eth010.1.2.3"]);
  assert.deepEqual(to("fe80::99%7"), ["wlan0fe80::1234"]);
  for (const stranger of ["192.168.7.1", "10.2.0.1", "8.8.8.8", "fe80::99", "fe80::99%5"]) {
    assert.deepEqual(to(stranger), [], stranger);
  }
});

Deno.test("closing ends what is heard, and may be done twice", async () => {
  const sockets = new MdnsSockets();
  assert.deepEqual(sockets.update([]), []);
  const heard = Array.fromAsync(sockets.messages());
  sockets[Symbol.dispose]();
  sockets[Symbol.dispose]();
  assert.deepEqual(await heard, []);
  assert.deepEqual(sockets.update(mdnsWays(INTERFACES)), []);
});

Deno.test("what cannot be sent is told, not thrown", async () => {
  using sockets = new MdnsSockets();
  const way = { ...mdnsWays(INTERFACES)[0]!, address: "192.0.2.77" };
  assert.ok(await sockets.send(new Uint8Array(1), way) instanceof Error);
});

/** Runs a part of the program on a host to its end. */
async function play(host: Host, ...args: string[]): Promise<string[]> {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const command = ["run", "--allow-all", "--quiet", "--config", config, PROGRAM, ...args];
  return (await host.exec(Deno.execPath(), ...command)).trim().split("\n");
}

Deno.test({
  name: "others on one machine hear everything, too, and lose nothing that is sent to them alone",
  ...needs("namespaces"),
  fn: async () => {
    await using network = await Network.create({ hosts: 2, ipv6: true });
    const [one, two] = network.hosts as [Host, Host];
    const linkLocal = (await one.linkLocal()).replace(/%.*/, "");
    const [beside] = await Promise.all([
      play(one, "beside"),
      play(two, "talk", one.ipv4, linkLocal),
    ]);
    assert.deepEqual([...new Set(beside)].sort(), [
      "other: everybody over IPv4 from 192.168.77.2",
      "other: everybody over IPv6 from fe80::",
      "other: own words over IPv4 from 192.168.77.1",
      "other: own words over IPv6 from fe80::",
      "other: you alone over IPv4 from 192.168.77.2",
      "other: you alone over IPv6 from fe80::",
      "ours: everybody over IPv4 from 192.168.77.2",
      "ours: everybody over IPv6 from fe80::%",
      "ours: own words over IPv4 from 192.168.77.1",
      "ours: own words over IPv6 from fe80::%",
    ]);
  },
});
