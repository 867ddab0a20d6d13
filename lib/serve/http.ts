import { DamagedImplementation } from "../errors.ts";
import { unmapped } from "../net/inbox.ts";
import { formatContentRange, formatUnsatisfiedRange, parseRange } from "../wire/range.ts";
import {
  type ArchiveFormat,
  parseRoute,
  requestAuthority,
  requestPath,
  requestQuery,
  type Route,
} from "../wire/routes.ts";
import { hasZstd } from "../wire/zstd.ts";
import type { Access } from "./access.ts";
import { archiveSize, ArchiveSource, chooseCoding, type Coding } from "./archive.ts";
import { AvailabilityAnswers } from "./availability.ts";
import type { CompressedPieces } from "./compressed_pieces.ts";
import { ContentReader } from "./content.ts";
import type { ReportServe } from "./events.ts";
import type { Held } from "./held.ts";
import type { Holdings } from "./holdings.ts";
import { KnownFiles } from "./known_files.ts";
import { ManifestFrames } from "./manifest_frames.ts";
import { PieceDigests } from "./piece_digests.ts";
import { PieceAnswers } from "./pieces.ts";
import { etagOf, headersFor, notHere, say, unchanged, VARIES, weakenEtag } from "./responses.ts";
import { busy, type Call, Sender } from "./sender.ts";
import type { UploadLimit } from "./upload_limit.ts";

const ARCHIVES: Readonly<Record<ArchiveFormat, { coding: Coding; type: string }>> = {
  "tar": { coding: "identity", type: "application/x-tar" },
  "tar.gz": { coding: "gzip", type: "application/gzip" },
  "tar.zst": { coding: "zstd", type: "application/zstd" },
};

/** A manifest of fewer bytes leaves in one packet in any case. */
const WORTH_COMPRESSING = 1024;

export interface AnsweringOptions {
  readonly report: ReportServe;
  /** Breaks all answers off. */
  readonly signal: AbortSignal;
  /** Ends what only waits; what is being sent goes on. */
  readonly stopping?: AbortSignal;
  readonly limit?: UploadLimit | undefined;
  /** Where compressed pieces are kept. */
  readonly compressed?: CompressedPieces;
}

/** Makes the function that answers HTTP requests. */
export function answering(
  holdings: Holdings,
  access: Access,
  options: AnsweringOptions,
): Deno.ServeHandler<Deno.NetAddr> {
  const { report } = options;
  const answerer = new Answerer(holdings, options);
  return (request, info) => {
    const from = unmapped(info.remoteAddr.hostname);
    if (!access.admits(from)) {
      report({ kind: "refused", from, reason: "its address is not allowed" });
      return say(403, "This address is not served here");
    }
    // HTTP/2 has no Host header, and says the same in the URL.
    if (!access.admitsHost(request.headers.get("host") ?? requestAuthority(request.url))) {
      report({ kind: "refused", from, reason: "its Host header does not name this machine" });
      return say(421, "This machine has another name");
    }
    const { method } = request;
    const path = requestPath(request.url);
    report({ kind: "get", from, method, path });
    const answered = (response: Response) => {
      report({ kind: "answered", from, method, path, status: response.status });
      return response;
    };
    const route = parseRoute(path, requestQuery(request.url));
    const { completed } = info;
    // Not everybody waits for it, and who hangs up ends no server.
    completed?.catch(() => {});
    const failed = (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      report({ kind: "trouble", reason: `Cannot answer ${method} ${path}: ${reason}` });
      return answered(say(500, "Internal error"));
    };
    try {
      const response = answerer.answer({ request, from, completed }, route);
      return response instanceof Response ? answered(response) : response.then(answered, failed);
    } catch (error) {
      return failed(error);
    }
  };
}

class Answerer {
  readonly #holdings: Holdings;
  readonly #known = new KnownFiles();
  readonly #frames = new ManifestFrames();
  readonly #sender: Sender;
  readonly #availability: AvailabilityAnswers;
  readonly #pieces: PieceAnswers;
  readonly #digests: PieceDigests;

  constructor(holdings: Holdings, options: AnsweringOptions) {
    const { report, signal, stopping = signal, limit } = options;
    this.#holdings = holdings;
    const onDamage = (held: Held, error: DamagedImplementation) => this.#suspend(held, error);
    this.#sender = new Sender({ report, signal, limit, onDamage });
    this.#availability = new AvailabilityAnswers(holdings, stopping);
    this.#pieces = new PieceAnswers(holdings, this.#sender, this.#known, options.compressed);
    this.#digests = new PieceDigests(this.#known, signal);
  }

  answer(call: Call, route: Route | undefined): Response | Promise<Response> {
    const { method } = call.request;
    if (method !== "GET" && method !== "HEAD") {
      return say(405, "Only GET and HEAD are answered here", { allow: "GET, HEAD" });
    }
    if (route === undefined) return say(404, "There is nothing here");
    if (route.kind === "bad") return say(400, route.reason);
    if (route.kind === "availability") return this.#availability.answer(call, route);
    const held = this.#find(route);
    if (held === undefined) return notHere();
    try {
      return this.#answerWith(call, held, route);
    } catch (error) {
      if (!(error instanceof DamagedImplementation)) throw error;
      this.#suspend(held, error);
      return notHere();
    }
  }

  #answerWith(
    call: Call,
    held: Held,
    route: Exclude<Route, { kind: "bad" | "availability" }>,
  ): Response {
    // Which pieces are here is to be seen first.
    if (route.kind === "any-piece") return this.#pieces.any(call, held, route);
    if (route.kind === "pieces") return this.#pieces.run(call, held, route);
    const varies = route.kind === "manifest" || route.kind === "tree" ? VARIES : {};
    const known = unchanged(call.request, held, varies);
    if (known !== undefined) return known;
    switch (route.kind) {
      case "manifest":
        return this.#manifest(call, held);
      case "content":
        return this.#content(call, held);
      case "piece-digests":
        return this.#pieceDigests(call, held);
      case "tree": {
        const coding = chooseCoding(call.request.headers.get("accept-encoding"));
        return this.#archive(call, held, coding, {
          ...VARIES,
          ...(coding === "identity" ? {} : { "content-encoding": coding }),
        });
      }
      case "archive": {
        const { coding, type } = ARCHIVES[route.format];
        if (coding === "zstd" && !hasZstd()) return say(404, "This runtime has no zstd");
        return this.#archive(call, held, coding, { "content-type": type });
      }
    }
  }

  /** A download answers for its manifest and its pieces; all else takes a complete implementation. */
  #find(route: Exclude<Route, { kind: "bad" | "availability" }>): Held | undefined {
    switch (route.kind) {
      case "manifest":
      case "pieces":
      case "any-piece":
        return this.#holdings.findAny(route.digest);
      case "archive":
        for (const digest of route.digests) {
          const held = this.#holdings.find(digest);
          if (held !== undefined) return held;
        }
        return undefined;
      default:
        return this.#holdings.find(route.digest);
    }
  }

  /** What a download left is for its fetch to judge. */
  #suspend(held: Held, error: DamagedImplementation): void {
    this.#pieces.forget(held);
    if (held.piecesHere === undefined) {
      this.#holdings.suspend(held.digest, held.path, error.message);
    }
  }

  #manifest(call: Call, held: Held): Response {
    const { manifestBytes } = held;
    const headers = headersFor(held, "text/plain; charset=utf-8");
    headers.set("vary", VARIES.vary);
    const coding = chooseCoding(call.request.headers.get("accept-encoding"));
    if (coding !== "zstd" || manifestBytes.length < WORTH_COMPRESSING) {
      return this.#sender.sendBytes(call, manifestBytes, headers);
    }
    headers.set("content-encoding", coding);
    weakenEtag(headers);
    return this.#sender.sendMade(call, this.#frames.sourceOf(manifestBytes), headers);
  }

  #content(call: Call, held: Held): Response {
    const { size } = held.stream;
    const headers = headersFor(held, "application/octet-stream");
    headers.set("accept-ranges", "bytes");
    // A range of another version would be spliced into this one: then the whole is right.
    const condition = call.request.headers.get("if-range");
    const asked = condition === null || condition === etagOf(held)
      ? parseRange(call.request.headers.get("range"), size)
      : undefined;
    if (asked === "unsatisfiable") {
      return say(416, "There is no such range", { "content-range": formatUnsatisfiedRange(size) });
    }
    const { start, end } = asked ?? { start: 0, end: size };
    if (asked !== undefined) headers.set("content-range", formatContentRange(start, end, size));
    headers.set("content-length", String(end - start));
    return this.#sender.send(call, held, {
      status: asked === undefined ? 200 : 206,
      headers,
      open: () => new ContentReader(held, start, end, { known: this.#known }),
    });
  }

  #pieceDigests(call: Call, held: Held): Response {
    if (call.request.method !== "HEAD" && !this.#digests.hasRoomFor(held)) {
      return busy("Too many piece digests are being computed");
    }
    return this.#sender.send(call, held, {
      status: 200,
      headers: headersFor(held, "application/octet-stream", this.#digests.sizeFor(held)),
      open: () => this.#digests.sourceOf(held),
    });
  }

  /** @throws DamagedImplementation */
  #archive(
    call: Call,
    held: Held,
    coding: Coding,
    extra: Readonly<Record<string, string>>,
  ): Response {
    const headers = headersFor(held, "application/x-tar");
    for (const [name, value] of Object.entries(extra)) headers.set(name, value);
    if (coding !== "identity") weakenEtag(headers);
    // Not for an answer that finds no place: it may take a look at every entry.
    const tellSize = (headers: Headers) => {
      if (coding === "identity") headers.set("content-length", String(archiveSize(held)));
    };
    if (call.request.method === "HEAD") tellSize(headers);
    const open = (headers: Headers) => {
      tellSize(headers);
      return new ArchiveSource(held, coding);
    };
    return this.#sender.send(call, held, { status: 200, headers, open });
  }
}
