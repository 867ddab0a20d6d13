import type { Digest } from "../manifest/digest.ts";
import { AskSockets } from "../net/ask.ts";
import type { Endpoint } from "../net/inbox.ts";
import { isLinkLocal, type NetworkInterface } from "../net/interfaces.ts";
import { MDNS_PORT, mdnsAskWays } from "../net/mdns.ts";
import { decodeMessage } from "../wire/dns_message.ts";
import { keyOfName } from "../wire/dns_name.ts";
import { encodeStoreQuestion, type FoundStore, storesIn } from "../wire/dns_sd.ts";
import {
  BROWSE_REPEATS_MS,
  MAX_STORES,
  OWN_STORE_DELAY_MS,
  STORE_ANSWER_MS,
  WAIT_FOR_LATE_MS,
} from "../wire/limits.ts";
import { formatRoute } from "../wire/routes.ts";
import { Arrivals } from "./arrivals.ts";
import type { Offer } from "./discovery.ts";
import type { ReportFetch } from "./events.ts";
import type { PeerAddress } from "./peer.ts";
import { plainHead } from "./plain_http.ts";

export interface BrowseOptions {
  readonly interfaces: readonly NetworkInterface[];
  /** How long to wait for a first answer, in milliseconds. */
  readonly wait: number;
  /** Whether somebody has offered it already, no matter how he was found. */
  readonly isOffered: () => boolean;
  readonly report: ReportFetch;
  readonly signal: AbortSignal;
}

/**
 * Looks for stores that are announced over multicast DNS, as `0install store serve` of Zero Install
 * for .NET does, asks each whether it has any of these digests, and yields those that have.
 *
 * Ends when nobody answered in time and nobody is being asked any more, or some time after the first
 * yes; whoever has what he needs stops iterating before that. Who does not answer, or wrongly, is
 * passed over: there is nothing that a person could do about it.
 *
 * A store is only ever looked for at the address that its answer came from: what an answer names
 * could be anybody. The question leaves from ports of one's own, so that answers come back to these
 * alone and whoever else speaks multicast DNS on this machine loses none of his.
 */
export async function* browse(
  digests: readonly Digest[],
  options: BrowseOptions,
): AsyncGenerator<Offer> {
  const { signal } = options;
  const ended = new AbortController();
  const queue = new Arrivals<Offer>(signal);
  using sockets = new AskSockets(mdnsAskWays(options.interfaces));
  const stores = new Stores(sockets, digests, queue, {
    ...options,
    signal: AbortSignal.any([signal, ended.signal]),
  });
  queue.endAt(performance.now() + options.wait);
  const heard = stores.hear();
  void stores.ask();
  const timers = BROWSE_REPEATS_MS.map((delay) => setTimeout(() => void stores.ask(), delay));
  try {
    yield* queue;
  } finally {
    timers.forEach(clearTimeout);
    ended.abort();
    sockets[Symbol.dispose]();
    await heard;
  }
}

/** The stores that were heard of, and what they say. */
class Stores {
  readonly #sockets: AskSockets;
  readonly #digests: readonly Digest[];
  readonly #queue: Arrivals<Offer>;
  readonly #options: BrowseOptions;
  /** Of this search: whoever did not hear the question cannot answer it. */
  readonly #id = crypto.getRandomValues(new Uint16Array(1))[0]!;
  readonly #own: ReadonlySet<string>;
  readonly #known = new Set<string>();
  readonly #started = performance.now();

  constructor(
    sockets: AskSockets,
    digests: readonly Digest[],
    queue: Arrivals<Offer>,
    options: BrowseOptions,
  ) {
    this.#sockets = sockets;
    this.#digests = digests;
    this.#queue = queue;
    this.#options = options;
    this.#own = new Set(options.interfaces.map(({ address }) => address));
  }

  /** Asks everybody which stores there are, or where one of them is. */
  async ask(instance?: FoundStore["instance"]): Promise<void> {
    const question = encodeStoreQuestion(this.#id, instance);
    if (question !== undefined) await this.#sockets.send(question, MDNS_PORT);
  }

  /** Takes answers until the sockets are closed; returns when nobody is being asked any more. */
  async hear(): Promise<void> {
    const asking: Promise<void>[] = [];
    for await (const { bytes, from } of this.#sockets.messages()) {
      const message = from.port === MDNS_PORT ? decodeMessage(bytes) : undefined;
      // This machine's own stores hold what it has already.
      if (message?.id !== this.#id || this.#own.has(from.address.replace(/%.*/, ""))) continue;
      for (const store of storesIn(message)) {
        if (!isOf(from, store)) continue;
        const { port, instance } = store;
        if (port === undefined) {
          if (this.#isNew(`${keyOfName(instance)} ${from.address}`)) void this.ask(instance);
          continue;
        }
        // One that knows our routes has answered a query, too: one of its addresses is enough.
        const key = store.knowsRoutes ? keyOfName(instance) : `${from.address} ${port}`;
        if (!this.#isNew(key)) continue;
        asking.push(this.#askStore({ address: from.address, port }, store.knowsRoutes));
      }
    }
    await Promise.all(asking);
  }

  #isNew(key: string): boolean {
    if (this.#known.has(key) || this.#known.size >= MAX_STORES) return false;
    this.#known.add(key);
    return true;
  }

  async #askStore(peer: PeerAddress, knowsRoutes: boolean): Promise<void> {
    const { report } = this.#options;
    using _waiting = this.#queue.hold();
    try {
      const signal = AbortSignal.any([
        this.#options.signal,
        AbortSignal.timeout(STORE_ANSWER_MS),
      ]);
      if (knowsRoutes) {
        await delay(OWN_STORE_DELAY_MS, signal);
        if (this.#options.isOffered()) return;
      }
      const digest = await hasAny(peer, this.#digests, signal);
      const key = `${peer.address} ${peer.port}`;
      if (digest === undefined || !this.#queue.add(key, { peer, digest })) return;
      report({ kind: "has", peer: peer.address, digest });
      this.#queue.endAt(this.#started + WAIT_FOR_LATE_MS);
    } catch {
      // Whatever it was, nobody is there who could send it.
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
  const named = digests.find((digest) => headers.get("etag") === `"${digest}"`);
  if (named !== undefined || digests.length === 1) return named ?? digests[0];
  for (const digest of digests) if ((await ask([digest])).status === 200) return digest;
  return undefined;
}

function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
