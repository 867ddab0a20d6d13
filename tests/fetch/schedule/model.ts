/**
 * A caller of a schedule that keeps its own books, in the plainest way, and compares after every
 * event: what each ask still owes, what is in flight, what each peer has.
 */
import assert from "node:assert/strict";
import { type Ask, Schedule } from "../../../lib/fetch/schedule/schedule.ts";
import { randomFrom } from "../random.ts";

/** Numbers that pick one of what there is, whatever there is. */
export type Event =
  | { readonly kind: "join"; readonly peer: number; readonly complete: boolean }
  | { readonly kind: "offer"; readonly peer: number; readonly has: number }
  | { readonly kind: "complete" | "pause" | "resume" | "leave"; readonly peer: number }
  | { readonly kind: "deliver" | "fail" | "abort"; readonly ask: number; readonly rate: number }
  | { readonly kind: "unasked" | "wrong"; readonly piece: number };

interface KnownPeer {
  /** Undefined for a complete one. */
  has: Set<number> | undefined;
  paused: boolean;
}

interface OpenAsk {
  readonly ask: Ask;
  /** Lacking pieces that it will bring, in order; undefined until its seed has picked. */
  owes: number[] | undefined;
}

/** The most asks in flight in all. */
const MOST = 14;

export class Model {
  readonly schedule: Schedule;
  readonly #pieces: number;
  readonly #random: () => number;
  readonly #peers = new Map<string, KnownPeer>();
  readonly #asks = new Map<number, OpenAsk>();
  readonly #lacking: Set<number>;
  #untouched: boolean;
  readonly #ids = new Set<number>();

  constructor(options: { pieces: number; pieceSize: number; seed: number; untouched: boolean }) {
    this.#pieces = options.pieces;
    this.#untouched = options.untouched;
    this.#random = randomFrom(options.seed);
    this.schedule = new Schedule({ ...options, random: this.#random });
    this.#lacking = new Set(Array(options.pieces).keys());
  }

  apply(event: Event): void {
    if ("ask" in event) this.#applyToAsk(event.kind, event.ask, event.rate);
    else if ("piece" in event) this.#applyToPiece(event.kind, event.piece % this.#pieces);
    else this.#applyToPeer(event);
    this.#next();
  }

  /** Brings everything, as peers that do what they are asked would. */
  finish(): void {
    const name = "finisher";
    this.schedule.join(name, true);
    this.#peers.set(name, { has: undefined, paused: false });
    this.#next();
    // An event without an ask in flight would be a download that stands still.
    while (this.#lacking.size > 0) {
      assert.ok(this.#asks.size > 0, "nothing is in flight");
      this.#applyToAsk("deliver", Math.floor(this.#random() * this.#asks.size), 1e6);
      this.#next();
    }
  }

  #applyToPeer(event: Exclude<Event, { ask: number } | { piece: number }>): void {
    const name = `p${event.peer}`;
    const peer = this.#peers.get(name);
    const all = () => new Set(Array(this.#pieces).keys());
    switch (event.kind) {
      case "join":
        this.schedule.join(name, event.complete);
        if (peer === undefined) {
          this.#peers.set(name, { has: event.complete ? undefined : new Set(), paused: false });
        } else if (event.complete) peer.has = undefined;
        break;
      case "offer": {
        const random = randomFrom(event.has);
        const has = new Set([...all()].filter(() => random() < 0.5));
        this.schedule.offer(name, this.#flags(has));
        if (peer?.has !== undefined) peer.has = has;
        break;
      }
      case "complete":
        this.schedule.complete(name);
        if (peer !== undefined) peer.has = undefined;
        break;
      case "leave":
        this.schedule.leave(name);
        this.#peers.delete(name);
        for (const [id, { ask }] of this.#asks) if (ask.peer === name) this.#asks.delete(id);
        break;
      default:
        this.schedule[event.kind](name);
        if (peer !== undefined) peer.paused = event.kind === "pause";
    }
  }

  #applyToPiece(kind: "unasked" | "wrong", piece: number): void {
    if (kind === "unasked") this.#arrived(piece);
    else {
      this.schedule.missing(piece);
      this.#lacking.add(piece);
    }
  }

  #applyToAsk(kind: "deliver" | "fail" | "abort", index: number, rate: number): void {
    const open = [...this.#asks.values()][index % this.#asks.size];
    if (open === undefined) return;
    const { id } = open.ask;
    if (kind === "fail") return this.#over(open);
    if (kind === "abort") {
      if (this.schedule.useless(id)) this.#over(open);
      return;
    }
    if (open.ask.kind === "any" && open.owes === undefined) {
      const { lacks } = open.ask;
      const offered = [...lacks.keys()].filter((piece) => lacks[piece] === 1);
      const piece = offered[Math.floor(this.#random() * offered.length)]!;
      this.schedule.chosen(id, piece);
      const wanted = this.#lacking.has(piece) && this.#inFlight(piece) < 2;
      open.owes = wanted ? [piece] : [];
      return;
    }
    const piece = open.owes![0];
    if (piece !== undefined) this.#arrived(piece);
    if (open.owes!.length === 0) this.#over(open, { bytes: rate, seconds: 1 });
  }

  #arrived(piece: number): void {
    this.schedule.arrived(piece);
    this.#untouched = false;
    this.#lacking.delete(piece);
    for (const open of this.#asks.values()) open.owes = open.owes?.filter((p) => p !== piece);
  }

  #over(open: OpenAsk, result?: { bytes: number; seconds: number }): void {
    this.schedule.over(open.ask.id, result);
    this.#asks.delete(open.ask.id);
  }

  #next(): void {
    const partial = [...this.#peers.values()].some(({ has }) => has !== undefined);
    if (partial) {
      for (const { ask, owes } of this.#asks.values()) if (ask.kind === "span") owes!.splice(1);
    }
    for (const ask of this.schedule.next()) this.#check(ask, partial);
    assert.deepEqual(this.schedule.next(), []);
    this.#checkState();
    this.#checkProgress(partial);
  }

  #check(ask: Ask, partial: boolean): void {
    assert.ok(!this.#ids.has(ask.id));
    this.#ids.add(ask.id);
    const peer = this.#peers.get(ask.peer);
    assert.ok(peer !== undefined && !peer.paused);
    assert.ok([...this.#asks.values()].every((open) => open.ask.peer !== ask.peer));
    let owes: number[] | undefined;
    if (ask.kind === "span") {
      assert.ok(!partial && ask.first < ask.end);
      owes = Array.from({ length: ask.end - ask.first }, (_, index) => ask.first + index);
      // Who asks for what is in flight takes it over: the other one keeps what it is at.
      for (const other of this.#asks.values()) {
        const [at, ...later] = other.owes ?? [];
        if (at === undefined || !owes.some((piece) => other.owes!.includes(piece))) continue;
        other.owes = [at, ...later.filter((piece) => piece < ask.first)];
      }
    } else if (ask.kind === "piece") owes = [ask.piece];
    else {
      assert.ok(peer.has === undefined);
      assert.ok(partial || this.#untouched && this.#pieces >= 32 * this.#peers.size);
      assert.ok(ask.lacks.includes(1));
      for (const [piece, flag] of ask.lacks.entries()) {
        if (flag === 1) assert.ok(this.#lacking.has(piece) && this.#inFlight(piece) === 0);
      }
    }
    for (const piece of owes ?? []) {
      assert.ok(this.#lacking.has(piece));
      assert.ok(peer.has?.has(piece) ?? true);
    }
    this.#asks.set(ask.id, { ask, owes });
    assert.ok(this.#asks.size <= MOST);
  }

  #checkState(): void {
    assert.equal(this.schedule.done, this.#lacking.size === 0);
    for (let piece = 0; piece < this.#pieces; piece++) assert.ok(this.#inFlight(piece) <= 2);
    for (const { ask, owes } of this.#asks.values()) {
      const wanted = owes !== undefined ? owes.length > 0 : ask.kind === "any" &&
        ask.lacks.some((flag, piece) => flag === 1 && this.#lacking.has(piece));
      assert.equal(this.schedule.useless(ask.id), !wanted);
    }
  }

  /** Nobody who could bring what nobody brings may be left idle. */
  #checkProgress(partial: boolean): void {
    if (this.#asks.size >= MOST) return;
    const free = [...this.#lacking].filter((piece) => this.#inFlight(piece) === 0);
    const busy = new Set([...this.#asks.values()].map(({ ask }) => ask.peer));
    const unpicked = [...this.#asks.values()].filter(({ owes }) => owes === undefined).length;
    for (const [name, { has, paused }] of this.#peers) {
      if (paused || busy.has(name)) continue;
      if (has !== undefined) assert.ok(!free.some((piece) => has.has(piece)), `${name} is idle`);
      else if (partial) assert.ok(free.length <= unpicked, `${name} is idle`);
      else assert.deepEqual(free, [], `${name} is idle`);
    }
  }

  #inFlight(piece: number): number {
    return [...this.#asks.values()].filter(({ owes }) => owes?.includes(piece)).length;
  }

  #flags(pieces: ReadonlySet<number>): Uint8Array {
    return Uint8Array.from({ length: this.#pieces }, (_, piece) => pieces.has(piece) ? 1 : 0);
  }
}
