/**
 * What to ask while somebody else is getting the same: one piece at a time from each of many
 * peers, the rarest first, so that there is always something to exchange, and from the beginning to
 * the end as far as that allows: a large file is hashed while it comes up to the first hole in it, and
 * all that is behind that at the end would be read back and hashed when everything is here.
 */
import type { Choice, Peer, Situation } from "./state.ts";

/** What lacks within so many pieces of the first that does is asked for before all else: a hole. */
const NEAR = 32;

/**
 * From how many of the pieces that lack seeds are to choose: those that ask at the same time are to get
 * different ones, and so are those that ask seeds which do not know of each other.
 */
const CHOICE = { eachSeed: 16, eachPartial: 2 };

/** Who brings fewer bytes a second brings little: about what `TRICKLE` says of others' way. */
const CRAWLING = 100_000;

/**
 * The next request and the peer to ask; undefined when there is none to make now.
 *
 * Everybody waits for what no partial peer is known to have, so a seed is asked for that first;
 * then partial peers for what they have, and a seed for that only when they are all busy. When
 * everything lacking is in flight, idle peers are asked for what is in flight once.
 */
export function swarmRequest(situation: Situation): Choice | undefined {
  if (situation.full) return undefined;
  const partial = crawlersLast(shuffled(situation.idle("partial"), situation.random));
  const seeds = crawlersLast(shuffled(situation.idle("seeds"), situation.random));
  const free: number[] = [];
  for (let piece = 0; piece < situation.pieces; piece++) {
    if (situation.isFree(piece)) free.push(piece);
  }
  const fresh = free.filter((piece) => situation.holders[piece] === 0);
  return fromSeed(situation, seeds, fresh) ??
    fromPeer(situation, partial, free) ??
    fromSeed(situation, seeds, free) ??
    again(situation, [...partial, ...seeds], free);
}

/**
 * Any of the first of the pieces, for only the seed knows what it has sent least. There are never more
 * such asks in flight than pieces to pick.
 */
function fromSeed(situation: Situation, seeds: Peer[], pieces: number[]): Choice | undefined {
  const [peer] = seeds;
  const picking = unpicked(situation);
  if (peer === undefined || pieces.length <= picking) return undefined;
  let choice = picking;
  for (const { has } of situation.peers.values()) {
    choice += has === undefined ? CHOICE.eachSeed : CHOICE.eachPartial;
  }
  const lacks = new Uint8Array(situation.pieces);
  for (const piece of pieces.slice(0, choice)) lacks[piece] = 1;
  return { peer, request: { kind: "any", lacks } };
}

function fromPeer(situation: Situation, peers: Peer[], pieces: number[]): Choice | undefined {
  const near = situation.here.indexOf(0) + NEAR;
  for (const peer of peers) {
    const its = pieces.filter((piece) => peer.has?.[piece] !== 0);
    const piece = rarest(situation, its.filter((piece) => piece < near)) ?? rarest(situation, its);
    if (piece !== undefined) return { peer, request: { kind: "piece", piece } };
  }
  return undefined;
}

function again(situation: Situation, peers: Peer[], free: number[]): Choice | undefined {
  if (free.length > unpicked(situation)) return undefined;
  const once = [...situation.flightsOf.keys()].filter((piece) => situation.flightsOf[piece] === 1);
  return fromPeer(situation, peers, once);
}

/** How many asks are in flight for which a seed has not said yet what it sends. */
function unpicked(situation: Situation): number {
  let count = 0;
  for (const { owes } of situation.flights.values()) if (owes === undefined) count++;
  return count;
}

/** The piece that the fewest partial peers have; at random among equals. */
function rarest(situation: Situation, pieces: readonly number[]): number | undefined {
  let best: number | undefined;
  let fewest = Infinity;
  let equals = 0;
  for (const piece of pieces) {
    const count = situation.holders[piece]!;
    if (count > fewest) continue;
    equals = count < fewest ? 1 : equals + 1;
    fewest = count;
    if (situation.random() * equals < 1) best = piece;
  }
  return best;
}

/** Who brings little is not to take the place of somebody else. */
function crawlersLast(peers: Peer[]): Peer[] {
  const crawls = ({ rate = Infinity }: Peer) => rate < CRAWLING ? 1 : 0;
  return peers.sort((a, b) => crawls(a) - crawls(b));
}

/** In an order of chance, so that machines that know the same peers do not all begin with one. */
function shuffled(peers: Peer[], random: () => number): Peer[] {
  for (let last = peers.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [peers[last], peers[other]] = [peers[other]!, peers[last]!];
  }
  return peers;
}
