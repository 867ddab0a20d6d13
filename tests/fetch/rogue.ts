/** A peer on this machine whose answers are bytes that a test writes out, right or wrong. */

import { Peer } from "../../lib/fetch/peer/peer.ts";

export type Answerer = (connection: Deno.TcpConn, request: string) => Promise<void> | void;

/** Listens for requests; each connection gets one answer, and is then closed. */
export class Rogue implements AsyncDisposable {
  readonly requests: string[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #answering: Promise<void>;
  readonly #peers: Peer[] = [];

  constructor(answer: Answerer) {
    this.#answering = this.#accept(answer);
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  peer(): Peer {
    const peer = new Peer({ address: "127.0.0.1", port: this.port });
    this.#peers.push(peer);
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) peer[Symbol.dispose]();
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await this.#answering;
  }

  async #accept(answer: Answerer): Promise<void> {
    const all: Promise<void>[] = [];
    try {
      for (;;) all.push(this.#serve(await this.#listener.accept(), answer));
    } catch {
      // It was closed: that is how a test ends.
    }
    await Promise.all(all);
  }

  async #serve(connection: Deno.TcpConn, answer: Answerer): Promise<void> {
    this.#connections.add(connection);
    try {
      let request = "";
      const buffer = new Uint8Array(4096);
      while (!request.includes("\r\n\r\n")) {
        const count = await connection.read(buffer);
        if (count === null) return;
        request += new TextDecoder().decode(buffer.subarray(0, count));
      }
      this.requests.push(request);
      await answer(connection, request);
    } catch {
      // Whoever asked has gone.
    } finally {
      this.#connections.delete(connection);
      close(connection);
    }
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}

/** Writes the head of an answer, and the beginning of its body. */
export async function say(
  connection: Deno.TcpConn,
  status: string,
  headers: Record<string, string | number>,
  body: string | Uint8Array = "",
): Promise<void> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = new TextEncoder().encode(`HTTP/1.1 ${status}\r\n${lines.join("")}\r\n`);
  await writeAll(connection, head);
  await writeAll(connection, typeof body === "string" ? new TextEncoder().encode(body) : body);
}

export async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}
