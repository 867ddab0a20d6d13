import { isIP } from "node:net";

/** A status line and headers, in bytes together: far more than any server of trees sends. */
const MAX_HEAD_SIZE = 64 * 1024;

/** The line in front of a chunk, in bytes: a number, and extensions that nobody sends. */
const MAX_CHUNK_LINE = 1024;

/** What is read from the connection at once, in bytes. */
const READ_SIZE = 64 * 1024;

const CUT_OFF = "connection closed before message completed";

/**
 * A GET whose request line has the path alone (RFC 9112). Deno's own client, when it connects to one
 * endpoint, sends the whole URL, as it would to a proxy: servers that are older than HTTP/1.1 do
 * not know that. And what `node:http` makes of an answer that breaks off is not the same in all
 * versions of Deno.
 *
 * The body ends with an error if the connection does before the body has its announced length;
 * when no length was announced, the end of the connection is its end.
 *
 * @param where an address, an IPv6 one with its scope where it needs one
 * @throws an Error that says what went wrong; the signal's reason, from the body too
 */
export async function plainGet(
  where: { readonly address: string; readonly port: number },
  path: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  const connection = await Connection.open(where, signal);
  try {
    await connection.ask("GET", where, path, headers);
    const { status, statusText, headers: answered } = await readHead(connection);
    const parts = body(connection, answered);
    return new Response(
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        async pull(controller) {
          const { done, value } = await parts.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: () => connection.close(),
      }, { highWaterMark: 0 }),
      { status, statusText, headers: answered },
    );
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** A HEAD, likewise; gives the status and the headers. */
export async function plainHead(
  where: { readonly address: string; readonly port: number },
  path: string,
  signal: AbortSignal,
): Promise<{ status: number; headers: Headers }> {
  const connection = await Connection.open(where, signal);
  try {
    await connection.ask("HEAD", where, path, {});
    const { status, headers } = await readHead(connection);
    return { status, headers };
  } finally {
    connection.close();
  }
}

/** Bytes of a TCP connection, which is closed when the signal is aborted. */
class Connection {
  readonly #tcp: Deno.TcpConn;
  readonly #signal: AbortSignal;
  readonly #buffer = new Uint8Array(READ_SIZE);
  #waiting: Uint8Array<ArrayBuffer> = new Uint8Array();
  #closed = false;
  readonly #abort = () => this.close();

  static async open(
    { address, port }: { readonly address: string; readonly port: number },
    signal: AbortSignal,
  ): Promise<Connection> {
    signal.throwIfAborted();
    const connecting = Deno.connect({ hostname: address, port });
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      return new Connection(await Promise.race([connecting, aborted]), signal);
    } catch (error) {
      // It may come about all the same, when nobody wants it any more.
      connecting.then((tcp) => tcp.close(), () => {});
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  constructor(tcp: Deno.TcpConn, signal: AbortSignal) {
    this.#tcp = tcp;
    this.#signal = signal;
    signal.addEventListener("abort", this.#abort);
  }

  async ask(
    method: "GET" | "HEAD",
    { address, port }: { readonly address: string; readonly port: number },
    path: string,
    headers: Record<string, string>,
  ): Promise<void> {
    const plain = address.replace(/%.*/, "");
    const host = isIP(plain) === 6 ? `[${plain}]` : address;
    await this.#send([
      `${method} ${path} HTTP/1.1`,
      ...Object.entries({ host: `${host}:${port}`, ...headers, connection: "close" })
        .map(([name, value]) => `${name}: ${value}`),
    ]);
  }

  async #send(lines: readonly string[]): Promise<void> {
    const bytes = new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
    for (let at = 0; at < bytes.length;) {
      at += await this.#unlessAborted(this.#tcp.write(bytes.subarray(at)));
    }
  }

  /** The next bytes, at most so many; undefined when the other side has closed the connection. */
  async some(most: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#waiting.length === 0) {
      const count = await this.#unlessAborted(this.#tcp.read(this.#buffer));
      if (count === null) return undefined;
      this.#waiting = this.#buffer.slice(0, count);
    }
    const part = this.#waiting.subarray(0, most);
    this.#waiting = this.#waiting.subarray(part.length);
    return part;
  }

  /** The next line without its end, of at most so many bytes, in Latin-1. */
  async line(most: number): Promise<string> {
    let line = "";
    for (;;) {
      const part = await this.some(most - line.length + 2);
      if (part === undefined) throw new Error(CUT_OFF);
      const end = part.indexOf(10);
      line += String.fromCharCode(...end < 0 ? part : part.subarray(0, end));
      if (end >= 0) {
        this.#waiting = joined(part.subarray(end + 1), this.#waiting);
        return line.replace(/\r$/, "");
      }
      if (line.length > most) throw new Error("its answer has too long a line");
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal.removeEventListener("abort", this.#abort);
    this.#tcp.close();
  }

  async #unlessAborted<T>(result: Promise<T>): Promise<T> {
    try {
      return await result;
    } finally {
      // What a closed connection gives, an end or an error, is not what happened.
      this.#signal.throwIfAborted();
    }
  }
}

async function readHead(
  connection: Connection,
): Promise<{ status: number; statusText: string; headers: Headers }> {
  const first = await connection.line(MAX_HEAD_SIZE);
  const [, digits, statusText = ""] = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(first) ?? [];
  if (digits === undefined) throw new Error("its answer is not HTTP");
  const status = Number(digits);
  // Others have no body, or are not the answer yet: nobody sends them for what is asked here.
  if (status < 200 || status > 599 || [204, 205, 304].includes(status)) {
    throw new Error(`it answered ${status} ${statusText}`);
  }
  const headers = new Headers();
  let left = MAX_HEAD_SIZE - first.length;
  for (;;) {
    const line = await connection.line(left);
    if (line === "") return { status, statusText, headers };
    left -= line.length;
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+):[ \t]*([^\0]*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined) throw new Error("its answer has a header that is none");
    headers.append(name, value!);
  }
}

/** The content of an answer; the connection is closed behind it. */
async function* body(
  connection: Connection,
  headers: Headers,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    const coding = headers.get("transfer-encoding");
    const length = headers.get("content-length");
    if (coding !== null) {
      if (coding.toLowerCase() !== "chunked") throw new Error(`its answer is coded as ${coding}`);
      for (let size; (size = await chunkSize(connection)) > 0;) {
        yield* exactly(connection, size);
        if (await connection.line(MAX_CHUNK_LINE) !== "") throw new Error("its chunks do not fit");
      }
    } else if (length !== null) {
      if (!/^\d{1,15}$/.test(length)) throw new Error(`its answer has the length ${length}`);
      yield* exactly(connection, Number(length));
    } else {
      for (let part; (part = await connection.some(READ_SIZE)) !== undefined;) yield part;
    }
  } finally {
    connection.close();
  }
}

async function* exactly(
  connection: Connection,
  count: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let left = count; left > 0;) {
    const part = await connection.some(left);
    if (part === undefined) throw new Error(CUT_OFF);
    left -= part.length;
    yield part;
  }
}

async function chunkSize(connection: Connection): Promise<number> {
  const line = await connection.line(MAX_CHUNK_LINE);
  const [digits] = /^[0-9a-f]{1,12}(?=\s*(;|$))/i.exec(line) ?? [];
  if (digits === undefined) throw new Error("its chunks do not fit");
  return parseInt(digits, 16);
}

function joined(
  first: Uint8Array<ArrayBuffer>,
  second: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  if (second.length === 0) return first;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
