/**
 * A machine that answers whoever looks for stores, and not as a store does. For a host:
 *
 *     mdns_liar.ts LIE [ADDRESS PORT]
 *
 * elsewhere  names another machine's ADDRESS and PORT as a store
 * many       names 1,000 stores on ports of this machine, with nobody behind them
 * stalling   names a store that accepts connections and never says anything
 * false      names a store that has everything, and sends something else
 * wrong-id   names the machine that asks for what it has, but answers another question
 * bare       tells where its store is only when it is asked that, which is no lie, but rare
 * garbage    sends bytes, messages that are cut off, and names that point to themselves
 *
 * Prints `ready`, then a line for each connection that it gets.
 */

import { Buffer } from "node:buffer";
import dnsPacket from "dns-packet";

const SERVICE = "_0install-store._tcp.local";
const [lie, address, port] = Deno.args as [string, string, string];
const own =
  Deno.networkInterfaces().find(({ family, name }) => family === "IPv4" && name === "eth0")!
    .address;

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function store(name: string, port: number, address: string) {
  const instance = `${name}.${SERVICE}`;
  return {
    answers: [{ type: "PTR" as const, name: SERVICE, ttl: 10, data: instance }],
    additionals: [
      {
        type: "SRV" as const,
        name: instance,
        ttl: 10,
        data: { port, target: "liar.local", priority: 0, weight: 0 },
      },
      { type: "A" as const, name: "liar.local", ttl: 10, data: address },
    ],
  };
}

/** A TCP port of this machine, whose connections are treated so. */
function listen(treat: (connection: Deno.TcpConn) => Promise<void>): number {
  const listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  (async () => {
    for await (const connection of listener) {
      print("connection");
      treat(connection).catch(() => {});
    }
  })();
  return listener.addr.port;
}

async function answerFalsely(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(4096);
  const request = new TextDecoder().decode(buffer.subarray(0, (await connection.read(buffer))!));
  const archive = /^(HEAD|GET) \/sha\S+\.tar\.gz /.test(request);
  const gzip = archive ? await new Response(tarOf("not what was asked for")).bytes() : undefined;
  const head = archive ? "200 OK" : "404 Not Found";
  const bytes = request.startsWith("GET") ? gzip ?? new Uint8Array() : new Uint8Array();
  const lines = `HTTP/1.1 ${head}\r\nConnection: close\r\nContent-Length: ${bytes.length}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(lines));
  await connection.write(bytes);
  connection.close();
}

function tarOf(content: string): ReadableStream {
  const directory = Deno.makeTempDirSync();
  Deno.writeTextFileSync(`${directory}/file`, content);
  const tar = new Deno.Command("tar", { args: ["-C", directory, "-cz", "."] }).outputSync();
  Deno.removeSync(directory, { recursive: true });
  return new Response(tar.stdout).body!;
}

const stalling = listen(() => new Promise(() => {}));
const lying = listen(answerFalsely);

function messages(id: number, type: string | undefined): Uint8Array[] {
  const response = (one: object, number = id) =>
    new Uint8Array(dnsPacket.encode({ type: "response", id: number, ...one }));
  switch (lie) {
    case "elsewhere":
      return [response(store("else", Number(port), address))];
    case "many":
      return Array.from(
        { length: 1000 },
        (_, index) =>
          response(store(`many${index}`, index % 2 === 0 ? stalling : 10_000 + index, own)),
      );
    case "stalling":
      return [response(store("stalling", stalling, own))];
    case "false":
      return [response(store("false", lying, own))];
    case "bare": {
      const { answers, additionals } = store("bare", lying, own);
      return [response({ answers: type === "SRV" ? additionals.slice(0, 1) : answers })];
    }
    case "wrong-id":
      return [response(store("other", lying, own), (id + 1) % 65536)];
    case "garbage": {
      const good = response(store("cut", lying, own));
      const loop = good.slice();
      loop.set([0xc0, 12], 12);
      return [
        crypto.getRandomValues(new Uint8Array(1400)),
        ...Array.from({ length: good.length }, (_, length) => good.slice(0, length)),
        loop,
      ];
    }
    default:
      throw new Error(`no lie ${lie}`);
  }
}

const group = Deno.listenDatagram({
  transport: "udp",
  hostname: "0.0.0.0",
  port: 5353,
  reuseAddress: true,
});
await group.joinMulticastV4("224.0.0.251", own);
print("ready");
for (;;) {
  const [bytes, from] = await group.receive();
  const asked = dnsPacket.decode(Buffer.from(bytes));
  if (asked.type !== "query") continue;
  for (const message of messages(asked.id ?? 0, asked.questions?.[0]?.type)) {
    await group.send(message, from);
  }
}
