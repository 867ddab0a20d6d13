/** A server's HTTP side, asked directly or over a real connection. */

import { accessFor } from "../../lib/serve/access.ts";
import type { ServeEvent } from "../../lib/serve/events.ts";
import { Holdings } from "../../lib/serve/holdings.ts";
import { answering } from "../../lib/serve/http.ts";
import { Scratch } from "../store/sample.ts";
import type { Node } from "../vectors/trees.ts";
import { addImplementation, concatenate, type Implementation } from "./implementations.ts";

export class Answering implements Disposable {
  readonly scratch = new Scratch();
  readonly stores = ["store1", "store2"].map((name) => this.scratch.directory(name));
  readonly events: ServeEvent[] = [];
  readonly stopping = new AbortController();
  readonly #abort = new AbortController();
  readonly handler = answering(
    new Holdings(this.stores, (event) => this.events.push(event)),
    accessFor([], ["mine"]),
    {
      report: (event) => this.events.push(event),
      signal: this.#abort.signal,
      stopping: this.stopping.signal,
    },
  );

  add(nodes: readonly Node[], store = 0): Promise<Implementation> {
    return addImplementation(this.stores[store]!, nodes);
  }

  /** Asks without a connection, as if from `from`. */
  async ask(
    path: string,
    options: {
      method?: string;
      headers?: Record<string, string>;
      from?: string;
      /** Settles when the answer has left; it has by default. */
      completed?: Promise<void>;
    } = {},
  ): Promise<Response> {
    const { method = "GET", headers = {}, from = "192.168.1.2" } = options;
    const { completed = Promise.resolve() } = options;
    const request = new Request(`http://127.0.0.1${path}`, { method, headers });
    const remoteAddr: Deno.NetAddr = { transport: "tcp", hostname: from, port: 50_000 };
    return await this.handler(request, { remoteAddr, completed });
  }

  listen(): Deno.HttpServer<Deno.NetAddr> {
    return Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      // Some runtimes tell of a broken-off body here, and say it on the terminal otherwise.
      onError: () => new Response(null, { status: 500 }),
      handler: this.handler,
    });
  }

  /** Waits for the first event of this kind. */
  async reported(kind: ServeEvent["kind"]): Promise<ServeEvent> {
    for (;;) {
      const event = this.events.find((event) => event.kind === kind);
      if (event !== undefined) return event;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Sends this over a connection and gives all that comes back, byte for byte as text. */
  async exchange(request: string): Promise<string> {
    await using server = this.listen();
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
    await connection.write(new TextEncoder().encode(request));
    const parts: Uint8Array[] = [];
    const buffer = new Uint8Array(65_536);
    for (let count; (count = await connection.read(buffer).catch(() => null)) !== null;) {
      parts.push(buffer.slice(0, count));
    }
    return new TextDecoder("latin1").decode(concatenate(parts));
  }

  [Symbol.dispose](): void {
    this.scratch[Symbol.dispose]();
  }
}
