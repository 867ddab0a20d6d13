import { asError } from "./as_error.ts";

/** Where a datagram came from or goes to. */
export interface Endpoint {
  /** An IP address; an IPv4 one never in its IPv6 form; a link-local one with its scope if known. */
  readonly address: string;
  readonly port: number;
}

export interface Message {
  readonly bytes: Uint8Array;
  readonly from: Endpoint;
}

/** Datagrams that wait for their reader. A reader that is too slow loses some, as UDP itself does. */
const MAX_WAITING = 1024;

/**
 * Failures in a row after which a socket is given up. One alone says nothing: Windows reports to the
 * receiver that a datagram sent earlier did not arrive, and memory may be short for a moment.
 */
const MAX_FAILURES = 100;

/** Gathers what several sockets receive, for one reader. */
export class Inbox {
  readonly #messages: Message[] = [];
  #wake: () => void = () => {};
  #closed = false;

  /** Takes what this socket receives until it is closed. `name` gives the sender's full address. */
  async drain(socket: Deno.DatagramConn, name: (address: string) => string): Promise<void> {
    const buffer = new Uint8Array(65536);
    let failures = 0;
    while (!this.#closed) {
      try {
        const [bytes, from] = await socket.receive(buffer);
        failures = 0;
        const { hostname, port } = from as Deno.NetAddr;
        if (this.#messages.length >= MAX_WAITING) continue;
        this.#messages.push({ bytes: bytes.slice(), from: { address: name(hostname), port } });
        this.#wake();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || ++failures > MAX_FAILURES) return;
      }
    }
  }

  /** What is received, until the inbox is closed. */
  async *messages(): AsyncGenerator<Message> {
    while (!this.#closed) {
      const message = this.#messages.shift();
      if (message !== undefined) {
        yield message;
        continue;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }
}

/**
 * Hands on each message when the one before it is done with. One that cannot be handled is told of
 * and keeps none of the others from being handled: anybody near may send one.
 */
export async function handleEach(
  messages: AsyncIterable<Message>,
  handle: (message: Message) => void | Promise<void>,
  failed: (error: Error) => void,
): Promise<void> {
  for await (const message of messages) {
    try {
      await handle(message);
    } catch (cause) {
      failed(asError(cause));
    }
  }
}

/** An IPv4 address as it is, also when a socket for both families gave it in its IPv6 form. */
export function unmapped(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}
