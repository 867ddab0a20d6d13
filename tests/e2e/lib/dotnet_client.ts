/**
 * What the client of Zero Install for .NET does to find and get an implementation, step by step, for
 * a host; prints what it finds. It reads and writes DNS with another library than the program.
 *
 *     dotnet_client.ts DIGESTS FILE
 *
 * Prints a JSON line for each store that it finds, then where the archive came from, and how many
 * questions had been asked, one every 2 seconds, when it was found.
 */

import { Buffer } from "node:buffer";
import dnsPacket from "dns-packet";

const SERVICE = "_0install-store._tcp";
const GROUP = "224.0.0.251";
const GROUP_6 = "ff02::fb";
const PORT = 5353;
const QUERY_MS = 2000;
const HEAD_MS = 2000;

const [digests, file] = Deno.args as [string, string];
const interfaces = Deno.networkInterfaces().filter(({ name }) => name !== "lo");
const own = new Set(interfaces.map(({ address }) => address));

interface Answer {
  readonly type: string;
  readonly name: string;
  readonly data: unknown;
}

function open(hostname: string): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname, port: PORT, reuseAddress: true });
}

const four = open("0.0.0.0");
for (const { family, address } of interfaces) {
  if (family === "IPv4") await four.joinMulticastV4(GROUP, address);
}
const listeners = [four];
const senders: [Deno.DatagramConn, string][] = [];
for (const { family, address, scopeid } of interfaces) {
  if (family === "IPv4") senders.push([open(address), GROUP]);
  else if (scopeid) {
    const listener = open(`${GROUP_6}%${scopeid}`);
    await listener.joinMulticastV6(GROUP_6, scopeid);
    listeners.push(listener);
    senders.push([open(`${address}%${scopeid}`), `${GROUP_6}%${scopeid}`]);
  }
}

const query = dnsPacket.encode({
  type: "query",
  questions: [{ type: "PTR", name: `${SERVICE}.local` }],
});
let queries = 0;
const ask = () => {
  queries++;
  for (const [sender, hostname] of senders) {
    void sender.send(query, { transport: "udp", hostname, port: PORT });
  }
};

const { promise: found, resolve } = Promise.withResolvers<string>();

/** Asks one store at all of its addresses. */
function head(port: number, address: string): void {
  const host = address.includes(":") ? `[${address}]` : address;
  const url = `http://${host}:${port}/${digests}.tar.gz`;
  fetch(url, { method: "HEAD", signal: AbortSignal.timeout(HEAD_MS) }).then((response) => {
    if (response.ok) resolve(url);
  }, () => {});
}

function onAnswer(bytes: Uint8Array): void {
  const message = dnsPacket.decode(Buffer.from(bytes)) as unknown as {
    type: string;
    answers: Answer[];
    additionals: Answer[];
  };
  if (message.type !== "response") return;
  for (const { type, data } of message.answers) {
    if (type !== "PTR" || !String(data).endsWith(`${SERVICE}.local`)) continue;
    const srv = message.additionals.find((record) => record.type === "SRV");
    if (srv === undefined) continue;
    const { port } = srv.data as { port: number };
    const addresses = message.additionals
      .filter(({ type }) => type === "A" || type === "AAAA")
      .map(({ data }) => String(data))
      .filter((address) => !own.has(address));
    if (addresses.length === 0) continue;
    print({ instance: String(data), port, addresses });
    for (const address of addresses) head(port, address);
  }
}

function print(value: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
}

for (const listener of listeners) {
  (async () => {
    for (;;) onAnswer((await listener.receive())[0]);
  })();
}
ask();
setInterval(ask, QUERY_MS);
setTimeout(() => Deno.exit(1), 20_000);

const url = await found;
const asked = queries;
const response = await fetch(url);
Deno.writeFileSync(file, await response.bytes());
print({ url, queries: asked });
Deno.exit(0);
