import type { Digest } from "../../manifest/digest.ts";
import { AskSockets } from "../../net/ask.ts";
import { type Endpoint, handleEach, type Message } from "../../net/inbox.ts";
import { isLinkLocal, type NetworkInterface } from "../../net/interfaces.ts";
import { MDNS_PORT, mdnsAskWays, type MdnsWay, mdnsWays, waysTo } from "../../net/mdns.ts";
import { decodeMessage } from "../../wire/dns_message.ts";
import { type DnsName, keyOfName } from "../../wire/dns_name.ts";
import { encodeStoreQuestion, type FoundStore, storesIn } from "../../wire/dns_sd.ts";
import {
  BROWSE_REPEATS_MS,
  MAX_STORES,
  OWN_STORE_DELAY_MS,
  STORE_ANSWER_MS,
  WAIT_FOR_LATE_MS,
} from "../../wire/limits.ts";
import { formatRoute } from "../../wire/routes.ts";
import { pause } from "../peer/pause.ts";
import type { PeerAddress } from "../peer/peer.ts";
import { plainHead } from "../peer/plain_http.ts";
import type { Offers, ReportSearch } from "./search.ts";

export interface BrowseOptions {
  readonly interfaces: readonly NetworkInterface[];
  /** How long to wait for a first answer, in milliseconds. */
  readonly wait: number;
  /** Whether somebody who heard a query has answered it. */
  readonly isAnswered: () => boolean;
  readonly report: ReportSearch;
}

/**
 * Looks for stores that are announced over multicast DNS, as `0install store serve` of Zero Install
 * for .NET does, asks each whether it has any of these digests, and offers those that have. Who does
 * not answer, or wrongly, is passed over: there is nothing that a person could do about it.
 *
 * A store is only ever looked for at the address that its answer came from: what an answer names
 * could be anybody. The question leaves from ports of one's own, so that answers come back to these
 * alone and whoever else speaks multicast DNS on this machine loses none of his.
 */
export class Browse implements AsyncDisposable {
  /** Settles when those that are there have had their time to answer: whether any has it. */
  readonly settled: Promise<boolean>;
  readonly #digests: readonly Digest[];
  readonly #offers: Offers;
  readonly #options: BrowseOptions;
  readonly #sockets: AskSockets;
  /** Of this search: whoever did not hear the question cannot answer it. */
  readonly #id = crypto.getRandomValues(new Uint16Array(1))[0]!;
  readonly #own: ReadonlySet<string>;
  readonly #ways: readonly MdnsWay[];
  readonly #known = new Set<string>();
  readonly #asking = new Set<Promise<void>>();
  readonly #heard: Promise<void>;
  readonly #ended = new AbortController();
  readonly #started = performance.now();
  readonly #timers: ReturnType<typeof setTimeout>[];
  #found = false;
  #wake: () => void = () => {};

  /** Asks at once. @param offers where those that are found are added */
  constructor(digests: readonly Digest[], offers: Offers, options: BrowseOptions) {
    this.#digests = digests;
    this.#offers = offers;
    this.#options = options;
    this.#own = new Set(options.interfaces.map(({ address }) => address));
    this.#ways = mdnsWays(options.interfaces);
    this.#sockets = new AskSockets(mdnsAskWays(options.interfaces));
    // Whatever could not be handled came from one who answers wrongly.
    this.#heard = handleEach(this.#sockets.messages(), (message) => this.#hear(message), () => {});
    this.#timers = [0, ...BROWSE_REPEATS_MS].map((delay) => setTimeout(() => this.#ask(), delay));
    this.settled = this.#settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.#timers.forEach(clearTimeout);
    this.#wake();
    this.#sockets[Symbol.dispose]();
    await this.#heard;
    await Promise.all(this.#asking);
    await this.settled;
  }

  /** Once somebody has it, others get no longer than those who come late. */
  async #settle(): Promise<boolean> {
    for (;;) {
      const { wait } = this.#options;
      const time = this.#found ? Math.min(wait, WAIT_FOR_LATE_MS) : wait;
      const left = this.#started + time - performance.now();
      if (this.#ended.signal.aborted || (left <= 0 && this.#asking.size === 0)) return this.#found;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = left > 0 ? setTimeout(resolve, left) : undefined;
      await promise;
      clearTimeout(timer);
    }
  }

  /** Asks everybody which stores there are, or where one of them is. */
  #ask(instance?: DnsName): void {
    void this.#sockets.send(encodeStoreQuestion(this.#id, instance), MDNS_PORT);
  }

  #hear({ bytes, from }: Message): void {
    if (from.port !== MDNS_PORT || !this.#isNeighbour(from.address)) return;
    const message = decodeMessage(bytes);
    if (message?.id !== this.#id) return;
    for (const store of storesIn(message)) if (isOf(from, store)) this.#take(store, from.address);
  }

  /** Somebody else on a link (RFC 6762, section 11). This machine's own stores are looked into anyway. */
  #isNeighbour(address: string): boolean {
    if (this.#own.has(address.replace(/%.*/, ""))) return false;
    return this.#ways.length === 0 || waysTo(address, this.#ways).length > 0;
  }

  #take(store: FoundStore, address: string): void {
    const { instance, port, id } = store;
    if (port === undefined) {
      if (this.#isNew(`${keyOfName(instance)} ${address}`)) this.#ask(instance);
      return;
    }
    // Of one that hears queries, too, one of its ways is enough.
    if (!this.#isNew(id ?? `${address} ${port}`)) return;
    const asking = this.#askStore({ address, port }, id).finally(() => {
      this.#asking.delete(asking);
      this.#wake();
    });
    this.#asking.add(asking);
  }

  #isNew(key: string): boolean {
    if (this.#known.has(key) || this.#known.size >= MAX_STORES) return false;
    this.#known.add(key);
    return true;
  }

  async #askStore(peer: PeerAddress, id: string | undefined): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#ended.signal, stop.signal]);
    const timer = setTimeout(() => stop.abort(), STORE_ANSWER_MS);
    try {
      if (id !== undefined) {
        await pause(OWN_STORE_DELAY_MS, signal);
        if (this.#options.isAnswered()) return;
      }
      const digest = await hasAny(peer, this.#digests, signal);
      if (digest === undefined || !this.#offers.add({ peer, digest, id, state: "have" })) return;
      this.#found = true;
      this.#options.report({ kind: "has", peer: peer.address, digest, state: "have" });
    } catch {
      // Whatever it was, nobody is there who could send it.
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Whether a machine speaks for itself. One that gives addresses, but not the one that it answered
 * from, speaks for another one, which can only be found when it answers itself.
 */
function isOf({ address }: Endpoint, { addresses }: FoundStore): boolean {
  if (isLinkLocal(address)) return true;
  const family = addresses.filter((other) => other.includes(":") === address.includes(":"));
  return family.length === 0 || family.includes(address);
}

/**
 * Asks a store as Zero Install for .NET does, for all digests at once; if it has the tree, under
 * which of its names.
 *
 * @throws what the connection throws; the signal's reason
 */
async function hasAny(
  peer: PeerAddress,
  digests: readonly Digest[],
  signal: AbortSignal,
): Promise<Digest | undefined> {
  const ask = (some: readonly Digest[]) =>
    plainHead(peer, formatRoute({ kind: "archive", digests: some, format: "tar.gz" }), signal);
  const { status, headers } = await ask(digests);
  if (status !== 200) return undefined;
  const etag = headers.get("etag")?.replace(/^W\//, "");
  const named = digests.find((digest) => etag === `"${digest}"`);
  if (named !== undefined || digests.length === 1) return named ?? digests[0];
  for (const digest of digests) if ((await ask([digest])).status === 200) return digest;
  return undefined;
}
