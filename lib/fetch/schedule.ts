import { spanFor } from "./schedule_spans.ts";
import { type Ask, type Peer, Situation } from "./schedule_state.ts";
import { swarmRequest } from "./schedule_swarm.ts";

export type { Ask } from "./schedule_state.ts";

/**
 * Decides what to ask of which peer. DOC
 */
export class Schedule {
  readonly #situation: Situation;

  constructor(options: { pieces: number; pieceSize: number; random: () => number }) {
    this.#situation = new Situation(options);
  }

  /** Whether every piece has arrived. */
  get done(): boolean {
    return this.#situation.done;
  }

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
      rate: undefined,
      continues: -1,
      flight: undefined,
    };
    this.#situation.peers.set(peer, joined);
    if (!complete) this.#situation.setHoldings(joined, new Uint8Array(this.#situation.pieces));
  }

  offer(peer: string, has: Uint8Array): void {
    const known = this.#situation.peers.get(peer);
    if (known?.has === undefined) return;
    const flags = new Uint8Array(this.#situation.pieces);
    this.#situation.setHoldings(known, flags.map((_, piece) => has[piece] ? 1 : 0));
  }

  complete(peer: string): void {
    const known = this.#situation.peers.get(peer);
    if (known !== undefined) this.#situation.setHoldings(known, undefined);
  }

  pause(peer: string): void {
    const known = this.#situation.peers.get(peer);
    if (known !== undefined) known.paused = true;
  }

  resume(peer: string): void {
    const known = this.#situation.peers.get(peer);
    if (known !== undefined) known.paused = false;
  }

  leave(peer: string): void {
    const known = this.#situation.peers.get(peer);
    if (known === undefined) return;
    if (known.flight !== undefined) this.#situation.close(known.flight);
    this.#situation.setHoldings(known, undefined);
    this.#situation.peers.delete(peer);
  }

  arrived(piece: number): void {
    this.#situation.arrived(piece);
  }

  missing(piece: number): void {
    this.#situation.missing(piece);
  }

  chosen(id: number, piece: number): void {
    const flight = this.#situation.flights.get(id);
    if (flight?.ask.kind !== "any" || flight.owes !== undefined) return;
    this.#situation.owe(flight, flight.ask.lacks[piece] === 1 ? [piece] : []);
  }

  over(id: number, result?: { bytes: number; seconds: number }): void {
    const flight = this.#situation.flights.get(id);
    if (flight === undefined) return;
    this.#situation.close(flight);
    if (result === undefined || !(result.seconds > 0)) return;
    const { peer } = flight;
    const measured = Math.max(1, result.bytes / result.seconds);
    peer.rate = peer.rate === undefined ? measured : (peer.rate + measured) / 2;
  }

  useless(id: number): boolean {
    const flight = this.#situation.flights.get(id);
    if (flight === undefined) return true;
    if (flight.owes !== undefined) return flight.owes.size === 0;
    const { ask } = flight;
    const { here } = this.#situation;
    return ask.kind !== "any" || ask.lacks.every((flag, piece) => flag === 0 || here[piece] === 1);
  }

  next(): Ask[] {
    const asks: Ask[] = [];
    for (;;) {
      const ask = this.#swarm ? this.#swarmAsk() : this.#spanAsk();
      if (ask === undefined) return asks;
      asks.push(ask);
    }
  }

  get #swarm(): boolean {
    for (const { has } of this.#situation.peers.values()) if (has !== undefined) return true;
    return false;
  }

  #swarmAsk(): Ask | undefined {
    const chosen = swarmRequest(this.#situation);
    return chosen && this.#situation.open(chosen.peer, chosen.request);
  }

  #spanAsk(): Ask | undefined {
    if (this.#situation.full || this.done) return undefined;
    const byRate = ({ rate = Infinity }: Peer, { rate: other = Infinity }: Peer) =>
      rate === other ? 0 : other - rate;
    for (const peer of this.#situation.idle("seeds").sort(byRate)) {
      const request = spanFor(this.#situation, peer);
      if (request !== undefined) return this.#situation.open(peer, request);
    }
    return undefined;
  }
}
