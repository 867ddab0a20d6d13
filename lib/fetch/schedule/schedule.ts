import { firstRequest } from "./first.ts";
import { spanRequest } from "./spans.ts";
import { type Ask, type Peer, type ScheduleOptions, Situation } from "./state.ts";
import { swarmRequest } from "./swarm.ts";

export type { Ask } from "./state.ts";

/** How many times as fast as somebody who is to make way: what was measured once is uncertain. */
export const CLEARLY_FASTER = 2;

/**
 * Decides what to ask of which peer: what happened goes in, requests come out. It knows no
 * sockets and no time. Call `next()` after every event; a peer has at most one ask in flight, and
 * there are at most 14 in all.
 *
 * Of what is new, and not small, a piece of its choice is asked of each seed first: machines that
 * start at once get to know each other meanwhile, and have something to exchange. While all known
 * peers are complete, each is then asked for spans of half a second, later of two if it is the only
 * one, and the last ones are divided between those that are done and those that are late. As soon as
 * a partial peer is known, spans end after the piece that they are at, and everything is asked piece
 * by piece.
 *
 * Two things are left to the caller because they need a clock: an ask that brings too little must
 * be ended (`over`, and `pause` or `leave`), and a peer that fails must not be asked again at once
 * (`pause`), for it is asked the same in the next moment.
 *
 * Measured in `tests/fetch/schedule/simulation.ts`, one seed and 4, 8 and 15 machines that start at once,
 * links of 100 Mbit/s, 384 pieces, knowledge up to 0.3 s old: 1.06, 1.06 and 1.08 × the fluid
 * bound, and as many copies from the seed, for its link never rests. What decides that:
 * - Spans that many began before they knew of each other are the same bytes for all. Letting them
 *   end takes 1.10 × for 4 machines; for 15 it makes no difference, since each begins with a piece
 *   of the seed's choice and knows the others after it: before, it took 1.68 ×.
 * - 8 asks in flight instead of 14 take 1.18 × for 15 machines; more than there are peers give
 *   nothing.
 * - With more partial peers than asks allowed the seed must come first while it alone has
 *   something: 30 machines take 1.58 × otherwise, 1.21 × so.
 * - What is behind the first hole when 97 % is here is 88 to 97 % of it, if the rarest of all is asked
 *   for and seeds choose from all; so, it is 7 to 25 %, in no more time.
 * - Asking twice for what is late costs under 1 % of the bytes and wins nothing as long as
 *   nobody dies; it is there for when somebody does.
 */
export class Schedule {
  readonly #situation: Situation;

  constructor(options: ScheduleOptions) {
    this.#situation = new Situation(options);
  }

  /** Whether every piece has arrived. */
  get done(): boolean {
    return this.#situation.done;
  }

  /**
   * A peer becomes known. A partial one has nothing until `offer`. For one that is known already
   * this is `complete` or means nothing: what is known of it stays.
   */
  join(peer: string, complete: boolean): void {
    const known = this.#situation.peers.get(peer);
    if (known !== undefined) {
      if (complete) this.complete(peer);
      return;
    }
    const joined: Peer = {
      name: peer,
      has: undefined,
      paused: false,
      answers: 0,
      hasChosen: false,
      rate: undefined,
      flight: undefined,
    };
    this.#situation.peers.set(peer, joined);
    if (!complete) this.#situation.setHoldings(joined, new Uint8Array(this.#situation.pieces));
  }

  /**
   * What a partial peer has now, 1 or 0 for each piece, in place of what was known. Says nothing
   * new of a complete peer.
   */
  offer(peer: string, has: Uint8Array): void {
    const known = this.#situation.peers.get(peer);
    if (known?.has === undefined) return;
    const flags = new Uint8Array(this.#situation.pieces);
    this.#situation.setHoldings(known, flags.map((_, piece) => has[piece] ? 1 : 0));
  }

  /** A partial peer has everything now. */
  complete(peer: string): void {
    const known = this.#situation.peers.get(peer);
    if (known !== undefined) this.#situation.setHoldings(known, undefined);
  }

  /** Asks nothing more of a peer until `resume`; what is in flight stays. */
  pause(peer: string): void {
    const known = this.#situation.peers.get(peer);
    if (known !== undefined) known.paused = true;
  }

  resume(peer: string): void {
    const known = this.#situation.peers.get(peer);
    if (known !== undefined) known.paused = false;
  }

  /** A peer is gone: its ask is void, and what that owed may be asked of others. */
  leave(peer: string): void {
    const known = this.#situation.peers.get(peer);
    if (known === undefined) return;
    if (known.flight !== undefined) this.#situation.close(known.flight);
    this.#situation.setHoldings(known, undefined);
    this.#situation.peers.delete(peer);
  }

  /** All bytes of a piece are here, whoever sent them; also what was there from the beginning. */
  arrived(piece: number): void {
    this.#situation.arrived(piece);
  }

  /** A piece that had arrived was wrong: it is needed again. */
  missing(piece: number): void {
    this.#situation.missing(piece);
  }

  /**
   * The seed says which piece answers an ask of kind "any". If it is of no use, or none that it
   * could choose, `useless` says so from then on.
   */
  chosen(id: number, piece: number): void {
    const flight = this.#situation.flights.get(id);
    if (flight?.ask.kind !== "any" || flight.owes !== undefined) return;
    this.#situation.owe(flight, flight.ask.lacks[piece] === 1 ? [piece] : []);
  }

  /**
   * An ask ended, well or not: what it still owed may be asked again. Of one that is void or over
   * already this means nothing.
   *
   * @param result what came, from the request to the end; measures the peer's rate
   */
  over(id: number, result?: { bytes: number; seconds: number }): void {
    const flight = this.#situation.flights.get(id);
    if (flight === undefined) return;
    this.#situation.close(flight);
    if (result === undefined || !(result.seconds > 0)) return;
    const { peer } = flight;
    if (result.bytes > 0) peer.answers++;
    const measured = Math.max(1, result.bytes / result.seconds);
    peer.rate = peer.rate === undefined ? measured : (peer.rate + measured) / 2;
  }

  /**
   * Whether nothing that an ask still has to bring is lacking, or nothing is left to it because
   * another peer took over the rest: then abort it and call `over`. True as well of one that has
   * just brought its last piece by itself and is about to be over anyway.
   */
  useless(id: number): boolean {
    const flight = this.#situation.flights.get(id);
    if (flight === undefined) return true;
    if (flight.owes !== undefined) return flight.owes.size === 0;
    const { ask } = flight;
    const { here } = this.#situation;
    return ask.kind !== "any" || ask.lacks.every((flag, piece) => flag === 0 || here[piece] === 1);
  }

  /** Whether a peer is asked for nothing although it could be: what it gets is waited for. */
  isIdle(peer: string): boolean {
    const { done, full, peers } = this.#situation;
    const known = peers.get(peer);
    return !done && !full && known !== undefined && !known.paused && known.flight === undefined;
  }

  /**
   * Whether somebody is idle who has something of what this peer keeps others from: what it was asked
   * for, and all else where there is no place for another ask. And who was clearly faster, or of whom
   * that is not known.
   *
   * @param rate what this one brings, in bytes per second
   */
  isInTheWay(peer: string, rate: number): boolean {
    const situation = this.#situation;
    const flight = situation.peers.get(peer)?.flight;
    if (flight === undefined) return false;
    const kept = situation.full ? situation.here.keys() : flight.owes ?? [];
    const lacking = [...kept].filter((piece) => situation.here[piece] === 0);
    return [...situation.idle("seeds"), ...situation.idle("partial")].some((other) =>
      (other.rate ?? Infinity) > CLEARLY_FASTER * rate &&
      lacking.some((piece) => other.has === undefined || other.has[piece] === 1)
    );
  }

  /** What to ask now. These asks are in flight from here on; without an event there are no more. */
  next(): Ask[] {
    const situation = this.#situation;
    const swarm = [...situation.peers.values()].some(({ has }) => has !== undefined);
    // A span asked by each of many before they knew of each other: the same bytes for all.
    if (swarm) { for (const flight of situation.flights.values()) situation.cut(flight, 0); }
    const asks: Ask[] = [];
    for (;;) {
      const choice = swarm
        ? swarmRequest(situation)
        : firstRequest(situation) ?? spanRequest(situation);
      if (choice === undefined) return asks;
      asks.push(situation.open(choice));
    }
  }
}
