/**
 * One side of a talk over multicast DNS, for a host. `beside` prints what `MdnsSockets` hears, and
 * what another program that opened the port before and after it does; `talk IPV4 LINK-LOCAL` says
 * something to everybody and to that machine alone.
 */

import { networkInterfaces } from "../../lib/net/interfaces.ts";
import { MDNS_PORT, MdnsSockets, mdnsWays } from "../../lib/net/mdns.ts";

const RUNS_MS = 3000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const [role, ipv4, linkLocal] = Deno.args;
const ways = mdnsWays(networkInterfaces());
const sockets = new MdnsSockets();

function print(who: string, bytes: Uint8Array, address: string): void {
  const from = address.replace(/^::ffff:/, "").replace(/^fe80::[^%]*(%?).*/, "fe80::$1");
  Deno.stdout.writeSync(encoder.encode(`${who}: ${decoder.decode(bytes)} from ${from}\n`));
}

/** What other programs do that speak multicast DNS. */
async function other(): Promise<void> {
  const socket = Deno.listenDatagram({
    transport: "udp",
    hostname: "::",
    port: MDNS_PORT,
    reuseAddress: true,
  });
  for (const { family, index } of ways) {
    if (family === "IPv6") await socket.joinMulticastV6("ff02::fb", index);
  }
  const four = Deno.listenDatagram({
    transport: "udp",
    hostname: "0.0.0.0",
    port: MDNS_PORT,
    reuseAddress: true,
  });
  for (const { family, address } of ways) {
    if (family === "IPv4") await four.joinMulticastV4("224.0.0.251", address);
  }
  for (const one of [socket, four]) {
    (async () => {
      for (;;) {
        const [bytes, from] = await one.receive();
        print("other", bytes, (from as Deno.NetAddr).hostname);
      }
    })();
  }
}

async function hear(): Promise<void> {
  for await (const { bytes, from } of sockets.messages()) print("ours", bytes, from.address);
}

async function say(text: string): Promise<void> {
  for (const way of ways) {
    const bytes = encoder.encode(`${text} over ${way.family}`);
    const error = await sockets.send(bytes, way);
    if (error !== undefined) throw error;
  }
}

setTimeout(() => Deno.exit(), RUNS_MS);
if (role === "beside") {
  await other();
  sockets.update(ways);
  void hear();
  setTimeout(() => void say("own words"), 200);
} else {
  for (;;) {
    await say("everybody");
    for (const way of ways) {
      const address = way.family === "IPv4" ? ipv4! : `${linkLocal}%${way.index}`;
      const bytes = encoder.encode(`you alone over ${way.family}`);
      const error = await sockets.send(bytes, way, { address, port: MDNS_PORT });
      if (error !== undefined) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
