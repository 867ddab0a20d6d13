/** A way to a server on this machine on which everything takes a while, in both directions. */

/** Passes on what it gets, each part so many milliseconds later, however much is on its way. */
export class DelayingProxy implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #work: Promise<unknown>[] = [];

  constructor(readonly port: number, readonly milliseconds: number) {
    this.#work.push(this.#accept());
  }

  /** For `-H`. */
  get host(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await Promise.all(this.#work);
  }

  async #accept(): Promise<void> {
    for await (const near of this.#listener) {
      const far = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
      this.#connections.add(near).add(far);
      this.#work.push(Promise.all([this.#pass(near, far), this.#pass(far, near)]));
    }
  }

  async #pass(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    // One promise after the other, so that nothing overtakes what came before it.
    let written: Promise<unknown> = Promise.resolve();
    const later = (action: () => Promise<unknown> | void) => {
      const due = new Promise((resolve) => setTimeout(resolve, this.milliseconds));
      written = Promise.all([written, due]).then(action).catch(() => close(from));
    };
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (let count; (count = await from.read(buffer)) !== null;) {
        const part = buffer.slice(0, count);
        later(() => writeAll(to, part));
      }
      later(() => to.closeWrite());
    } catch {
      later(() => close(to));
    }
    await written;
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}
