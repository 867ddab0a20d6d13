import { NetworkFailed, NobodyHasIt } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { isLoopback, type NetworkInterface } from "../net/interfaces.ts";
import { AskSockets, type Sent, waysOf } from "../net/ask.ts";
import { QUERY_REPEATS_MS, WAIT_FOR_LATE_MS } from "../wire/limits.ts";
import { encodeQuery } from "../wire/query.ts";
import { decodeReply } from "../wire/reply.ts";
import { Arrivals } from "./arrivals.ts";
import type { ReportFetch } from "./events.ts";
import type { PeerAddress } from "./peer.ts";

/** A peer says, or is said, to have an implementation. */
export interface Offer {
  readonly peer: PeerAddress;
  readonly digest: Digest;
}

export interface DiscoveryOptions {
  readonly interfaces: readonly NetworkInterface[];
  /** The UDP port that peers listen on. */
  readonly port: number;
  /** How long to wait for a first answer, in milliseconds. */
  readonly wait: number;
  readonly report: ReportFetch;
  readonly signal: AbortSignal;
}

/**
 * Asks the local network who has any of these digests, and yields the answers as they come, each
 * peer once for each digest. Ends when nobody answered in time, or some time after the first
 * answer; whoever has what he needs stops iterating before that.
 *
 * An answer counts only if it repeats this query's nonce, or, for the program of 2008, has none;
 * and a peer is only ever looked for at the address that its answer came from.
 *
 * @throws NetworkFailed when the query could not be sent at all
 * @throws NobodyHasIt when it could be sent to this machine alone, which did not answer
 */
export async function* discover(
  digests: readonly Digest[],
  options: DiscoveryOptions,
): AsyncGenerator<Offer> {
  const { port, report, signal } = options;
  using sockets = new AskSockets(waysOf(options.interfaces));
  const nonce = randomNonce();
  const queries = encodeQuery({ digests, nonce });
  const offers = new Arrivals<Offer>(signal);
  const started = performance.now();
  report({ kind: "asking", digests, how: "broadcast" });

  const ask = async () => {
    const sent = await Promise.all(queries.map((query) => sockets.send(query, port)));
    return sent.flat();
  };
  const receive = async () => {
    for await (const { bytes, from } of sockets.messages()) {
      const reply = decodeReply(bytes);
      if (reply === undefined || (reply.nonce !== undefined && reply.nonce !== nonce)) continue;
      for (const { digest, state } of reply.offers) {
        if (state !== "have" || !digests.includes(digest)) continue;
        const peer = { address: from.address, port: reply.port };
        const key = `${peer.address} ${peer.port} ${digest}`;
        if (offers.add(key, { peer, digest })) report({ kind: "has", peer: from.address, digest });
        offers.endAt(started + WAIT_FOR_LATE_MS);
      }
    }
  };
  const received = receive();
  offers.endAt(started + options.wait);
  const first = await ask();
  const sent = first.filter((result) => result.error === undefined);
  if (sent.length === 0) throw cannotAsk(first.map((result) => result.error));
  for (const { target, error } of first) {
    if (error !== undefined) {
      report({ kind: "trouble", reason: `Cannot ask ${target}: ${error.message}` });
    }
  }
  const timers = QUERY_REPEATS_MS.map((delay) => setTimeout(() => void ask(), delay));
  let answered = false;
  try {
    for await (const offer of offers) {
      answered = true;
      yield offer;
    }
    if (!answered && first.every(stayedHere)) {
      const reason = "no network interface of this machine reaches a local network";
      throw new NobodyHasIt(digests, reason, CHECK_INTERFACES);
    }
  } finally {
    timers.forEach(clearTimeout);
    sockets[Symbol.dispose]();
    await received;
  }
}

const CHECK_INTERFACES = "check that an interface is up (ip address), or name a peer with -H HOST";

/**
 * Whether a query reached nobody but this machine. From an interface that is down, what goes to
 * everybody (255.255.255.255) seems to be sent; what goes to its own network does not.
 */
function stayedHere({ from }: Sent, _: number, all: readonly Sent[]): boolean {
  return isLoopback(from) ||
    all.some((other) => other.from === from && other.error !== undefined);
}

/** 64 random bits: who did not see the query cannot answer it. */
function randomNonce(): string {
  return [...crypto.getRandomValues(new Uint8Array(8))]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function cannotAsk(errors: readonly (Error | undefined)[]): NetworkFailed {
  const reasons = [...new Set(errors.map((error) => error?.message ?? ""))].filter(Boolean);
  return new NetworkFailed(
    `Cannot ask the local network: ${
      reasons.join("; ") || "this machine has no network interface"
    }`,
    { hint: CHECK_INTERFACES },
  );
}
