import { asError } from "./as_error.ts";
import { Inbox, type Message } from "./inbox.ts";
import { isLinkLocal, type NetworkInterface } from "./interfaces.ts";
import { GROUP } from "./multicast.ts";

/** What became of one datagram: from which address it went where, and why it did not if it did not. */
export interface Sent {
  readonly from: string;
  readonly target: string;
  readonly error: Error | undefined;
}

/** From which address of this machine whom to ask. */
export interface AskWay {
  readonly address: string;
  /** `%` and the interface's number, for a link-local address; otherwise nothing. */
  readonly scope: string;
  readonly targets: readonly string[];
}

interface Way {
  readonly from: string;
  readonly socket: Deno.DatagramConn;
  readonly targets: readonly string[];
}

/**
 * Sockets for asking everybody near: one for each address of each interface, bound to that address.
 * A socket that is bound to none fails to broadcast where there is no default route.
 */
export class AskSockets implements Disposable {
  readonly #ways: Way[] = [];
  readonly #failures: Sent[] = [];
  readonly #inbox = new Inbox();

  constructor(ways: readonly AskWay[]) {
    for (const { address, targets, scope } of ways) {
      try {
        const socket = Deno.listenDatagram({
          transport: "udp",
          hostname: address + scope,
          port: 0,
        });
        this.#ways.push({ from: address, socket, targets });
        // The sender of a link-local address is on this socket's link.
        void this.#inbox.drain(socket, (from) => isLinkLocal(from) ? from + scope : from);
      } catch (cause) {
        this.#failures.push({ from: address, target: address + scope, error: asError(cause) });
      }
    }
  }

  /**
   * Sends a datagram to everybody: by broadcast and multicast on each interface, and to this machine.
   * One interface that fails keeps no other from being asked.
   */
  async send(bytes: Uint8Array, port: number): Promise<Sent[]> {
    const sent = this.#ways.flatMap(({ from, socket, targets }) =>
      targets.map(async (target): Promise<Sent> => {
        try {
          await socket.send(bytes, { transport: "udp", hostname: target, port });
          return { from, target, error: undefined };
        } catch (cause) {
          return { from, target, error: asError(cause) };
        }
      })
    );
    return [...this.#failures, ...await Promise.all(sent)];
  }

  /** What comes back, until the sockets are closed. */
  messages(): AsyncGenerator<Message> {
    return this.#inbox.messages();
  }

  [Symbol.dispose](): void {
    this.#inbox.close();
    for (const { socket } of this.#ways.splice(0)) socket.close();
  }
}

/** On Linux, where several processes may listen, a broadcast finds all of them; elsewhere there is none. */
const THIS_MACHINE = Deno.build.os === "linux" ? "127.255.255.255" : "127.0.0.1";

/** From which address to ask whom. Who may not list the interfaces lets the system choose one. */
export function waysOf(interfaces: readonly NetworkInterface[]): AskWay[] {
  if (interfaces.length === 0) {
    return [{ address: "0.0.0.0", targets: ["255.255.255.255", THIS_MACHINE], scope: "" }];
  }
  return interfaces.flatMap(({ family, address, index, broadcast, loopback }) => {
    if (family === "IPv4") {
      if (loopback) return [{ address, targets: [THIS_MACHINE], scope: "" }];
      const targets = broadcast === undefined ? [] : [broadcast, "255.255.255.255"];
      return targets.length > 0 ? [{ address, targets, scope: "" }] : [];
    }
    if (loopback) return [{ address, targets: [address], scope: "" }];
    // Every IPv6 interface has a link-local address, and that one reaches all of the link.
    if (!isLinkLocal(address) || index === 0) return [];
    return [{ address, targets: [`${GROUP}%${index}`], scope: `%${index}` }];
  });
}
