import { isIP } from "node:net";
import { PeerFailed, PeerLied } from "../../errors.ts";
import type { Digest } from "../../manifest/digest.ts";
import { pieceSize } from "../../manifest/layout.ts";
import {
  type Availability,
  parseAvailability,
  pieceCount,
  PIECES_HEADER,
} from "../../wire/availability.ts";
import { decodeBitfield, encodeBitfield } from "../../wire/bitfield.ts";
import {
  BLOCK_SIZE,
  MAX_AVAILABILITY_SIZE,
  MAX_MANIFEST_SIZE,
  PORT,
  TRICKLE,
} from "../../wire/limits.ts";
import { formatContentRange } from "../../wire/range.ts";
import { formatRoute, parseRoute, type Route } from "../../wire/routes.ts";
import { Answer, type MakesWay, Watch, type Way } from "./answer.ts";
import { Bytes } from "./bytes.ts";
import { expandingManifest } from "./expanding.ts";
import { gunzip } from "./gunzip.ts";
import { plainGet } from "./plain_http.ts";

/** Where a peer listens: an IP address, an IPv6 one with its scope where it needs one, and a port. */
export interface PeerAddress {
  readonly address: string;
  readonly port: number;
}

/** Whether the peer of this name is a process of this machine. */
export function isOnThisMachine(name: string): boolean {
  return /^(127\.|::1$|\[::1\])/.test(name);
}

/** How pieces are asked for. */
export interface AskPieces {
  /** Whether they may come as zstd frames. */
  readonly zstd: boolean;
  /** Told what a partial peer says that it has: 0 or 1 a piece. */
  readonly holdings: (has: Uint8Array) => void;
}

/** How long a seed may be silent while it reads all that the first of its piece digests needs. */
const PIECE_DIGESTS_PATIENCE_MS = 10_000;

/**
 * Another machine, asked over HTTP. Nothing that it says is verified here: that is for the caller.
 *
 * Every method throws PeerFailed when the peer cannot be reached, stalls, breaks off or refuses,
 * PeerBusy when it has no place, PeerSlow when it is to make way, PeerLied when its answer contradicts
 * itself, and the signal's reason when that is aborted.
 */
export class Peer implements Disposable {
  /** What messages call it: its address, and its port unless that is the usual one. */
  readonly name: string;
  /** Whether it has begun to give anything of what it was asked for, or had no place for that. */
  hasGiven = false;
  readonly #origin: string;
  readonly #client: Deno.HttpClient;
  readonly #where: PeerAddress;
  readonly #makesWay: MakesWay | undefined;

  /**
   * @param makesWay whether it is to make way when it brings little of content, or takes long for a
   *   manifest or an archive: then these end with PeerSlow
   */
  constructor(where: PeerAddress, makesWay?: MakesWay) {
    this.#where = where;
    this.#makesWay = makesWay;
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

  /**
   * The bytes of the manifest.
   *
   * @param options.zstd whether it may come compressed
   * @returns undefined if the peer does not know that route or that digest
   */
  async manifest(
    digest: Digest,
    { zstd }: { readonly zstd: boolean },
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const headers = accepting(zstd);
    const way = this.#wayWith(Infinity);
    using answer = await this.#get({ kind: "manifest", digest }, headers, signal, 0, way);
    if (answer.status === 404 || answer.status === 400) return undefined;
    answer.require(200);
    const body = answer.bodyInPlace(BLOCK_SIZE);
    // Some versions of Deno undo codings that nobody asked for, others do not: its hash is to tell.
    const coded = zstd && answer.headers.get("content-encoding") === "zstd";
    const parts = coded ? expandingManifest(body, this.name) : body;
    return await this.#gather(parts, MAX_MANIFEST_SIZE, "a manifest");
  }

  /** Bytes `start` to `end` (exclusive) of the content stream; undefined if the peer has not all of it. */
  async content(
    digest: Digest,
    range: { readonly start: number; readonly end: number; readonly size: number },
    signal: AbortSignal,
  ): Promise<Bytes | undefined> {
    const { start, end, size } = range;
    const answer = await this.#getContent(
      { kind: "content", digest },
      { range: `bytes=${start}-${end - 1}` },
      signal,
    );
    return this.#orClose(answer, () => {
      if (answer.status === 404) return undefined;
      const found = answer.headers.get("content-range");
      if (answer.status === 206 && found !== formatContentRange(start, end, size)) {
        const reason = `another range than was asked for: ${JSON.stringify(found)}`;
        throw new PeerLied(this.name, reason);
      }
      if (!(answer.status === 200 && start === 0 && end === size)) answer.require(206);
      return new Bytes(this.name, answer, { start, end }, undefined);
    });
  }

  /**
   * Pieces `first` to `last` (inclusive) of a content stream of `size` bytes.
   *
   * @param options.zstd whether they may come compressed
   * @returns undefined if the peer has not all of them; `holdings` was told what it has
   */
  pieces(
    digest: Digest,
    run: { readonly first: number; readonly last: number; readonly size: number },
    options: AskPieces,
    signal: AbortSignal,
  ): Promise<Bytes | undefined> {
    const { first, last, size } = run;
    return this.#pieces({ kind: "pieces", digest, first, last }, () => run, size, options, signal);
  }

  /**
   * One of the pieces that are lacking (0 or 1 each), of the peer's choice.
   *
   * @returns undefined if the peer has none of them
   */
  anyPiece(
    digest: Digest,
    lacks: Uint8Array,
    size: number,
    options: AskPieces,
    signal: AbortSignal,
  ): Promise<Bytes | undefined> {
    const route = { kind: "any-piece", digest, lacks: encodeBitfield(lacks) } as const;
    const chosen = (headers: Headers) => {
      const location = parseRoute(headers.get("content-location") ?? "");
      if (location?.kind !== "pieces" || location.first !== location.last) return undefined;
      return lacks[location.first] === 1 ? location : undefined;
    };
    return this.#pieces(route, chosen, size, options, signal);
  }

  /**
   * Which pieces the peer has.
   *
   * @param options.known a bitfield: the answer comes when the peer has others, or after
   *   `options.wait` seconds
   * @returns undefined if it has none, or does not know the question
   */
  async availability(
    digest: Digest,
    size: number,
    options: { readonly wait?: number; readonly known?: string },
    signal: AbortSignal,
  ): Promise<Availability["pieces"] | undefined> {
    const patience = (options.wait ?? 0) * 1000;
    const route = { kind: "availability", digest, ...options } as const;
    using answer = await this.#get(route, {}, signal, patience);
    if (answer.status === 404 || answer.status === 400) return undefined;
    answer.require(200);
    const text = await this.#gather(
      answer.bodyInPlace(BLOCK_SIZE),
      MAX_AVAILABILITY_SIZE,
      "an answer",
    );
    const availability = parseAvailability(new TextDecoder().decode(text));
    if (availability?.size !== size) {
      throw new PeerLied(this.name, "pieces of something else than was asked for");
    }
    return availability.pieces;
  }

  /** The SHA-256 of each of so many pieces, 32 bytes each; undefined if the peer gives none. */
  async pieceDigests(
    digest: Digest,
    count: number,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    // It may have to read all of the implementation before.
    using answer = await this.#get(
      { kind: "piece-digests", digest },
      {},
      signal,
      PIECE_DIGESTS_PATIENCE_MS,
    );
    if (answer.status === 404 || answer.status === 400) return undefined;
    answer.require(200);
    const bytes = await this.#gather(answer.bodyInPlace(BLOCK_SIZE), count * 32, "piece digests");
    if (bytes.length !== count * 32) {
      throw new PeerLied(this.name, `${bytes.length} bytes of piece digests, not ${count * 32}`);
    }
    return bytes;
  }

  /**
   * The tree as a tar, decompressed; undefined if the peer has it under no route.
   *
   * @param pace called with the size of each part that came; the next one is read when it settles
   */
  async archive(
    digest: Digest,
    signal: AbortSignal,
    pace: (bytes: number) => Promise<void> = () => Promise.resolve(),
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const routes: Route[] = [
      { kind: "tree", digest },
      { kind: "archive", digests: [digest], format: "tar.gz" },
    ];
    for (const route of routes) {
      const answer = await this.#getPlainly(route, signal);
      if (answer.status === 200) {
        const body = paced(answer.body(), pace);
        return route.kind === "archive" ? gunzip(body, this.name) : body;
      }
      using _refused = answer;
      if (answer.status !== 404 && answer.status !== 400) answer.require(200);
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #pieces(
    route: Route,
    runOf: (headers: Headers) => { readonly first: number; readonly last: number } | undefined,
    size: number,
    { zstd, holdings }: AskPieces,
    signal: AbortSignal,
  ): Promise<Bytes | undefined> {
    const answer = await this.#getContent(route, accepting(zstd), signal);
    return this.#orClose(answer, () => {
      const text = answer.headers.get(PIECES_HEADER);
      const told = text === null ? undefined : decodeBitfield(text, pieceCount(size));
      if (told !== undefined) holdings(told);
      if (answer.status === 404) return undefined;
      answer.require(200);
      const run = runOf(answer.headers);
      if (run === undefined) throw new PeerLied(this.name, "a piece that was not asked for");
      const each = pieceSize(size);
      const range = { start: run.first * each, end: Math.min(size, (run.last + 1) * each), size };
      const coding = answer.headers.get("content-encoding");
      if (coding !== null && !(zstd && coding === "zstd")) {
        throw new PeerFailed(
          this.name,
          `it answered in a coding that was not asked for: ${coding}`,
        );
      }
      return new Bytes(this.name, answer, range, coding === null ? undefined : each);
    });
  }

  /** Closes the answer unless it becomes a body. */
  #orClose<T>(answer: Answer, make: () => T | undefined): T | undefined {
    let made: T | undefined;
    try {
      return made = make();
    } finally {
      if (made === undefined) answer[Symbol.dispose]();
    }
  }

  async #gather(
    parts: AsyncIterable<Uint8Array>,
    most: number,
    what: string,
  ): Promise<Uint8Array> {
    let bytes = new Uint8Array(Math.min(most, 64 * 1024));
    let size = 0;
    for await (const part of parts) {
      if (size + part.length > most) {
        throw new PeerLied(this.name, `${what} of over ${most} bytes`);
      }
      if (size + part.length > bytes.length) {
        const room = Math.max(2 * bytes.length, size + part.length);
        bytes = new Uint8Array(bytes.buffer.transfer(room));
      }
      bytes.set(part, size);
      size += part.length;
    }
    return new Uint8Array(bytes.buffer.transfer(size));
  }

  /** Gets content: it takes a place that others could have. */
  #getContent(route: Route, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    return this.#get(route, headers, signal, 0, this.#wayWith(TRICKLE.bytesInTheWay));
  }

  #wayWith(enough: number): Way | undefined {
    return this.#makesWay && { makesWay: this.#makesWay, enough };
  }

  #get(
    route: Route,
    headers: Record<string, string>,
    signal: AbortSignal,
    patience = 0,
    way?: Way,
  ): Promise<Answer> {
    const url = this.#origin + formatRoute(route);
    // What is asked for is exact bytes: no content coding but one that is expected.
    const all = { "accept-encoding": "identity", ...headers };
    return this.#ask(
      (signal) => fetch(url, { headers: all, client: this.#client, redirect: "manual", signal }),
      signal,
      patience,
      way,
    );
  }

  /** For servers that know nothing but what there was in 2008. */
  #getPlainly(route: Route, signal: AbortSignal): Promise<Answer> {
    const headers = { "accept-encoding": "identity", host: new URL(this.#origin).host };
    return this.#ask(
      (signal) => plainGet(this.#where, formatRoute(route), headers, signal),
      signal,
      0,
      this.#wayWith(Infinity),
    );
  }

  async #ask(
    request: (signal: AbortSignal) => Promise<Response>,
    signal: AbortSignal,
    patience: number,
    way: Way | undefined,
  ): Promise<Answer> {
    const watch = new Watch(this.name, signal, patience, way);
    try {
      const response = await request(watch.signal);
      watch.came(0);
      this.hasGiven ||= response.ok || response.status === 503;
      return new Answer(this.name, response, watch);
    } catch (cause) {
      watch.end();
      throw watch.explain(cause);
    }
  }
}

/** The header that says whether an answer may come compressed. */
function accepting(zstd: boolean): Record<string, string> {
  return zstd ? { "accept-encoding": "zstd" } : {};
}

async function* paced(
  body: AsyncIterable<Uint8Array>,
  pace: (bytes: number) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  for await (const part of body) {
    yield part;
    await pace(part.length);
  }
}
