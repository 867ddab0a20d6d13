import { spanRequest } from "./schedule_spans.ts";
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
    const situation = this.#situation;
    const swarm = [...situation.peers.values()].some(({ has }) => has !== undefined);
    // A span asked by each of many before they knew of each other: the same bytes for all.
    if (swarm) for (const flight of situation.flights.values()) situation.cut(flight, 0);
    const asks: Ask[] = [];
    for (;;) {
      const choice = swarm ? swarmRequest(situation) : spanRequest(situation);
      if (choice === undefined) return asks;
      asks.push(situation.open(choice));
    }
  }
}
