/**
 * What to ask of complete peers while there are only such: spans of consecutive pieces, long
 * enough that a request costs nothing beside its bytes, short enough that one that is lost or
 * late is no great loss.
 */
import type { Choice, Flight, Peer, Situation } from "./state.ts";

/** How much of a peer's time a span takes, in seconds. */
const SPAN_SECONDS = 0.5;

/**
 * The same when nobody else has become known for two answers: who joins all the same gets what is
 * behind it, or takes half of it over.
 */
const SPAN_SECONDS_ALONE = 2;

/** A span, in bytes: under 1 MiB the wait for the next answer would show. */
const MIN_SPAN = 1024 ** 2;

/** Above 256 MiB nothing is gained, and a rate that was measured wrong does no harm. */
const MAX_SPAN = 256 * 1024 ** 2;

/** The first span of a peer whose rate nobody knows, in bytes. */
const FIRST_SPAN = 4 * 1024 ** 2;

/** A span is taken over when that ends within this part of the time that it would take. */
const CLEARLY_EARLIER = 0.75;

/** The next span and the peer to ask; undefined when nothing would be won. The fastest go first. */
export function spanRequest(situation: Situation): Choice | undefined {
  if (situation.full || situation.done) return undefined;
  const peers = situation.idle("seeds").sort((a, b) => comparable(b) - comparable(a));
  for (const peer of peers) {
    const choice = freshSpan(situation, peer) ?? takenOver(situation, peer);
    if (choice !== undefined) return choice;
  }
  return undefined;
}

/** A rate to sort by: those that were never tried come first. */
function comparable({ rate = Number.MAX_VALUE }: Peer): number {
  return rate;
}

/**
 * From pieces that nobody was asked for, the first ones: what comes nearly in order is hashed while it
 * comes, and at the end nothing has to be read back.
 */
function freshSpan(situation: Situation, peer: Peer): Choice | undefined {
  let first: number | undefined;
  let end = 0;
  let free = 0;
  for (let piece = 0; piece < situation.pieces; piece++) {
    if (!situation.isFree(piece)) continue;
    free++;
    first ??= end = piece;
    if (piece === end) end++;
  }
  if (first === undefined) return undefined;
  return span(peer, first, Math.min(end, first + spanLength(situation, peer, free)));
}

function span(peer: Peer, first: number, end: number): Choice {
  return { peer, request: { kind: "span", first, end } };
}

/** In pieces, at least 1. */
function spanLength(situation: Situation, peer: Peer, free: number): number {
  const { pieceSize, peers } = situation;
  if (peer.rate !== undefined) {
    const alone = peers.size === 1 && peer.answers > 1;
    const seconds = alone ? SPAN_SECONDS_ALONE : SPAN_SECONDS;
    const bytes = Math.min(Math.max(peer.rate * seconds, MIN_SPAN), MAX_SPAN);
    return Math.max(1, Math.round(bytes / pieceSize));
  }
  // Of something small the first spans would leave nothing to the last peers.
  let sharers = 0;
  for (const { has, paused } of peers.values()) if (has === undefined && !paused) sharers++;
  return Math.max(1, Math.min(Math.floor(FIRST_SPAN / pieceSize), Math.ceil(free / sharers)));
}

/**
 * The end of what the slowest ask still has to bring, when everything has been asked: as much of
 * it as makes both end together, which is the second half when both are equally fast. A last
 * piece is asked twice by whoever has shown that it can: a rate is what a peer once did.
 */
function takenOver(situation: Situation, peer: Peer): Choice | undefined {
  let slowest: { from: Flight; rest: number[]; rate: number; seconds: number } | undefined;
  for (const from of situation.flights.values()) {
    const rest = [...from.owes ?? []].filter((piece) => situation.flightsOf[piece] === 1);
    // A peer whose first ask takes longer than this one's did is slower, nobody knows how much.
    const rate = from.peer.rate ?? (peer.rate ?? 1) / 2;
    const seconds = rest.length / rate;
    if (seconds > (slowest?.seconds ?? 0)) slowest = { from, rest, rate, seconds };
  }
  if (slowest === undefined) return undefined;
  const { from, rest, seconds } = slowest;
  const rate = peer.rate ?? slowest.rate;
  const share = Math.ceil(rest.length * rate / (rate + slowest.rate));
  const last = rest.length === 1 && peer.rate !== undefined;
  if (!last && share / rate > CLEARLY_EARLIER * seconds) return undefined;
  let index = rest.length - 1;
  while (rest.length - index < share && rest[index - 1] === rest[index]! - 1) index--;
  return { ...span(peer, rest[index]!, rest.at(-1)! + 1), from };
}
