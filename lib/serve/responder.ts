import type { Digest } from "../manifest/digest.ts";
import type { QuerySocket } from "../net/hear.ts";
import { handleEach, type Message } from "../net/inbox.ts";
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
 * here: an answer that can be provoked for nothing is a gift to whoever forges addresses. That one
 * query fails is reported, once, and ends nothing.
 *
 * @param pending what this machine is downloading from its origin just now
 * @param own where the answers say that the content is to be had, and which server that is
 */
export async function respond(
  socket: Pick<QuerySocket, "messages" | "send">,
  own: { readonly port: number; readonly id: string },
  holdings: Pick<Holdings, "findAny">,
  access: Access,
  pending: ReadonlySet<Digest>,
  report: ReportServe,
): Promise<void> {
  const rate = new QueryRate();
  const told = new Told();
  const downloaders = new Told();
  let failed = false;
  const answer = async ({ bytes, from }: Message) => {
    if (!access.admits(from.address) || !rate.admits(from.address, performance.now())) return;
    const query = decodeQuery(bytes);
    if (query === undefined) return;
    const sender = `${from.address} port ${from.port}`;
    const isNew = told.isNew(query.nonce);
    if (isNew) report({ kind: "query", from: sender, digests: query.digests });
    const offers: Offered[] = [];
    for (const digest of query.digests) {
      if (query.claims === true && query.id !== undefined && query.id !== own.id) {
        report({ kind: "claim", digest, id: query.id });
      }
      const held = holdings.findAny(digest);
      if (held === undefined) {
        if (pending.has(digest)) offers.push({ digest, state: "pending" });
        continue;
      }
      const complete = held.piecesHere === undefined;
      if (isNew) report({ kind: complete ? "have" : "partial", digest });
      offers.push({ digest, state: complete ? "have" : "partial" });
      // A download may have begun between the repetitions: each digest is told of on its own.
      if (complete || query.port === undefined || !downloaders.isNew(query.nonce, digest)) continue;
      if (query.id === own.id) continue;
      const peer = { address: from.address, port: query.port };
      report({ kind: "downloader", peer, digest, id: query.id });
    }
    if (offers.length === 0) return;
    if (isNew) report({ kind: "reply", to: sender });
    const error = await socket.send(
      encodeReply({ ...own, offers, nonce: query.nonce }),
      from,
    );
    if (error !== undefined) {
      report({ kind: "trouble", reason: `Cannot answer ${sender}: ${error.message}` });
    }
  };
  await handleEach(socket.messages(), answer, ({ message }) => {
    if (!failed) report({ kind: "trouble", reason: `Cannot handle a query: ${message}` });
    failed = true;
  });
}

/** Queries are repeated, and come on several ways: each is told of once. */
class Told {
  readonly #keys = new Set<string>();

  isNew(nonce: string | undefined, what = ""): boolean {
    if (nonce === undefined) return true;
    const key = nonce + what;
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    if (this.#keys.size > REMEMBERED_QUERIES) {
      this.#keys.delete(this.#keys.values().next().value!);
    }
    return true;
  }
}
