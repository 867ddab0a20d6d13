/** What a peer answers that knows all routes, and what it may do wrong in them. */

import { createHash } from "node:crypto";

import { pieceSize } from "../../../lib/manifest/layout.ts";
import { formatAvailability, pieceCount, PIECES_HEADER } from "../../../lib/wire/availability.ts";
import { decodeBitfield, encodeBitfield } from "../../../lib/wire/bitfield.ts";
import { formatRoute, parseRoute, type Route } from "../../../lib/wire/routes.ts";
import { concatenate, type Implementation, streamOf } from "../../serve/implementations.ts";
import { type Answer, type Answering, content, partial, sized } from "./hostile_peer.ts";

export interface SwarmBehaviour {
  /** The content stream that it sends, in place of the right one. */
  readonly sends?: Uint8Array;
  /** The content stream whose piece digests it gives, in place of the one that it sends. */
  readonly digestsOf?: Uint8Array;
  /** The pieces that it has, 0 or 1 each; everything by default. */
  readonly has?: Uint8Array;
  /** The pieces that it says that it has, in place of the truth. */
  readonly claims?: Uint8Array;
}

/** The answers of a peer that has all of an implementation, or some of its pieces. */
export function swarm(implementation: Implementation, behaviour: SwarmBehaviour = {}): Answering {
  const { digest } = implementation;
  const right = streamOf(implementation);
  const { sends = right, digestsOf = sends, has, claims = has } = behaviour;
  const good = content(implementation);
  const each = pieceSize(right.length);
  const count = pieceCount(right.length);
  const told = claims === undefined ? [] : [`${PIECES_HEADER}: ${encodeBitfield(claims)}`];
  const lacks = { status: 404, headers: ["Content-Length: 0", ...told] };
  const isHere = (piece: number) => piece < count && (has === undefined || has[piece] === 1);
  const digests = concatenate(
    Array.from({ length: count }, (_, piece) => {
      const bytes = digestsOf.slice(piece * each, (piece + 1) * each);
      return createHash("sha256").update(bytes).digest();
    }),
  );
  const pieces = (first: number, last: number): Answer => {
    for (let piece = first; piece <= last; piece++) if (!isHere(piece)) return lacks;
    const path = formatRoute({ kind: "pieces", digest, first, last });
    return sized(
      sends.slice(first * each, (last + 1) * each),
      ...told,
      `Content-Location: ${path}`,
    );
  };
  const answer = (route: Route): Answer | undefined => {
    switch (route.kind) {
      case "availability":
        return sized(
          new TextEncoder().encode(
            formatAvailability({ size: right.length, pieceSize: each, pieces: claims ?? "all" }),
          ),
        );
      case "piece-digests":
        return has === undefined ? sized(digests) : undefined;
      case "pieces":
        return pieces(route.first, route.last);
      case "any-piece": {
        const wanted = decodeBitfield(route.lacks, count) ?? new Uint8Array(count);
        const piece = wanted.findIndex((flag, piece) => flag === 1 && isHere(piece));
        return piece < 0 ? lacks : pieces(piece, piece);
      }
    }
    return undefined;
  };
  return (asked) => {
    const [path, query] = asked.path.split("?");
    const route = parseRoute(path!, query);
    if (route?.kind === "content" && route.digest === digest) {
      if (has !== undefined) return undefined;
      const { start, end } = asked.range ?? { start: 0, end: right.length };
      return partial(sends.slice(start, end), start, right.length);
    }
    if (route !== undefined && "digest" in route && route.digest === digest) {
      return answer(route) ?? good(asked);
    }
    return undefined;
  };
}

/** The same bytes but for one bit at each of these places. */
export function flipped(
  stream: Uint8Array<ArrayBuffer>,
  ...places: number[]
): Uint8Array<ArrayBuffer> {
  const other = stream.slice();
  for (const place of places) other[place]! ^= 1;
  return other;
}

/** Answers the content slowly until it may go on: some of it, and then a bit now and then. */
export function pausing(answering: Answering, going: Promise<void>): Answering {
  return (asked) => {
    const answer = answering(asked);
    if (!asked.path.endsWith("/content") || !(answer?.body instanceof Uint8Array)) return answer;
    return { ...answer, body: slowly(answer.body, going) };
  };
}

async function* slowly(body: Uint8Array, going: Promise<void>): AsyncGenerator<Uint8Array> {
  let at = Math.min(body.length, 3_800_000);
  yield body.subarray(0, at);
  let over = false;
  void going.then(() => over = true);
  for (; at < body.length && !over; at += 100) {
    yield body.subarray(at, at + 100);
    const tick = Promise.withResolvers<void>();
    const timer = setTimeout(tick.resolve, 500);
    await Promise.race([going, tick.promise]);
    clearTimeout(timer);
  }
  if (at < body.length) yield body.subarray(at);
}
