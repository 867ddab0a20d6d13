/** Asking again and again, on this machine alone. */

import assert from "node:assert/strict";
import { type Answer, Asking } from "../../../lib/fetch/search/asking.ts";
import { type Digest } from "../../../lib/manifest/digest.ts";
import { digestOf } from "../../../lib/manifest/digest_of.ts";
import { fromSystem } from "../../../lib/net/interfaces.ts";
import { decodeQuery, type Query } from "../../../lib/wire/query.ts";
import { encodeReply, type Reply } from "../../../lib/wire/reply.ts";

const ONE = digestOf("sha256new", new Uint8Array([1]));
const TWO = digestOf("sha1new", new Uint8Array([2]));
const ID = "00ff00ff00ff00ff";
const OTHER = "ff00ff00ff00ff00";

const LOOPBACK = fromSystem([
  { name: "lo", family: "IPv4", address: "127.0.0.1", netmask: "255.0.0.0", scopeid: null },
]);

/** A machine that hears queries and says what a test wants. */
class Responder implements Disposable {
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });

  get port(): number {
    return (this.#socket.addr as Deno.NetAddr).port;
  }

  /** The next query, which is answered with these, each in a datagram. */
  async next(...replies: ((query: Query) => Reply)[]): Promise<Query> {
    const [bytes, from] = await this.#socket.receive();
    const query = decodeQuery(bytes)!;
    for (const reply of replies) await this.#socket.send(encodeReply(reply(query)), from);
    return query;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

function ask(responder: Responder, digests: readonly Digest[], claims: boolean) {
  const answers: Answer[] = [];
  const heard = Promise.withResolvers<void>();
  const asking = new Asking(digests, {
    interfaces: LOOPBACK,
    port: responder.port,
    id: ID,
    claims,
    heard: (answer) => {
      answers.push(answer);
      heard.resolve();
    },
  });
  return { asking, answers, heard: heard.promise };
}

Deno.test("asks for all in one query, again and again, and says who it is and whether it claims", async () => {
  for (const claims of [true, false]) {
    using responder = new Responder();
    const { asking } = ask(responder, [ONE, TWO], claims);
    await using _asking = asking;
    const first = await responder.next();
    assert.deepEqual(first, {
      digests: [ONE, TWO],
      id: ID,
      ...(claims ? { claims } : {}),
      nonce: first.nonce,
    });
    // More often than a search repeats its own.
    for (let time = 0; time < 7; time++) assert.deepEqual(await responder.next(), first);
  }
});

Deno.test("tells every answer to what it asks, and nothing else", async () => {
  using responder = new Responder();
  const { asking, answers, heard } = ask(responder, [ONE], true);
  await using _asking = asking;
  const { port } = responder;
  const reply = (change: Partial<Reply>) => ({ nonce }: Query): Reply => ({
    port,
    id: OTHER,
    nonce,
    offers: [{ digest: ONE, state: "pending" }],
    ...change,
  });
  await responder.next(
    reply({ id: ID }),
    reply({ nonce: OTHER }),
    reply({ nonce: undefined }),
    reply({ offers: [{ digest: TWO, state: "have" }, { digest: ONE, state: "have" }] }),
    reply({}),
    reply({}),
  );
  await heard;
  while (answers.length < 3) await responder.next();
  const address = "127.0.0.1";
  assert.deepEqual(answers, [
    { address, digest: ONE, state: "have" },
    { address, digest: ONE, state: "pending" },
    { address, digest: ONE, state: "pending" },
  ]);
});

Deno.test("asks only for what is still wanted, and for nothing when nothing is", async () => {
  using responder = new Responder();
  const { asking } = ask(responder, [ONE, TWO], true);
  await using _asking = asking;
  await responder.next();
  asking.only([]);
  // Those that were sent before may come; then there is silence until something is wanted again.
  asking.ask();
  asking.only([TWO]);
  asking.ask();
  for (;;) {
    const { digests } = await responder.next();
    if (digests.length === 1) return assert.deepEqual(digests, [TWO]);
    assert.deepEqual(digests, [ONE, TWO]);
  }
});
