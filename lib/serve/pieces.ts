import { pieceCount, PIECES_HEADER } from "../wire/availability.ts";
import { decodeBitfield, encodeBitfield } from "../wire/bitfield.ts";
import { formatRoute, type Route } from "../wire/routes.ts";
import { chooseCoding } from "./archive.ts";
import type { Source } from "./body.ts";
import { CompressedPieces } from "./compressed_pieces.ts";
import type { Held } from "./held.ts";
import type { Holdings } from "./holdings.ts";
import type { KnownFiles } from "./known_files.ts";
import { PieceCounts } from "./piece_counts.ts";
import { PieceReader } from "./piece_reader.ts";
import { headersFor, notHere, say, unchanged, VARIES, weakenEtag } from "./responses.ts";
import type { Call, Sender } from "./sender.ts";

/** Sends pieces: those that are asked for, or one of the server's choice. */
export class PieceAnswers {
  readonly #holdings: Holdings;
  readonly #sender: Sender;
  readonly #known: KnownFiles;
  readonly #counts = new PieceCounts();
  readonly #compressed: CompressedPieces;

  constructor(
    holdings: Holdings,
    sender: Sender,
    known: KnownFiles,
    compressed: CompressedPieces = new CompressedPieces(),
  ) {
    this.#compressed = compressed;
    this.#holdings = holdings;
    this.#sender = sender;
    this.#known = known;
  }

  /** Pieces that the client names. @throws DamagedImplementation */
  run(call: Call, held: Held, route: Route & { kind: "pieces" }): Response {
    const here = piecesOf(held);
    if (here === undefined) return notHere();
    for (let piece = route.first; piece <= route.last; piece++) {
      if (here[piece] !== 1) return say(404, `Piece ${piece} is not here`, tell(held, here));
    }
    const known = unchanged(call.request, held, { ...VARIES, ...tell(held, here) });
    return known ?? this.#send(call, held, here, route);
  }

  /** The piece that was sent least of those that the client lacks. @throws DamagedImplementation */
  any(call: Call, held: Held, route: Route & { kind: "any-piece" }): Response {
    const here = piecesOf(held);
    if (here === undefined) return notHere();
    const lacks = decodeBitfield(route.lacks, here.length);
    if (lacks === undefined) return say(400, `A bitfield of ${here.length} pieces was expected`);
    const candidates = here.map((flag, piece) => flag & lacks[piece]!);
    const piece = this.#counts.choose(held.digest, candidates);
    if (piece === undefined) {
      return say(404, "Nothing that you lack is here", {
        "cache-control": "no-store",
        ...tell(held, here),
      });
    }
    const chosen = { kind: "pieces", digest: held.digest, first: piece, last: piece } as const;
    return this.#send(call, held, here, chosen, {
      "content-location": formatRoute(chosen),
      // The next time it is another one.
      "cache-control": "no-store, no-transform",
    });
  }

  /** Forgets what was kept of an implementation that turned out to be damaged. */
  forget({ digest }: Held): void {
    this.#compressed.forget(digest);
  }

  #send(
    call: Call,
    held: Held,
    here: Uint8Array,
    { first, last }: { readonly first: number; readonly last: number },
    extra: Readonly<Record<string, string>> = {},
  ): Response {
    const headers = headersFor(held, "application/octet-stream");
    for (const [name, value] of Object.entries({ ...VARIES, ...tell(held, here), ...extra })) {
      headers.set(name, value);
    }
    const reader = new PieceReader(held, first, last, {
      known: this.#known,
      again: () => this.#holdings.find(held.digest),
    });
    const acceptsZstd = chooseCoding(call.request.headers.get("accept-encoding")) === "zstd";
    if (!acceptsZstd) headers.set("content-length", String(reader.left));
    const count = (by: 1 | -1) => this.#counts.add(held.digest, here.length, first, last, by);
    return this.#sender.send(call, held, {
      status: 200,
      headers,
      open: (headers) => {
        const source = this.#open(held, first, last, reader, acceptsZstd, headers);
        count(1);
        return source;
      },
      over: (error) => {
        if (error !== undefined) count(-1);
      },
    });
  }

  #open(
    held: Held,
    first: number,
    last: number,
    reader: PieceReader,
    acceptsZstd: boolean,
    headers: Headers,
  ): Source {
    let source: Source & { readonly size?: number | undefined } | undefined;
    try {
      if (acceptsZstd) source = this.#compressed.sourceOf(held, first, last, reader);
    } catch (error) {
      reader.close();
      throw error;
    }
    if (source === undefined) {
      headers.set("content-length", String(reader.left));
      return reader;
    }
    headers.set("content-encoding", "zstd");
    weakenEtag(headers);
    if (source.size !== undefined) headers.set("content-length", String(source.size));
    return source;
  }
}

/** 0 or 1 a piece; undefined when the download that it is of is over. */
function piecesOf(held: Held): Uint8Array<ArrayBuffer> | undefined {
  return held.piecesHere === undefined
    ? new Uint8Array(pieceCount(held.stream.size)).fill(1)
    : held.piecesHere();
}

function tell(held: Held, here: Uint8Array): Record<string, string> {
  return held.piecesHere === undefined ? {} : { [PIECES_HEADER]: encodeBitfield(here) };
}
