/** A peer that answers whatever a test wants, byte for byte, as no HTTP server would let it. */

import type { Digest } from "../../../lib/manifest/digest.ts";
import { pathOf } from "../../../lib/manifest/entry.ts";
import { PORT } from "../../../lib/wire/limits.ts";
import { TAR_END, tarHeader, tarPadding } from "../../../lib/wire/tar_writer.ts";
import { concatenate, type Implementation, streamOf } from "../../serve/implementations.ts";

export interface Asked {
  readonly path: string;
  /** What was asked for of the content stream; the end is exclusive. */
  readonly range: { readonly start: number; readonly end: number } | undefined;
}

export interface Answer {
  /** 200 by default; 0 for no line of status and no headers. */
  readonly status?: number;
  /** Header lines. There is no Content-Length unless it is among them. */
  readonly headers?: readonly string[];
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  /**
   * What comes after the body: "close" (the default) ends the connection; "stall" keeps it open
   * and sends nothing more; "reset" breaks it off.
   */
  readonly end?: "close" | "stall" | "reset";
}

/** What it answers to a path; 404 for undefined. */
export type Answering = (asked: Asked) => Answer | undefined;

/** Listens on this machine over TCP, and over UDP when it is told to. */
export class HostilePeer implements AsyncDisposable {
  /** In the order of their arrival. */
  readonly asked: Asked[] = [];
  readonly #listener = listen();
  readonly #connections = new Set<Deno.Conn>();
  readonly #sockets: Deno.DatagramConn[] = [];
  readonly #work: Promise<void>[] = [];

  constructor(readonly answering: Answering) {
    this.#work.push(this.#accept());
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** For `-H`, and what messages call it. */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  /**
   * Answers queries on a UDP port.
   *
   * @param reply the text of the answer to a query's text; none for undefined
   */
  respond(port: number, reply: (query: string) => string | undefined): void {
    const socket = Deno.listenDatagram({
      transport: "udp",
      hostname: "0.0.0.0",
      port,
      reuseAddress: true,
    });
    this.#sockets.push(socket);
    this.#work.push(this.#reply(socket, reply));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const open of [...this.#connections, ...this.#sockets]) open.close();
    await Promise.all(this.#work);
  }

  async #reply(
    socket: Deno.DatagramConn,
    reply: (query: string) => string | undefined,
  ): Promise<void> {
    for await (const [bytes, from] of socket) {
      const text = reply(new TextDecoder().decode(bytes));
      if (text !== undefined) await socket.send(new TextEncoder().encode(text), from);
    }
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#connections.add(connection);
      this.#work.push(this.#serve(connection));
    }
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    try {
      const asked = parse(await readHead(connection));
      this.asked.push(asked);
      const answer = this.answering(asked) ?? { status: 404, headers: ["Content-Length: 0"] };
      const { status = 200, headers = [], body = [], end = "close" } = answer;
      if (status !== 0) await send(connection, head(status, headers));
      for await (const part of body instanceof Uint8Array ? [body] : body) {
        await send(connection, part);
      }
      if (end === "stall") return;
      if (end === "close") await connection.closeWrite();
      // Something unread is left by a "reset": a system that closes over that breaks off.
      if (end === "close") { while (await connection.read(new Uint8Array(1024)) !== null); }
    } catch {
      // The other side has had enough, which is what most answers are for.
    }
    this.#connections.delete(connection);
    try {
      connection.close();
    } catch {
      // It was closed at the end of the test.
    }
  }
}

/** On any port but the usual one, which messages leave out and any may be. */
function listen(): Deno.TcpListener {
  for (;;) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    if (listener.addr.port !== PORT) return listener;
    listener.close();
  }
}

/** Reads all of a request but its last byte. */
async function readHead(connection: Deno.Conn): Promise<string> {
  let text = "";
  const byte = new Uint8Array(1);
  while (!text.endsWith("\r\n\r")) {
    if (await connection.read(byte) === null) throw new Error("no request");
    text += String.fromCharCode(byte[0]!);
  }
  return text;
}

function parse(text: string): Asked {
  const target = /^GET (\S+) HTTP/.exec(text)?.[1] ?? "";
  const path = decodeURIComponent(target.replace(/^http:\/\/[^/]*/, ""));
  const [, first, last] = /^range: bytes=(\d+)-(\d+)\r$/im.exec(text) ?? [];
  const range = first === undefined ? undefined : { start: Number(first), end: Number(last) + 1 };
  return { path, range };
}

function head(status: number, headers: readonly string[]): Uint8Array {
  const lines = [`HTTP/1.1 ${status} Word`, "Connection: close", ...headers];
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}

async function send(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** The answers of a good peer, by manifest and content stream. */
export function content(implementation: Implementation): Answering {
  const { digest, manifestBytes } = implementation;
  const stream = streamOf(implementation);
  return ({ path, range }) => {
    if (path === `/implementation/${digest}/manifest`) return sized(manifestBytes);
    if (path !== `/implementation/${digest}/content`) return undefined;
    const { start, end } = range ?? { start: 0, end: stream.length };
    return partial(stream.slice(start, end), start, stream.length);
  };
}

/** A whole answer of known size. */
export function sized(body: Uint8Array, ...headers: string[]): Answer {
  return { headers: [`Content-Length: ${body.length}`, ...headers], body };
}

/** Come back later. */
export function busy(seconds: number): Answer {
  return { status: 503, headers: [`Retry-After: ${seconds}`, "Content-Length: 0"] };
}

/** An answer to a range, whatever was asked for. */
export function partial(body: Uint8Array, start: number, size: number): Answer {
  const range = `Content-Range: bytes ${start}-${start + body.length - 1}/${size}`;
  return { status: 206, ...sized(body, range) };
}

/** A peer that knows only the route of 2008. */
export function tarOf(digest: Digest, answer: Answer): Answering {
  return ({ path }) => path === `/implementation/${digest}` ? answer : undefined;
}

/** A peer that knows only what Zero Install for .NET answers; it compresses the body. */
export function tarGzOf(
  digest: Digest,
  archive: Uint8Array | AsyncIterable<Uint8Array>,
): Answering {
  const answer = {
    get body() {
      const source: ReadableStream<Uint8Array<ArrayBuffer>> = ReadableStream.from(
        (archive instanceof Uint8Array ? [archive] : archive) as Iterable<Uint8Array<ArrayBuffer>>,
      );
      return source.pipeThrough(new CompressionStream("gzip"));
    },
  };
  return ({ path }) => path === `/${digest}.tar.gz` ? answer : undefined;
}

/** The tree of an implementation as a tar, each entry with `./` in front. */
export function tarOfTree({ path, manifest }: Implementation): Uint8Array<ArrayBuffer> {
  const parts = [...manifest.entries].flatMap((entry) => {
    const at = `${path}/${pathOf(entry)}`;
    const body = entry.kind === "file" ? Deno.readFileSync(at) : new Uint8Array();
    const header = tarHeader({
      path: `./${pathOf(entry)}`,
      kind: entry.kind,
      size: body.length,
      executable: entry.kind === "file" && entry.executable,
      mtime: entry.kind === "file" ? entry.mtime : 0,
      linkname: entry.kind === "symlink" ? Deno.readLinkSync(at) : "",
    });
    return [header, body, new Uint8Array(tarPadding(body.length))];
  });
  return concatenate([...parts, TAR_END]);
}
