import assert from "node:assert/strict";
import { NetworkFailed } from "../../lib/errors.ts";
import type { ServeEvent } from "../../lib/serve/events.ts";
import { listen, type Listening } from "../../lib/serve/listening.ts";

/** Servers as Deno makes them, except that they can stop accepting, as Deno's do without open files. */
class Failing implements Disposable {
  readonly #serve = Deno.serve;
  readonly #fail: ((error: Error) => void)[] = [];
  /** What listening itself fails with from now on. */
  refuses: Error | undefined;
  refused = 0;
  begun = 0;

  constructor() {
    const serve = (
      options: Deno.ServeTcpOptions & { handler: Deno.ServeHandler<Deno.NetAddr> },
    ) => {
      if (this.refuses !== undefined) {
        this.refused++;
        throw this.refuses;
      }
      const server = this.#serve(options);
      this.begun++;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.finished.then(resolve);
      this.#fail.push(reject);
      const { addr } = server;
      return { addr, finished: promise, shutdown: () => server.shutdown() };
    };
    Object.assign(Deno, { serve });
  }

  /** The servers that run accept nothing any more. */
  fail(): void {
    this.#fail.splice(0).forEach((fail) => fail(new Error("Too many open files")));
  }

  [Symbol.dispose](): void {
    Object.assign(Deno, { serve: this.#serve });
  }
}

const events: ServeEvent[] = [];
const report = (event: ServeEvent) => void events.push(event);
const hello = () => new Response("hello");

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function ask({ port }: Listening): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
  return await response.text();
}

Deno.test("a server that could not accept a connection says so and listens again on its port", async () => {
  using failing = new Failing();
  events.length = 0;
  const listening = listen(0, hello, { report });
  const sockets = failing.begun;
  assert.equal(await ask(listening), "hello");
  failing.fail();
  await until(() => failing.begun === 2 * sockets);
  assert.equal(await ask(listening), "hello");
  const troubles = events.filter(({ kind }) => kind === "trouble");
  assert.equal(troubles.length, sockets);
  assert.match(JSON.stringify(troubles), /Too many open files/);
  failing.fail();
  await until(() => failing.begun === 3 * sockets);
  assert.equal(await ask(listening), "hello");
  await listening.stop();
  await listening.finished;
});

Deno.test("an answer that is under way when nothing can be accepted is finished, and waited for", async () => {
  using failing = new Failing();
  const rest = Promise.withResolvers<void>();
  const listening = listen(0, () => {
    return new Response(
      new ReadableStream({
        async start(body) {
          body.enqueue(new TextEncoder().encode("hel"));
          await rest.promise;
          body.enqueue(new TextEncoder().encode("lo"));
          body.close();
        },
      }),
    );
  }, { report });
  const sockets = failing.begun;
  const response = await fetch(`http://127.0.0.1:${listening.port}/`);
  failing.fail();
  await until(() => failing.begun === 2 * sockets);
  let stopped = false;
  const stopping = listening.stop().then(() => stopped = true);
  await listening.finished;
  assert.equal(stopped, false);
  rest.resolve();
  assert.equal(await response.text(), "hello");
  await stopping;
});

Deno.test("what is in the way of listening again may go away", async () => {
  using failing = new Failing();
  const listening = listen(0, hello, { report });
  failing.refuses = new Deno.errors.AddrInUse("Address already in use");
  const sockets = failing.begun;
  failing.fail();
  await until(() => failing.refused > 2);
  failing.refuses = undefined;
  await until(() => failing.begun === 2 * sockets);
  assert.equal(await ask(listening), "hello");
  await listening.stop();
  await listening.finished;
});

Deno.test("a server that cannot listen for long fails", async () => {
  using failing = new Failing();
  const listening = listen(0, hello, { report, inVain: 0 });
  failing.refuses = new Error("Too many open files");
  failing.fail();
  await assert.rejects(listening.finished, NetworkFailed);
  await listening.stop();
});

Deno.test("a server that waits to listen again can be stopped", async () => {
  using failing = new Failing();
  const listening = listen(0, hello, { report });
  failing.refuses = new Error("Too many open files");
  failing.fail();
  await until(() => failing.refused > 0);
  await listening.stop();
  await listening.finished;
});
