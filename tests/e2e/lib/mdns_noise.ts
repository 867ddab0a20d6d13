/** A host that says 2,000 things to everybody with multicast DNS that are nonsense, or nearly true. */

import dnsPacket from "dns-packet";
import { networkInterfaces } from "../../../lib/net/interfaces.ts";
import { MdnsSockets, mdnsWays } from "../../../lib/net/mdns.ts";

const NAME = "_0install-store._tcp.local";
const question = new Uint8Array(dnsPacket.encode({
  type: "query",
  questions: [{ type: "PTR", name: NAME }],
  answers: [{ type: "PTR", name: NAME, ttl: 10, data: `x.${NAME}` }],
  authorities: [{ type: "A", name: `x.${NAME}`, ttl: 10, data: "10.0.0.1" }],
}));

using sockets = new MdnsSockets();
for (const way of mdnsWays(networkInterfaces())) {
  for (let round = 0; round < 1000; round++) {
    const bytes = round % 2 === 0
      ? crypto.getRandomValues(new Uint8Array(round))
      : question.slice(0, round % question.length);
    if (round % 3 === 0 && bytes.length > 20) bytes[round % bytes.length] = round & 0xff;
    await sockets.send(bytes, way);
  }
}
Deno.exit();
