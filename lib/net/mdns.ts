import { asError } from "./as_error.ts";
import type { AskWay } from "./ask.ts";
import { type Endpoint, Inbox, type Message, unmapped } from "./inbox.ts";
import { isLinkLocal, type NetworkInterface } from "./interfaces.ts";

/** Where multicast DNS is spoken (RFC 6762, section 3). */
export const MDNS_PORT = 5353;
const MDNS_GROUP_4 = "224.0.0.251";
const MDNS_GROUP_6 = "ff02::fb";

/** What is sent to the group is to have this TTL (RFC 6762, section 11): whoever checks, checks for it. */
const TTL = 255;

/** One address of this machine on one link, from which all of the link is reached. */
export interface MdnsWay {
  /** Tells it from all others. */
  readonly key: string;
  /** The interface's name: ways of one interface are of one link. */
  readonly link: string;
  readonly family: "IPv4" | "IPv6";
  /** Without scope. */
  readonly address: string;
  /** The interface's number; only for IPv6. */
  readonly index: number;
  /** The address that reaches everybody of the network; only for IPv4. */
  readonly broadcast: string;
}

/** The ways to the links of these interfaces. This machine itself is none of them. */
export function mdnsWays(interfaces: readonly NetworkInterface[]): MdnsWay[] {
  return interfaces.flatMap(({ name, index, family, address, broadcast = "", loopback }) => {
    if (loopback || (family === "IPv4" && broadcast === "")) return [];
    if (family === "IPv6" && (!isLinkLocal(address) || index === 0)) return [];
    const key = `${name} ${index} ${address} ${broadcast}`;
    return [{ key, link: name, family, address, index, broadcast }];
  });
}

/** The ways to ask everybody who speaks multicast DNS, from a port of one's own. */
export function mdnsAskWays(interfaces: readonly NetworkInterface[]): AskWay[] {
  if (interfaces.length === 0) return [{ address: "0.0.0.0", targets: [MDNS_GROUP_4], scope: "" }];
  return mdnsWays(interfaces).map(({ family, address, index }) =>
    family === "IPv4"
      ? { address, targets: [MDNS_GROUP_4], scope: "" }
      : { address, targets: [`${MDNS_GROUP_6}%${index}`], scope: `%${index}` }
  );
}

/**
 * The ways to the link that a datagram came from. Of an IPv4 address the system does not say on
 * which link it was heard; it is in the network of a way's own address, or it is no neighbour.
 *
 * @param address with its scope if it is link-local
 */
export function waysTo(address: string, ways: readonly MdnsWay[]): MdnsWay[] {
  if (address.includes(":")) {
    const scope = Number(/%(\d+)$/.exec(address)?.[1]);
    return ways.filter(({ family, index }) => family === "IPv6" && index === scope);
  }
  return ways.filter(({ family, broadcast }) => family === "IPv4" && isIn(address, broadcast));
}

/**
 * Whether an address may be in the network that has this broadcast address. How long the network's
 * prefix is can't be seen in that, only how long it is at least: a neighbouring network may pass.
 */
function isIn(address: string, broadcast: string): boolean {
  const [one, all] = [address, broadcast].map((text) =>
    text.split(".").reduce((number, part) => number * 256 + Number(part), 0)
  );
  let size = 1;
  while (size < 2 ** 32 && Math.floor(all! / size) % 2 === 1) size *= 2;
  return Math.floor(one! / size) === Math.floor(all! / size);
}

/**
 * Hears and says what is said with multicast DNS on all links, beside others of this machine that do
 * so: the sockets that hear are bound to the group, so that they get nothing that is sent to this
 * machine alone, which is the others' if it is anybody's; those that say something are there only
 * while they do.
 */
export class MdnsSockets implements Disposable {
  readonly #inbox = new Inbox();
  /** By group and scope. */
  readonly #sockets = new Map<string, Deno.DatagramConn>();
  readonly #joined = new Set<string>();
  #closed = false;

  /** What is heard, until this is closed. Link-local senders have their scope. */
  messages(): AsyncGenerator<Message> {
    return this.#inbox.messages();
  }

  /**
   * Hears on these ways and no others.
   *
   * @returns what could not be opened, and why
   */
  update(ways: readonly MdnsWay[]): Error[] {
    const failures: Error[] = [];
    if (this.#closed) return failures;
    const wanted = new Set(ways.map(groupOf));
    for (const [group, socket] of this.#sockets) {
      if (wanted.has(group)) continue;
      socket.close();
      this.#sockets.delete(group);
    }
    const keys = new Set(ways.map(({ key }) => key));
    for (const key of this.#joined) if (!keys.has(key)) this.#joined.delete(key);
    for (const way of ways) {
      try {
        this.#join(way, this.#socketOf(way));
      } catch (cause) {
        failures.push(asError(cause));
      }
    }
    return failures;
  }

  /** Says something to all of a way's link, or to one machine of it. Returns what went wrong. */
  async send(bytes: Uint8Array, way: MdnsWay, to?: Endpoint): Promise<Error | undefined> {
    const scope = way.family === "IPv6" ? `%${way.index}` : "";
    const everybody = way.family === "IPv6" ? MDNS_GROUP_6 + scope : MDNS_GROUP_4;
    const { address, port } = to ?? { address: everybody, port: MDNS_PORT };
    let socket: Deno.DatagramConn | undefined;
    try {
      socket = open(way.address + scope);
      if (way.family === "IPv4" && to === undefined) {
        await (await socket.joinMulticastV4(MDNS_GROUP_4, way.address)).setTTL(TTL);
      }
      await socket.send(bytes, { transport: "udp", hostname: address, port });
      return undefined;
    } catch (cause) {
      return asError(cause);
    } finally {
      socket?.close();
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#inbox.close();
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #socketOf(way: MdnsWay): Deno.DatagramConn {
    const group = groupOf(way);
    const known = this.#sockets.get(group);
    if (known !== undefined) return known;
    const socket = openFor(group);
    this.#sockets.set(group, socket);
    const scope = way.family === "IPv6" ? `%${way.index}` : "";
    void this.#inbox.drain(socket, (from) => isLinkLocal(from) ? from + scope : unmapped(from));
    return socket;
  }

  #join(way: MdnsWay, socket: Deno.DatagramConn): void {
    if (this.#joined.has(way.key)) return;
    this.#joined.add(way.key);
    const joined: Promise<unknown> = way.family === "IPv6"
      ? socket.joinMulticastV6(MDNS_GROUP_6, way.index)
      : socket.joinMulticastV4(MDNS_GROUP_4, way.address);
    // An interface without multicast, or not ready for it: the next update tries again.
    joined.catch(() => this.#joined.delete(way.key));
  }
}

/** A socket is for one group; over IPv6 for one link, too. */
function groupOf({ family, index }: MdnsWay): string {
  return family === "IPv6" ? `${MDNS_GROUP_6}%${index}` : MDNS_GROUP_4;
}

/** @throws an operating system's error */
function openFor(group: string): Deno.DatagramConn {
  if (Deno.build.os !== "windows") return open(group);
  // Windows has no sockets that are bound to a group.
  return open(group === MDNS_GROUP_4 ? "0.0.0.0" : "::");
}

function open(hostname: string): Deno.DatagramConn {
  return Deno.listenDatagram({
    transport: "udp",
    hostname,
    port: MDNS_PORT,
    reuseAddress: true,
    // Others on this machine listen, too.
    loopback: true,
  });
}
