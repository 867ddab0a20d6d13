import { asError } from "../net/as_error.ts";
import { handleEach, type Message } from "../net/inbox.ts";
import { isLinkLocal, type NetworkInterface } from "../net/interfaces.ts";
import { MDNS_PORT, MdnsSockets, type MdnsWay, mdnsWays, waysTo } from "../net/mdns.ts";
import { decodeMessage, encodeMessage } from "../wire/dns_message.ts";
import { formatName } from "../wire/dns_name.ts";
import { instanceName } from "../wire/dns_sd.ts";
import { randomHex } from "../wire/identifiers.ts";
import type { Access } from "./access.ts";
import { Announcer, type Asker, type Outgoing } from "./announcer.ts";
import type { ReportServe } from "./events.ts";
import { QueryRate } from "./rate.ts";

export interface AnnouncingOptions {
  /** The TCP port that the store is served on. */
  readonly port: number;
  /** What the server calls itself in its answers to queries. */
  readonly id: string;
  /** This machine's names; the first one becomes the store's. */
  readonly names: readonly string[];
  readonly interfaces: readonly NetworkInterface[];
  readonly access: Access;
}

/** A store that is announced over multicast DNS, until it is stopped. */
export interface Announcing {
  update(interfaces: readonly NetworkInterface[]): void;
  /** Says goodbye. */
  stop(): Promise<void>;
}

/** What is heard and said with. */
export type Sockets = Pick<MdnsSockets, keyof MdnsSockets>;

/** Announces a store on all links. What goes wrong is reported, and no reason not to serve. */
export function announce(
  options: AnnouncingOptions,
  report: ReportServe,
  sockets: Sockets = new MdnsSockets(),
): Announcing {
  const announcing = new AnnouncingStore(options, report, sockets);
  announcing.update(options.interfaces);
  return announcing;
}

class AnnouncingStore implements Announcing {
  readonly #options: AnnouncingOptions;
  readonly #report: ReportServe;
  readonly #sockets: Sockets;
  readonly #rate = new QueryRate();
  readonly #announcer: Announcer;
  readonly #heard: Promise<void>;
  #ways: readonly MdnsWay[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #announced: string | undefined;
  /** What has gone wrong already. */
  readonly #troubles = new Set<string>();
  #stopped = false;

  constructor(options: AnnouncingOptions, report: ReportServe, sockets: Sockets) {
    this.#options = options;
    this.#report = report;
    this.#sockets = sockets;
    this.#announcer = new Announcer({
      wanted: options.names[0] ?? "",
      makeHost,
      port: options.port,
      id: options.id,
      random: Math.random,
    });
    this.#heard = handleEach(
      sockets.messages(),
      (message) => this.#hear(message),
      (error) => this.#trouble("handle a message", error),
    );
  }

  update(interfaces: readonly NetworkInterface[]): void {
    if (this.#stopped) return;
    this.#ways = mdnsWays(interfaces);
    const [failure] = this.#sockets.update(this.#ways);
    if (failure !== undefined) this.#trouble("announce this store", failure);
    const ways = this.#ways.map(({ key, link }) => ({
      key,
      addresses: addressesOn(link, interfaces),
    }));
    this.#announcer.update(ways, performance.now());
    this.#schedule();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    await Promise.all(this.#send(this.#announcer.stop()));
    this.#sockets[Symbol.dispose]();
    await this.#heard;
  }

  #hear({ bytes, from }: Message): void {
    if (this.#stopped || !this.#options.access.admits(from.address)) return;
    const ways = waysTo(from.address, this.#ways);
    if (ways.length === 0 || !this.#rate.admits(from.address, performance.now())) return;
    const message = decodeMessage(bytes);
    if (message === undefined) return;
    const asker: Asker = { ...from, legacy: from.port !== MDNS_PORT };
    try {
      for (const { key } of ways) {
        this.#send(this.#announcer.hear(message, asker, key, performance.now()));
      }
    } finally {
      this.#schedule();
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { next } = this.#announcer;
    if (next === undefined || this.#stopped) return;
    this.#timer = setTimeout(() => {
      try {
        this.#send(this.#announcer.due(performance.now()));
        this.#tell();
      } catch (cause) {
        this.#trouble("say what is due", asError(cause));
      }
      this.#schedule();
    }, Math.max(0, next - performance.now()));
  }

  /** Each kind of trouble is told once: others may cause it as often as they like. */
  #trouble(what: string, { message }: Error): void {
    if (this.#troubles.has(what)) return;
    this.#troubles.add(what);
    this.#report({
      kind: "trouble",
      reason: `Cannot ${what} on UDP port ${MDNS_PORT}: ${message}`,
    });
  }

  /** A link that nothing can be sent on is one where nobody hears it: that is not told. */
  #send(outgoing: readonly Outgoing[]): Promise<unknown>[] {
    return outgoing.flatMap(({ way: key, to, message }) => {
      const way = this.#ways.find((way) => way.key === key);
      return way === undefined ? [] : [this.#sockets.send(encodeMessage(message), way, to)];
    });
  }

  #tell(): void {
    const { instance, isAnnounced } = this.#announcer;
    if (!isAnnounced || this.#announced === instance) return;
    this.#announced = instance;
    this.#report({ kind: "announced", name: formatName(instanceName(instance)) });
  }
}

/** Of another name than the system's, which another program may announce, or find taken by us. */
function makeHost(): string {
  return `0share-${randomHex()}`;
}

/**
 * Where this machine is reached from a link. A link-local IPv6 address is of use only to those who
 * know the link, which the client of Zero Install for .NET does not: it is told if there is no other.
 */
function addressesOn(link: string, interfaces: readonly NetworkInterface[]): string[] {
  const here = interfaces.filter(({ name, loopback }) => name === link && !loopback);
  const all = here.map(({ address }) => address);
  const six = all.filter((address) => address.includes(":"));
  const routed = six.filter((address) => !isLinkLocal(address));
  return [
    ...all.filter((address) => !address.includes(":")),
    ...(routed.length > 0 ? routed : six),
  ].sort();
}
