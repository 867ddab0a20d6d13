import { asError } from "./as_error.ts";
import { type Endpoint, Inbox, type Message, unmapped } from "./inbox.ts";
import { isLinkLocal, type NetworkInterface } from "./interfaces.ts";
import { GROUP } from "./multicast.ts";

/**
 * Who may not list the interfaces finds them by trying: only of those that are there can the group be
 * joined. Most machines have fewer.
 */
const GUESSED_SCOPES: readonly number[] = Array.from({ length: 64 }, (_, index) => index + 1);

/** Where what is sent is thrown away (RFC 863): this machine, as an IPv6 socket calls it over IPv4. */
const DISCARD = { transport: "udp", hostname: "::ffff:127.0.0.1", port: 9 } as const;

interface Socket {
  readonly conn: Deno.DatagramConn;
  readonly hostname: string;
}

/**
 * Hears what is sent to a port of this machine, to everybody on its links, or to the group, and
 * answers. Several processes of a machine may do so at once.
 */
export class QuerySocket implements Disposable {
  readonly #sockets: Socket[] = [];
  readonly #inbox = new Inbox();
  readonly #joined = new Set<number>();
  #scopes: number[] = [];
  #closed = false;

  /**
   * Opens one socket for both families where the system takes both with one, as Linux does unless it
   * is told otherwise; two where it does not; one where the other family is switched off.
   *
   * @throws an operating system's error when the port cannot be had
   */
  constructor(port: number, interfaces: readonly NetworkInterface[]) {
    let failure: unknown;
    for (const hostname of ["::", "0.0.0.0"]) {
      // Where both would hear IPv4, a broadcast would be heard, and answered, twice.
      if (this.#sockets.length > 0 && Deno.build.os !== "windows") break;
      try {
        this.#open(hostname, port);
      } catch (cause) {
        failure ??= cause;
      }
    }
    if (this.#sockets.length === 0) throw failure;
    void this.#openSeparateIPv4(port);
    this.update(interfaces);
  }

  /** What is heard, until this is closed. */
  messages(): AsyncGenerator<Message> {
    return this.#inbox.messages();
  }

  /** Joins the group on interfaces that are new. */
  update(interfaces: readonly NetworkInterface[]): void {
    this.#scopes = [...new Set(interfaces.map(({ index }) => index))].filter((index) => index > 0);
    const six = this.#sockets.find(({ hostname }) => hostname === "::");
    if (six === undefined) return;
    const wanted = this.#scopes.length > 0 ? this.#scopes : GUESSED_SCOPES;
    for (const index of this.#joined) if (!wanted.includes(index)) this.#joined.delete(index);
    for (const index of wanted) {
      if (this.#joined.has(index)) continue;
      this.#joined.add(index);
      // An interface without multicast, or not ready for it: the next update tries again.
      six.conn.joinMulticastV6(GROUP, index).catch(() => this.#joined.delete(index));
    }
  }

  /** Answers. Returns what went wrong if it could not be sent at all. */
  async send(bytes: Uint8Array, to: Endpoint): Promise<Error | undefined> {
    let failure = new Error("no interface is known that it could be sent on");
    let sent = false;
    for (const hostname of this.#waysTo(to.address)) {
      try {
        await this.#send(bytes, hostname, to.port);
        sent = true;
      } catch (cause) {
        failure = asError(cause);
      }
    }
    return sent ? undefined : failure;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#inbox.close();
    for (const { conn } of this.#sockets.splice(0)) conn.close();
  }

  #open(hostname: string, port: number): void {
    const conn = Deno.listenDatagram({ transport: "udp", hostname, port, reuseAddress: true });
    this.#sockets.push({ conn, hostname });
    void this.#inbox.drain(conn, unmapped);
  }

  /** An administrator may have told the system to keep the families apart; only trying shows it. */
  async #openSeparateIPv4(port: number): Promise<void> {
    const [only, ...others] = this.#sockets;
    if (only?.hostname !== "::" || others.length > 0) return;
    try {
      await only.conn.send(new Uint8Array(), DISCARD);
    } catch {
      try {
        if (!this.#closed) this.#open("0.0.0.0", port);
      } catch {
        // Somebody has that port for himself, or there is no IPv4: those on IPv6 are answered.
      }
    }
  }

  /**
   * The system does not say on which link a link-local address was heard: then the answer is sent on
   * each link, and arrives where there is such a neighbour. It names nobody who did not ask.
   */
  #waysTo(address: string): string[] {
    if (!isLinkLocal(address) || address.includes("%")) return [address];
    const scopes = this.#scopes.length > 0 ? this.#scopes : [...this.#joined];
    return scopes.map((scope) => `${address}%${scope}`);
  }

  async #send(bytes: Uint8Array, hostname: string, port: number): Promise<void> {
    const family = hostname.includes(":") ? "::" : "0.0.0.0";
    const own = this.#sockets.find((socket) => socket.hostname === family);
    // A socket for both families knows IPv4 addresses only in their IPv6 form.
    const to = own === undefined ? `::ffff:${hostname}` : hostname;
    await (own ?? this.#sockets[0])?.conn.send(bytes, { transport: "udp", hostname: to, port });
  }
}
