import type { QuerySocket } from "../net/hear.ts";
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
  for await (const { bytes, from } of socket.messages()) {
    if (!access.admits(from.address) || !rate.admits(from.address, performance.now())) continue;
    const query = decodeQuery(bytes);
    if (query === undefined) continue;
    const sender = `${from.address} port ${from.port}`;
    report({ kind: "query", from: sender, digests: query.digests });
    const offers: Offered[] = [];
    for (const digest of query.digests) {
      if (holdings.find(digest) === undefined) continue;
      report({ kind: "have", digest });
      offers.push({ digest, state: "have" });
    }
    if (offers.length === 0) continue;
    report({ kind: "reply", to: sender });
    const error = await socket.send(
      encodeReply({ port: httpPort, offers, nonce: query.nonce }),
      from,
    );
    if (error !== undefined) {
      report({ kind: "trouble", reason: `Cannot answer ${sender}: ${error.message}` });
    }
  }
}
