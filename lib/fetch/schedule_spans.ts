/**
 * What to ask of complete peers while there are only such: spans of consecutive pieces, long
 * enough that a request costs nothing beside its bytes, short enough that one that is lost or
 * late is no great loss.
 */
import type { Peer, Request, Situation } from "./schedule_state.ts";

/** How much of a peer's time a span takes, in seconds. */
const SPAN_SECONDS = 0.5;

/** A span, in bytes: under 1 MiB the wait for the next answer would show. */
const MIN_SPAN = 1024 ** 2;

/** Above 256 MiB nothing is gained, and a rate that was measured wrong does no harm. */
const MAX_SPAN = 256 * 1024 ** 2;

/** The first span of a peer whose rate nobody knows, in bytes. */
const FIRST_SPAN = 4 * 1024 ** 2;

/** A span is taken over when that ends within this part of the time that it would take. */
const CLEARLY_EARLIER = 0.75;

/** Consecutive pieces that nobody was asked for. */
interface Run {
  readonly first: number;
  readonly end: number;
}

/** The span to ask of an idle complete peer; undefined when nothing would be won. */
export function spanFor(situation: Situation, peer: Peer): Request | undefined {
  return freshSpan(situation, peer) ?? takenOver(situation, peer);
}

/**
 * From pieces that nobody was asked for: where the peer's last span ended, so that both disks go
 * on in order, else from the longest run. Where another peer would go on at that run's
 * beginning it is left the first half.
 */
function freshSpan(situation: Situation, peer: Peer): Request | undefined {
  const { runs, free } = freeRuns(situation);
  if (free === 0) return undefined;
  const length = spanLength(situation, peer, free);
  const own = runs.find(({ first, end }) => first <= peer.continues && peer.continues < end);
  if (own !== undefined) return span(peer.continues, own.end, length);
  const { first, end } = runs.reduce((a, b) => b.end - b.first > a.end - a.first ? b : a);
  let start = first;
  for (const other of situation.peers.values()) {
    if (other !== peer && other.has === undefined && !other.paused && other.continues === first) {
      start = first + ((end - first) >> 1);
    }
  }
  return span(start, end, length);
}

function span(first: number, end: number, length: number): Request {
  return { kind: "span", first, end: Math.min(end, first + length) };
}

function freeRuns(situation: Situation): { runs: Run[]; free: number } {
  const runs: Run[] = [];
  let free = 0;
  for (let piece = 0; piece < situation.pieces; piece++) {
    if (!situation.isFree(piece)) continue;
    const first = piece;
    while (piece < situation.pieces && situation.isFree(piece)) piece++;
    runs.push({ first, end: piece });
    free += piece - first;
  }
  return { runs, free };
}

/** In pieces, at least 1. */
function spanLength(situation: Situation, peer: Peer, free: number): number {
  const { pieceSize, peers } = situation;
  if (peer.rate !== undefined) {
    const bytes = Math.min(Math.max(peer.rate * SPAN_SECONDS, MIN_SPAN), MAX_SPAN);
    return Math.max(1, Math.round(bytes / pieceSize));
  }
  // Of something small the first spans would leave nothing to the last peers.
  let sharers = 0;
  for (const { has, paused } of peers.values()) if (has === undefined && !paused) sharers++;
  return Math.max(1, Math.min(Math.floor(FIRST_SPAN / pieceSize), Math.ceil(free / sharers)));
}

/**
 * The end of what the slowest ask still has to bring, when everything has been asked: as much of
 * it as makes both end together, which is the second half when both are equally fast. The first
 * one goes on, so that nothing depends on the second; whoever is later is aborted.
 */
function takenOver(situation: Situation, peer: Peer): Request | undefined {
  let rest: number[] = [];
  let secondsLeft = 0;
  let rate = 0;
  let victimRate = 0;
  for (const { owes, peer: victim } of situation.flights.values()) {
    const once = [...owes ?? []].filter((piece) => situation.flightsOf[piece] === 1);
    // A peer whose first ask takes longer than this one's did is slower, nobody knows how much.
    const itsRate = victim.rate ?? (peer.rate ?? 1) / 2;
    const seconds = once.length / itsRate;
    if (seconds <= secondsLeft) continue;
    rest = once;
    secondsLeft = seconds;
    victimRate = itsRate;
    rate = peer.rate ?? itsRate;
  }
  if (rest.length === 0) return undefined;
  const share = Math.ceil(rest.length * rate / (rate + victimRate));
  if (share / rate > CLEARLY_EARLIER * secondsLeft) return undefined;
  const end = rest.at(-1)! + 1;
  let first = end;
  for (let index = rest.length - 1; index >= 0 && rest[index] === first - 1; index--) {
    if (end - first === share) break;
    first--;
  }
  return { kind: "span", first, end };
}
