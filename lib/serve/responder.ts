import type { QuerySocket } from "../net/hear.ts";
import { REMEMBERED_QUERIES } from "../wire/limits.ts";
import { decodeQuery } from "../wire/query.ts";
import { encodeReply, type Offered } from "../wire/reply.ts";
import type { Access } from "./access.ts";
import type { ReportServe } from "./events.ts";
import type { Holdings } from "./holdings.ts";
import { QueryRate } from "./rate.ts";

/**
 * Answers queries until the socket is closed.
 *
 * Silence for whoever may not be served, asks too often, says something else, or wants what is not
 * here: an answer that can be provoked for nothing is a gift to whoever forges addresses.
 *
 * @param httpPort where the answers say that the content is to be had
 */
export async function respond(
  socket: QuerySocket,
  httpPort: number,
  holdings: Holdings,
  access: Access,
  report: ReportServe,
): Promise<void> {
  const rate = new QueryRate();
  const told = new Told();
  for await (const { bytes, from } of socket.messages()) {
    if (!access.admits(from.address) || !rate.admits(from.address, performance.now())) continue;
    const query = decodeQuery(bytes);
    if (query === undefined) continue;
    const sender = `${from.address} port ${from.port}`;
    const isNew = told.isNew(query.nonce);
    if (isNew) report({ kind: "query", from: sender, digests: query.digests });
    const offers: Offered[] = [];
    for (const digest of query.digests) {
      if (holdings.find(digest) === undefined) continue;
      if (isNew) report({ kind: "have", digest });
      offers.push({ digest, state: "have" });
    }
    if (offers.length === 0) continue;
    if (isNew) report({ kind: "reply", to: sender });
    const error = await socket.send(
      encodeReply({ port: httpPort, offers, nonce: query.nonce }),
      from,
    );
    if (error !== undefined) {
      report({ kind: "trouble", reason: `Cannot answer ${sender}: ${error.message}` });
    }
  }
}

/** Queries are repeated, and come on several ways: each is told of once. */
class Told {
  readonly #nonces = new Set<string>();

  isNew(nonce: string | undefined): boolean {
    if (nonce === undefined) return true;
    if (this.#nonces.has(nonce)) return false;
    this.#nonces.add(nonce);
    if (this.#nonces.size > REMEMBERED_QUERIES) {
      this.#nonces.delete(this.#nonces.values().next().value!);
    }
    return true;
  }
}
