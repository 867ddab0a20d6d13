/** HTTP without a client that mends what it sends or hides what it gets. */

import { concatenate } from "../../serve/implementations.ts";

export interface RawAnswer {
  /** NaN when the connection was broken off before there was any. */
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Everything that came behind the headers, chunk sizes included if it came in chunks. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The body in Latin-1, in which every byte is a character. */
  readonly text: string;
  /** Whether the body ended where the headers, or the chunks, said that it would. */
  readonly complete: boolean;
}

export interface RawOptions {
  readonly method?: string;
  /** `localhost` by default; null for none. */
  readonly host?: string | null;
  /** Further header lines, such as `Range: bytes=0-1`. */
  readonly headers?: readonly string[];
  /** The address to connect to; this machine's loopback address by default. */
  readonly address?: string;
}

/** Sends one request with exactly this path and reads until the connection is closed. */
export async function rawRequest(
  port: number,
  path: string,
  options: RawOptions = {},
): Promise<RawAnswer> {
  using connection = await openRequest(port, path, options);
  const parts: Uint8Array[] = [];
  try {
    for await (const part of chunksOf(connection)) parts.push(part);
  } catch (error) {
    // The server breaks an answer off that it must not complete.
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return parse(concatenate(parts), options.method === "HEAD");
}

/** Sends one request and leaves its answer to be read. */
export async function openRequest(
  port: number,
  path: string,
  options: RawOptions = {},
): Promise<Deno.TcpConn> {
  const { method = "GET", host = "localhost", headers = [], address = "127.0.0.1" } = options;
  const connection = await Deno.connect({ hostname: address, port });
  const lines = [
    `${method} ${path} HTTP/${host === null ? "1.0" : "1.1"}`,
    ...(host === null ? [] : [`Host: ${host}`]),
    "Connection: close",
    ...headers,
  ];
  const bytes = new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  return connection;
}

/** What comes on a connection, until the other side closes it. */
export async function* chunksOf(connection: Deno.TcpConn): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(256 * 1024);
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return;
    yield buffer.slice(0, count);
  }
}

function parse(bytes: Uint8Array<ArrayBuffer>, isHead: boolean): RawAnswer {
  const all = new TextDecoder("latin1").decode(bytes);
  const end = all.indexOf("\r\n\r\n");
  const [first = "", ...lines] = all.slice(0, end).split("\r\n");
  const headers = new Map(lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  const body = bytes.slice(end + 4);
  const text = all.slice(end + 4);
  const length = headers.get("content-length");
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]);
  const complete = end >= 0 &&
    (isHead ||
      (headers.get("transfer-encoding") === "chunked"
        ? text.endsWith("0\r\n\r\n")
        : length === undefined || body.length === Number(length)));
  return { status, headers, body, text, complete };
}
