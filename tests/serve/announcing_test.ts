import assert from "node:assert/strict";
import type { Endpoint, Message } from "../../lib/net/inbox.ts";
import { announce, type Sockets } from "../../lib/serve/announcing.ts";
import type { ServeEvent } from "../../lib/serve/events.ts";
import { decodeMessage, type DnsQuestion, encodeMessage } from "../../lib/wire/dns_message.ts";
import { EMPTY, instanceName, SERVICE } from "../../lib/wire/dns_sd.ts";

const LAN = {
  name: "eth0",
  index: 2,
  family: "IPv4",
  address: "192.168.77.1",
  broadcast: "192.168.77.255",
  loopback: false,
} as const;
const PEER: Endpoint = { address: "192.168.77.2", port: 5353 };
const RESOLVER: Endpoint = { address: "192.168.77.2", port: 40_000 };
const FATAL: Endpoint = { address: "192.168.77.66", port: 5353 };
const STORES: DnsQuestion = { name: SERVICE, type: "PTR", unicast: false };

/** Sockets on which, once it is time, these messages are heard, and what was sent to one alone. */
class FakeSockets implements Sockets {
  readonly sent: { bytes: Uint8Array; to: Endpoint }[] = [];
  readonly #closed = Promise.withResolvers<void>();

  constructor(readonly time: Promise<void>, readonly heard: readonly Message[]) {}

  async *messages(): AsyncGenerator<Message> {
    await this.time;
    yield* this.heard;
    await this.#closed.promise;
  }

  update(): Error[] {
    return [];
  }

  send(bytes: Uint8Array, _way: unknown, to?: Endpoint): Promise<undefined> {
    if (to !== undefined) this.sent.push({ bytes, to });
    return Promise.resolve(undefined);
  }

  [Symbol.dispose](): void {
    this.#closed.resolve();
  }
}

/** A store that has announced itself hears these messages; what it answers and reports then. */
async function hearing(heard: readonly Message[]) {
  const events: ServeEvent[] = [];
  const announced = Promise.withResolvers<void>();
  const sockets = new FakeSockets(announced.promise, heard);
  const access = {
    admits: (address: string) => {
      if (address === FATAL.address) throw new Error("never mind why");
      return true;
    },
    admitsHost: () => true,
  };
  const options = { port: 38339, id: "0123456789abcdef", names: ["office"], interfaces: [LAN] };
  const announcing = announce({ ...options, access }, (event) => {
    events.push(event);
    if (event.kind === "announced") announced.resolve();
  }, sockets);
  await announced.promise;
  for (let tries = 0; tries < 400 && sockets.sent.length === 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await announcing.stop();
  return { events, sent: sockets.sent };
}

const QUESTION = encodeMessage({ ...EMPTY, id: 7, questions: [STORES] });

/** A message whose last 200 bytes, a text of our name's TXT, are no UTF-8. */
function withBadText(message: Partial<typeof EMPTY>): Uint8Array {
  const data = { type: "TXT" as const, strings: ["x".repeat(200)] };
  const record = { name: instanceName("office"), ttl: 4500, unique: true, data };
  const bytes = encodeMessage({ ...EMPTY, ...message, answers: [record] });
  return bytes.fill(0xff, bytes.length - 200);
}

Deno.test("no message ends announcing: what fails is told of once, and the next is answered", async () => {
  const bytes = QUESTION;
  const { events, sent } = await hearing([
    { bytes, from: FATAL },
    { bytes, from: FATAL },
    { bytes, from: RESOLVER },
  ]);
  assert.deepEqual(sent.map(({ to, bytes }) => [to.port, decodeMessage(bytes)?.id]), [[40_000, 7]]);
  assert.deepEqual(events.filter(({ kind }) => kind === "trouble"), [
    { kind: "trouble", reason: "Cannot handle a message on UDP port 5353: never mind why" },
  ]);
});

Deno.test("names and texts that are no UTF-8 are no trouble", async () => {
  const label = Uint8Array.from([...QUESTION, 63, ...Array(63).fill(0xff), 0, 0, 12, 0, 1]);
  label[5] = 2;
  const questions = [{ name: instanceName("office"), type: "TXT" as const, unicast: false }];
  const { events, sent } = await hearing([
    { bytes: withBadText({ response: true }), from: PEER },
    { bytes: withBadText({ questions }), from: PEER },
    { bytes: label, from: RESOLVER },
  ]);
  assert.deepEqual(sent.map(({ bytes }) => decodeMessage(bytes)?.questions), [[STORES]]);
  assert.deepEqual(events.map(({ kind }) => kind), ["announced"]);
});
