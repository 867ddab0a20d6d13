import { NetworkFailed } from "../errors.ts";
import { LISTEN_AGAIN_MOST_MS, LISTEN_AGAIN_MS, LISTENING_IN_VAIN_MS } from "../wire/limits.ts";
import type { ReportServe } from "./events.ts";

type Handler = Deno.ServeHandler<Deno.NetAddr>;
type HttpServer = Deno.HttpServer<Deno.NetAddr>;

/** A port that HTTP is answered on, until it is told to stop. */
export interface Listening {
  readonly port: number;
  /** Settles when it has stopped; rejects when it cannot listen any more. */
  readonly finished: Promise<void>;
  /** No new requests; settles when those that run are answered. */
  stop(): Promise<void>;
}

export interface ListeningOptions {
  readonly report: ReportServe;
  /** How long to go on where listening itself fails, in milliseconds. */
  readonly inVain?: number;
}

/**
 * Listens for IPv6 and IPv4: on one socket where the system takes both with one, as Linux does, on
 * two where it does not, and on one of them where the other family is switched off.
 *
 * @throws NetworkFailed when the port cannot be listened on
 */
export function listen(port: number, handler: Handler, options: ListeningOptions): Listening {
  const sockets: ListeningSocket[] = [];
  const failures: unknown[] = [];
  for (const hostname of ["::", "0.0.0.0"]) {
    try {
      sockets.push(new ListeningSocket(hostname, sockets[0]?.port ?? port, handler, options));
    } catch (cause) {
      failures.push(cause);
    }
  }
  if (sockets.length === 0) throw cannotListen(port, failures);
  return {
    port: sockets[0]!.port,
    finished: Promise.all(sockets.map(({ finished }) => finished)).then(() => {}),
    stop: async () => void await Promise.all(sockets.map((socket) => socket.stop())),
  };
}

/**
 * One socket. Deno accepts nothing any more after the first connection that it could not accept,
 * which is how a process runs out of open files: then another socket takes its place.
 */
class ListeningSocket {
  readonly port: number;
  readonly finished: Promise<void>;
  readonly #hostname: string;
  readonly #handler: Handler;
  readonly #options: ListeningOptions;
  readonly #stopping = Promise.withResolvers<void>();
  /** Servers that accept nothing any more, and still answer. */
  readonly #ending = new Set<Promise<void>>();
  #server: HttpServer | undefined;
  #isStopping = false;

  /** @throws what Deno throws when it cannot listen */
  constructor(hostname: string, port: number, handler: Handler, options: ListeningOptions) {
    this.#hostname = hostname;
    this.#handler = handler;
    this.#options = options;
    this.#server = this.#serve(port);
    this.port = this.#server.addr.port;
    this.finished = this.#run(this.#server);
    this.finished.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#stopping.resolve();
    if (this.#server !== undefined) this.#end(this.#server);
    await Promise.all(this.#ending);
  }

  async #run(server: HttpServer): Promise<void> {
    let pause = LISTEN_AGAIN_MS;
    for (;;) {
      const since = performance.now();
      const failure = await server.finished.then(() => undefined, (error: unknown) => ({ error }));
      if (failure === undefined || this.#isStopping) return;
      // Also closes connections on which nothing is asked: they may be what there are too many of.
      this.#server = undefined;
      this.#end(server);
      if (performance.now() - since > LISTEN_AGAIN_MOST_MS) pause = LISTEN_AGAIN_MS;
      if (pause === LISTEN_AGAIN_MS) this.#tell(failure.error);
      await this.#wait(pause);
      pause = Math.min(2 * pause, LISTEN_AGAIN_MOST_MS);
      const again = await this.#listenAgain();
      if (again === undefined) return;
      server = again;
    }
  }

  /** Undefined when it was told to stop. @throws NetworkFailed when it could not for long */
  async #listenAgain(): Promise<HttpServer | undefined> {
    const since = performance.now();
    for (let pause = LISTEN_AGAIN_MS; !this.#isStopping;) {
      try {
        return this.#server = this.#serve(this.port);
      } catch (cause) {
        const { inVain = LISTENING_IN_VAIN_MS } = this.#options;
        if (performance.now() - since >= inVain) throw cannotListen(this.port, [cause]);
      }
      await this.#wait(pause);
      pause = Math.min(2 * pause, LISTEN_AGAIN_MOST_MS);
    }
    return undefined;
  }

  #serve(port: number): HttpServer {
    const hostname = this.#hostname;
    return Deno.serve({ hostname, port, handler: this.#handler, onListen: () => {}, onError });
  }

  #end(server: HttpServer): void {
    const ended = server.shutdown().catch(() => {}).finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  #tell(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.report({
      kind: "trouble",
      reason: `Cannot accept connections on TCP port ${this.port}: ${reason}; listening again`,
    });
  }

  /** Waits so long, or until it is told to stop. */
  async #wait(milliseconds: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds));
    await Promise.race([over, this.#stopping.promise]);
    clearTimeout(timer);
  }
}

function cannotListen(port: number, failures: readonly unknown[]): NetworkFailed {
  const cause = failures.find((failure) => failure instanceof Deno.errors.AddrInUse) ?? failures[0];
  if (cause instanceof Deno.errors.AddrInUse) {
    return new NetworkFailed(`Cannot listen on TCP port ${port}: it is in use`, {
      hint: `another 0share may be running; choose another port with -p, or any with -p 0`,
      cause,
    });
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new NetworkFailed(`Cannot listen on TCP port ${port}: ${reason}`, {
    hint: port < 1024 ? "ports below 1024 need root; choose another with -p" : undefined,
    cause,
  });
}

function onError(): Response {
  return new Response("Internal error\n", { status: 500 });
}
