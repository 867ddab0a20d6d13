import { NetworkFailed, NobodyHasIt } from "../../errors.ts";
import type { Digest } from "../../manifest/digest.ts";
import { AskSockets, type Sent, waysOf } from "../../net/ask.ts";
import { isLoopback, type NetworkInterface } from "../../net/interfaces.ts";
import { randomHex } from "../../wire/identifiers.ts";
import { QUERY_REPEATS_MS, WAIT_FOR_LATE_MS } from "../../wire/limits.ts";
import { encodeQuery } from "../../wire/query.ts";
import { decodeReply } from "../../wire/reply.ts";
import { Offers, type ReportSearch, type Search } from "./search.ts";

export interface DiscoveryOptions {
  readonly interfaces: readonly NetworkInterface[];
  /** The UDP port that peers listen on. */
  readonly port: number;
  /** How long to wait for a first answer, in milliseconds. */
  readonly wait: number;
  readonly report: ReportSearch;
}

/**
 * Asks the local network who has any of these digests.
 *
 * An answer counts only if it repeats this query's nonce, or, for the program of 2008, has none;
 * and a peer is only ever looked for at the address that its answer came from.
 */
export class Discovery implements Search {
  readonly offers = new Offers();
  readonly settled: Promise<void>;
  /** 64 random bits: who did not see the query cannot answer it. */
  readonly #nonce = randomHex();
  readonly #digests: readonly Digest[];
  readonly #options: DiscoveryOptions;
  readonly #sockets: AskSockets;
  readonly #received: Promise<void>;
  readonly #started = performance.now();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #own: { readonly port: number; readonly id: string } | undefined;
  #answered = false;
  #closed = false;
  #end: () => void = () => {};

  /** Asks at once. */
  constructor(digests: readonly Digest[], options: DiscoveryOptions) {
    this.#digests = digests;
    this.#options = options;
    this.#sockets = new AskSockets(waysOf(options.interfaces));
    options.report({ kind: "asking", digests, how: "broadcast" });
    this.#received = this.#receive();
    this.settled = this.#search();
    this.settled.catch(() => {});
  }

  announce(server: { readonly port: number; readonly id: string }): void {
    if (this.#closed) return;
    this.#own = server;
    this.#askRepeatedly([0, ...ANNOUNCEMENT_REPEATS_MS]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timers.forEach(clearTimeout);
    this.#end();
    this.#sockets[Symbol.dispose]();
    await this.#received;
  }

  async #search(): Promise<void> {
    const { wait, report } = this.#options;
    const first = await this.#ask();
    if (this.#closed) return;
    const sent = first.filter((result) => result.error === undefined);
    if (sent.length === 0) throw cannotAsk(first.map((result) => result.error));
    for (const { target, error } of first) {
      if (error !== undefined) {
        report({ kind: "trouble", reason: `Cannot ask ${target}: ${error.message}` });
      }
    }
    this.#askRepeatedly(QUERY_REPEATS_MS);
    await this.#until(this.#started + wait);
    // Who has answered may be followed by slower ones.
    if (this.#answered) await this.#until(this.#started + WAIT_FOR_LATE_MS);
    else if (first.every(stayedHere) && !this.#closed) {
      const reason = "no network interface of this machine reaches a local network";
      throw new NobodyHasIt(this.#digests, reason, CHECK_INTERFACES);
    }
  }

  async #receive(): Promise<void> {
    for await (const { bytes, from } of this.#sockets.messages()) {
      const reply = decodeReply(bytes);
      if (reply === undefined) continue;
      if (reply.nonce !== undefined && reply.nonce !== this.#nonce) continue;
      // What this machine itself announces is heard here, too.
      if (reply.id !== undefined && reply.id === this.#own?.id) continue;
      for (const { digest, state } of reply.offers) {
        if (!this.#digests.includes(digest)) continue;
        // Who is downloading it has nothing yet, and nobody is waited for because of that.
        this.#answered ||= state !== "pending";
        const peer = { address: from.address, port: reply.port };
        const isNew = this.offers.add({ peer, digest, id: reply.id, state });
        if (isNew) {
          this.#options.report({ kind: "has", peer: from.address, digest, state });
        }
      }
    }
  }

  async #ask(): Promise<Sent[]> {
    const queries = encodeQuery({ digests: this.#digests, ...this.#own, nonce: this.#nonce });
    const sent = await Promise.all(
      queries.map((query) => this.#sockets.send(query, this.#options.port)),
    );
    return sent.flat();
  }

  #askRepeatedly(delays: readonly number[]): void {
    for (const delay of delays) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        void this.#ask();
      }, delay);
      this.#timers.add(timer);
    }
  }

  /** Waits for a time of `performance.now()`, or for the end of the search. */
  async #until(time: number): Promise<void> {
    const left = time - performance.now();
    if (left <= 0 || this.#closed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#end = resolve;
    const timer = setTimeout(resolve, left);
    await promise;
    clearTimeout(timer);
  }
}

/** An announcement may be lost as any datagram; and who begins later asks for himself. */
const ANNOUNCEMENT_REPEATS_MS: readonly number[] = [100, 400, 1000, 3000];

const CHECK_INTERFACES = "check that an interface is up (ip address), or name a peer with -H HOST";

/**
 * Whether a query reached nobody but this machine. From an interface that is down, what goes to
 * everybody (255.255.255.255) seems to be sent; what goes to its own network does not.
 */
function stayedHere({ from }: Sent, _: number, all: readonly Sent[]): boolean {
  return isLoopback(from) ||
    all.some((other) => other.from === from && other.error !== undefined);
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
