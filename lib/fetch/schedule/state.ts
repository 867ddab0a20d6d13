/** One request to one peer. An id is used once. */
export type Ask =
  | {
    readonly id: number;
    readonly peer: string;
    readonly kind: "span";
    /** Consecutive pieces, of which `end` is the first that is not meant. */
    readonly first: number;
    readonly end: number;
  }
  | { readonly id: number; readonly peer: string; readonly kind: "piece"; readonly piece: number }
  | {
    readonly id: number;
    readonly peer: string;
    readonly kind: "any";
    /** 1 for each piece of which the seed may pick one, else 0. */
    readonly lacks: Uint8Array;
  };

/** An ask without its id and peer, which `Situation.open` adds. */
export type Request =
  | { readonly kind: "span"; readonly first: number; readonly end: number }
  | { readonly kind: "piece"; readonly piece: number }
  | { readonly kind: "any"; readonly lacks: Uint8Array };

/** A peer as the rules see it. */
export interface Peer {
  readonly name: string;
  /** What a partial peer has, 1 or 0 for each piece; undefined when it has everything. */
  has: Uint8Array | undefined;
  paused: boolean;
  /** How many of its asks are over that brought something. */
  answers: number;
  /** Whether it was ever asked for a piece of its choice. */
  hasChosen: boolean;
  /** In bytes per second, at least 1; undefined before its first ask is over. */
  rate: number | undefined;
  flight: Flight | undefined;
}

/** An ask that is not over. */
export interface Flight {
  readonly ask: Ask;
  readonly peer: Peer;
  /** The lacking pieces that it will bring; undefined until a seed has picked. */
  owes: Set<number> | undefined;
}

/** What to ask, and whom. */
export interface Choice {
  readonly peer: Peer;
  readonly request: Request;
  /** The ask from which it takes over: that one then owes only what comes before, at least one. */
  readonly from?: Flight;
}

export interface ScheduleOptions {
  /** How many the implementation has, all of them lacking. */
  readonly pieces: number;
  /** In bytes. */
  readonly pieceSize: number;
  /** Gives numbers in [0, 1). */
  readonly random: () => number;
  /** Whether not even a part of a piece is here. */
  readonly untouched?: boolean;
}

/** The requests that a fetch has in flight in all: measured, see `Schedule`. */
const MAX_FLIGHTS = 14;

/** How many asks may bring the same piece at once: the second is for when the first is late. */
const MAX_FLIGHTS_OF_PIECE = 2;

/**
 * What is known at one moment about pieces, peers and asks, kept consistent. The rules (`first.ts`,
 * `spans.ts`, `swarm.ts`) read it, `Schedule` writes to it.
 */
export class Situation {
  readonly pieceSize: number;
  /** In [0, 1). */
  readonly random: () => number;
  /** 1 for each piece that has arrived. */
  readonly here: Uint8Array;
  /** For each piece, how many asks owe it; 0 for one that is here. */
  readonly flightsOf: Uint8Array;
  /** For each piece, how many partial peers have it. */
  readonly holders: Uint32Array;
  readonly peers: Map<string, Peer> = new Map();
  readonly flights: Map<number, Flight> = new Map();
  #untouched: boolean;
  #lacking: number;
  #nextId = 0;

  constructor(options: ScheduleOptions) {
    const { pieces, pieceSize, random, untouched = false } = options;
    this.pieceSize = pieceSize;
    this.random = random;
    this.here = new Uint8Array(pieces);
    this.flightsOf = new Uint8Array(pieces);
    this.holders = new Uint32Array(pieces);
    this.#untouched = untouched;
    this.#lacking = pieces;
  }

  get pieces(): number {
    return this.here.length;
  }

  /** Whether nothing of any piece was here, and nobody has brought a whole one yet. */
  get untouched(): boolean {
    return this.#untouched;
  }

  get done(): boolean {
    return this.#lacking === 0;
  }

  /** Whether a piece is lacking and no ask is known to bring it. */
  isFree(piece: number): boolean {
    return this.here[piece] === 0 && this.flightsOf[piece] === 0;
  }

  /** The peers that may be asked something, seeds or partial ones. */
  idle(kind: "seeds" | "partial"): Peer[] {
    const found: Peer[] = [];
    for (const peer of this.peers.values()) {
      if (peer.paused || peer.flight !== undefined) continue;
      if ((peer.has === undefined) === (kind === "seeds")) found.push(peer);
    }
    return found;
  }

  get full(): boolean {
    return this.flights.size >= MAX_FLIGHTS;
  }

  /** Puts an ask in flight. The peer must be idle. */
  open({ peer, request, from }: Choice): Ask {
    if (from !== undefined && request.kind === "span") this.cut(from, request.first);
    const ask: Ask = { id: this.#nextId++, peer: peer.name, ...request };
    const flight: Flight = { ask, peer, owes: undefined };
    this.flights.set(ask.id, flight);
    peer.flight = flight;
    if (ask.kind === "any") peer.hasChosen = true;
    if (ask.kind === "span") {
      const pieces = Array.from({ length: ask.end - ask.first }, (_, index) => ask.first + index);
      this.owe(flight, pieces);
    } else if (ask.kind === "piece") {
      this.owe(flight, [ask.piece]);
    }
    return ask;
  }

  /** Settles which pieces an ask will bring; those that it need not are left out. */
  owe(flight: Flight, pieces: readonly number[]): void {
    flight.owes = new Set();
    for (const piece of pieces) {
      if (this.here[piece] !== 0 || this.flightsOf[piece]! >= MAX_FLIGHTS_OF_PIECE) continue;
      flight.owes.add(piece);
      this.flightsOf[piece]! += 1;
    }
  }

  /** Lets an ask owe only what comes before a piece, and the piece that it is at in any case. */
  cut(flight: Flight, end: number): void {
    const [, ...later] = flight.owes ?? [];
    for (const piece of later) {
      if (piece < end) continue;
      flight.owes!.delete(piece);
      this.flightsOf[piece]! -= 1;
    }
  }

  /** Takes an ask out of flight: what it still owed may be asked of others. */
  close(flight: Flight): void {
    for (const piece of flight.owes ?? []) this.flightsOf[piece]! -= 1;
    this.flights.delete(flight.ask.id);
    flight.peer.flight = undefined;
  }

  arrived(piece: number): void {
    if (this.here[piece] !== 0) return;
    this.here[piece] = 1;
    this.#untouched = false;
    this.#lacking--;
    for (const flight of this.flights.values()) flight.owes?.delete(piece);
    this.flightsOf[piece] = 0;
  }

  missing(piece: number): void {
    if (this.here[piece] === 0) return;
    this.here[piece] = 0;
    this.#lacking++;
  }

  /** Sets what a peer has: a piece each, or undefined for everything. */
  setHoldings(peer: Peer, has: Uint8Array | undefined): void {
    this.#count(peer.has, -1);
    peer.has = has;
    this.#count(has, 1);
  }

  #count(has: Uint8Array | undefined, by: 1 | -1): void {
    if (has === undefined) return;
    for (let piece = 0; piece < this.pieces; piece++) this.holders[piece]! += by * has[piece]!;
  }
}
