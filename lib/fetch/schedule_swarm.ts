/**
 * What to ask while somebody else is getting the same: one piece at a time from each of many
 * peers, the rarest first, so that there is always something to exchange.
 */
import type { Peer, Request, Situation } from "./schedule_state.ts";

/**
 * The next request and the peer to ask; undefined when there is none to make now.
 *
 * Partial peers come before seeds, for what they have. A seed is asked for any of what is
 * lacking, because only it knows what it has sent least, but not by more asks than there are
 * pieces to pick. When everything lacking is in flight, idle peers are asked for what is in
 * flight once, the partial ones first.
 */
export function swarmRequest(situation: Situation): { peer: Peer; request: Request } | undefined {
  if (situation.full) return undefined;
  const partial = shuffled(situation.idle("partial"), situation.random);
  const seeds = shuffled(situation.idle("seeds"), situation.random);
  for (const peer of partial) {
    const piece = rarest(situation, (piece) => peer.has![piece] === 1 && situation.isFree(piece));
    if (piece !== undefined) return { peer, request: { kind: "piece", piece } };
  }
  const [seed] = seeds;
  const lacks = situation.here.map((_, piece) => situation.isFree(piece) ? 1 : 0);
  const free = lacks.reduce((sum, flag) => sum + flag, 0);
  let unpicked = 0;
  for (const { owes } of situation.flights.values()) if (owes === undefined) unpicked++;
  if (free > unpicked) {
    return seed === undefined ? undefined : { peer: seed, request: { kind: "any", lacks } };
  }
  for (const peer of [...partial, ...seeds]) {
    const piece = rarest(
      situation,
      (piece) => peer.has?.[piece] !== 0 && situation.flightsOf[piece] === 1,
    );
    if (piece !== undefined) return { peer, request: { kind: "piece", piece } };
  }
  return undefined;
}

/** The piece that the fewest partial peers have, among those that pass; at random among equals. */
function rarest(situation: Situation, passes: (piece: number) => boolean): number | undefined {
  let best: number | undefined;
  let fewest = Infinity;
  let equals = 0;
  for (let piece = 0; piece < situation.pieces; piece++) {
    const count = situation.holders[piece]!;
    if (count > fewest || !passes(piece)) continue;
    equals = count < fewest ? 1 : equals + 1;
    fewest = count;
    if (situation.random() * equals < 1) best = piece;
  }
  return best;
}

/** In an order of chance, so that machines that know the same peers do not all begin with one. */
function shuffled(peers: Peer[], random: () => number): Peer[] {
  for (let last = peers.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [peers[last], peers[other]] = [peers[other]!, peers[last]!];
  }
  return peers;
}
