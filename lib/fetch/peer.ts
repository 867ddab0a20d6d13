import { isIP } from "node:net";
import { PeerFailed, PeerLied } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { MAX_MANIFEST_SIZE, PORT } from "../wire/limits.ts";
import { formatContentRange } from "../wire/range.ts";
import { formatRoute, type Route } from "../wire/routes.ts";
import { Answer, Watch } from "./answer.ts";
import { plainGet } from "./plain_http.ts";

/** Where a peer listens: an IP address, an IPv6 one with its scope where it needs one, and a port. */
export interface PeerAddress {
  readonly address: string;
  readonly port: number;
}

/**
 * Another machine, asked over HTTP. Nothing that it says is verified here: that is for the caller.
 *
 * Every method throws PeerFailed when the peer cannot be reached, stalls, breaks off or refuses,
 * PeerLied when its answer contradicts itself, and the signal's reason when that is aborted.
 */
export class Peer implements Disposable {
  /** What messages call it: its address, and its port unless that is the usual one. */
  readonly name: string;
  readonly #origin: string;
  readonly #client: Deno.HttpClient;
  readonly #where: PeerAddress;

  constructor(where: PeerAddress) {
    this.#where = where;
    const v6 = isIP(where.address.replace(/%.*/, "")) === 6;
    const bracketed = v6 ? `[${where.address}]` : where.address;
    this.name = where.port === PORT ? where.address : `${bracketed}:${where.port}`;
    this.#origin = `http://${bracketed.replace(/%[^\]]*/, "")}:${where.port}`;
    // Connecting straight to one endpoint has two more uses: a proxy in the environment is not
    // asked, and a link-local address keeps its scope, which no URL can carry.
    this.#client = Deno.createHttpClient({
      proxy: { transport: "tcp", hostname: bracketed, port: where.port },
      poolMaxIdlePerHost: 2,
    });
  }

  /** The bytes of the manifest; undefined if the peer does not know that route or that digest. */
  async manifest(digest: Digest, signal: AbortSignal): Promise<Uint8Array | undefined> {
    using answer = await this.#get({ kind: "manifest", digest }, {}, signal);
    if (answer.status === 404 || answer.status === 400) return undefined;
    answer.require(200);
    // Small parts would each keep a larger buffer alive: they are copied into one that grows.
    let bytes = new Uint8Array(64 * 1024);
    let size = 0;
    for await (const part of answer.body()) {
      if (size + part.length > MAX_MANIFEST_SIZE) {
        throw new PeerLied(this.name, `a manifest of over ${MAX_MANIFEST_SIZE} bytes`);
      }
      if (size + part.length > bytes.length) {
        const larger = new Uint8Array(Math.max(2 * bytes.length, size + part.length));
        larger.set(bytes.subarray(0, size));
        bytes = larger;
      }
      bytes.set(part, size);
      size += part.length;
    }
    return bytes.slice(0, size);
  }

  /** Bytes `start` to `end` (exclusive) of the content stream, exactly as many, as they come. */
  async *content(
    digest: Digest,
    range: { start: number; end: number; size: number },
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { start, end, size } = range;
    using answer = await this.#get(
      { kind: "content", digest },
      { range: `bytes=${start}-${end - 1}` },
      signal,
    );
    const found = answer.headers.get("content-range");
    if (answer.status === 206 && found !== formatContentRange(start, end, size)) {
      throw new PeerLied(this.name, `another range than was asked for: ${JSON.stringify(found)}`);
    }
    if (!(answer.status === 200 && start === 0 && end === size)) answer.require(206);
    let left = end - start;
    for await (const part of answer.body()) {
      left -= part.length;
      if (left < 0) throw new PeerLied(this.name, "more bytes than were asked for");
      yield part;
    }
    if (left > 0) throw new PeerFailed(this.name, `its answer ended ${left} bytes early`);
  }

  /** The tree as a tar, decompressed; undefined if the peer has it under no route. */
  async archive(
    digest: Digest,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const routes: Route[] = [
      { kind: "tree", digest },
      { kind: "archive", digests: [digest], format: "tar.gz" },
    ];
    for (const route of routes) {
      const answer = await this.#getPlainly(route, signal);
      if (answer.status === 200) {
        return route.kind === "archive" ? gunzip(answer.body(), this.name) : answer.body();
      }
      using _refused = answer;
      if (answer.status !== 404 && answer.status !== 400) answer.require(200);
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #get(route: Route, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    const url = this.#origin + formatRoute(route);
    // No content coding: what is asked for is exact bytes.
    const all = { "accept-encoding": "identity", ...headers };
    return this.#ask(
      (signal) => fetch(url, { headers: all, client: this.#client, redirect: "manual", signal }),
      signal,
    );
  }

  /** For servers that know nothing but what there was in 2008. */
  #getPlainly(route: Route, signal: AbortSignal): Promise<Answer> {
    const headers = { "accept-encoding": "identity", host: new URL(this.#origin).host };
    return this.#ask(
      (signal) => plainGet(this.#where, formatRoute(route), headers, signal),
      signal,
    );
  }

  async #ask(
    request: (signal: AbortSignal) => Promise<Response>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const watch = new Watch(this.name, signal);
    try {
      const response = await request(watch.signal);
      watch.came();
      return new Answer(this.name, response, watch);
    } catch (cause) {
      watch.end();
      throw watch.explain(cause);
    }
  }
}

/** Undoes gzip. A peer whose archive is not gzip, or ends early, has lied. */
async function* gunzip(
  compressed: AsyncIterable<Uint8Array>,
  peer: string,
): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  const source = ReadableStream.from(async function* () {
    try {
      yield* compressed as AsyncIterable<Uint8Array<ArrayBuffer>>;
    } catch (error) {
      failure = error;
      throw error;
    }
  }());
  try {
    yield* source.pipeThrough(new DecompressionStream("gzip"));
  } catch (cause) {
    throw failure ?? new PeerLied(peer, "an archive that is not gzip", { cause });
  }
}
