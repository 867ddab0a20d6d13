import assert from "node:assert/strict";
import type { Digest } from "../../lib/manifest/digest.ts";
import type { Endpoint, Message } from "../../lib/net/inbox.ts";
import { accessFor } from "../../lib/serve/access.ts";
import type { ServeEvent } from "../../lib/serve/events.ts";
import { respond } from "../../lib/serve/responder.ts";
import { encodeQuery } from "../../lib/wire/query.ts";
import { decodeReply } from "../../lib/wire/reply.ts";

const FROM: Endpoint = { address: "192.168.77.2", port: 40_000 };
const [HELD, PENDING] = ["a", "b"].map((digit) => `sha1new=${digit.repeat(40)}`) as [
  Digest,
  Digest,
];

Deno.test("a query that fails is told of once, and those after it are answered", async () => {
  const sent: Uint8Array[] = [];
  const events: ServeEvent[] = [];
  const socket = {
    async *messages(): AsyncGenerator<Message> {
      for (const digest of [HELD, HELD, PENDING]) {
        await Promise.resolve();
        for (const bytes of encodeQuery({ digests: [digest] })) yield { bytes, from: FROM };
      }
    },
    send(bytes: Uint8Array): Promise<undefined> {
      sent.push(bytes);
      return Promise.resolve(undefined);
    },
  };
  const holdings = {
    findAny(digest: Digest): undefined {
      if (digest === HELD) throw new Error("a disk that does not answer");
    },
  };
  const own = { port: 38339, id: "0123456789abcdef" };
  await respond(
    socket,
    own,
    holdings,
    accessFor([], []),
    new Set([PENDING]),
    (event) => events.push(event),
  );
  assert.deepEqual(events.filter(({ kind }) => kind === "trouble"), [
    { kind: "trouble", reason: "Cannot handle a query: a disk that does not answer" },
  ]);
  assert.deepEqual(sent.map((bytes) => decodeReply(bytes)?.offers), [
    [{ digest: PENDING, state: "pending" }],
  ]);
});
