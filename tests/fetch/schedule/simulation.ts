/**
 * Machines that fetch one implementation from each other over a network that exists only in
 * numbers: every one has a real `Schedule`, links have a rate, knowledge of others is stale, and
 * time passes from event to event. A transfer gets the smaller of an equal share of the sender's
 * link and an equal share of the receiver's, which is a little less than a real network gives.
 */
import assert from "node:assert/strict";
import { type Ask, Schedule } from "../../../lib/fetch/schedule/schedule.ts";
import { Agenda } from "./agenda.ts";

export interface Machine {
  /** Whether it has everything from the beginning. */
  readonly complete: boolean;
  /** Of its link, in bytes per second, each way. */
  readonly rate: number;
  /** When it starts, in seconds. */
  readonly joins?: number;
  /** When it stops to answer; the others notice half a second later. */
  readonly dies?: number;
  /** Whether it goes away as soon as it has everything, which the others notice at once. */
  readonly leaves?: boolean;
}

export interface Outcome {
  /** When the last machine that lives had everything; Infinity when one never had. */
  readonly makespan: number;
  /** What left each machine, in bytes, with what was of no use. */
  readonly sent: readonly number[];
  /** What was transferred although it was there already, or in vain, in bytes. */
  readonly wasted: number;
  readonly asks: number;
  /**
   * How much of the content was behind the first hole in it when 97 % was here: the part of it, for each
   * machine that came that far.
   */
  readonly behindHoles: readonly number[];
  /** The most asks that one machine had in flight. */
  readonly mostInFlight: number;
}

interface Transfer {
  readonly ask: Ask;
  readonly from: Node;
  readonly to: Node;
  /** Pieces that are still to be sent, the first of them under way. */
  readonly queue: number[];
  /** Of the piece under way, in bytes. */
  left: number;
  bytes: number;
  readonly began: number;
  rate: number;
  stalled: boolean;
}

interface Node {
  readonly index: number;
  readonly name: string;
  readonly link: number;
  readonly leaves: boolean;
  readonly has: Uint8Array;
  /** How often it has sent each piece: what a seed picks by. Spans that are broken off do not count. */
  readonly picked: Uint32Array;
  readonly schedule: Schedule | undefined;
  readonly inFlight: Set<Transfer | Ask>;
  readonly telling: Set<number>;
  lacking: number;
  joined: boolean;
  dead: boolean;
  finished: number;
  sent: number;
  up: number;
  down: number;
}

/** From the moment of an ask to the first byte of the answer, in seconds. */
const LATENCY = 0.002;

/** How old knowledge of what another machine has may be, in seconds. */
const STALE: readonly [number, number] = [0.05, 0.3];

/** How long nobody notices that a machine is gone, in seconds. */
const UNNOTICED = 0.5;

/** Lets machines fetch until all that live have everything, or nothing can happen any more. */
export function simulate(
  machines: readonly Machine[],
  options: { pieces: number; pieceSize: number; random: () => number },
): Outcome {
  return new Simulation(machines, options).run();
}

class Simulation {
  readonly #nodes: Node[];
  readonly #pieces: number;
  readonly #pieceSize: number;
  readonly #random: () => number;
  readonly #agenda = new Agenda();
  readonly #transfers = new Set<Transfer>();
  #now = 0;
  #wasted = 0;
  #asks = 0;
  readonly #behindHoles: number[] = [];
  #mostInFlight = 0;

  constructor(
    machines: readonly Machine[],
    options: { pieces: number; pieceSize: number; random: () => number },
  ) {
    this.#pieces = options.pieces;
    this.#pieceSize = options.pieceSize;
    this.#random = options.random;
    this.#nodes = machines.map(({ complete, rate, leaves = false }, index): Node => ({
      index,
      name: String(index),
      link: rate,
      leaves,
      has: new Uint8Array(options.pieces).fill(complete ? 1 : 0),
      picked: new Uint32Array(options.pieces),
      schedule: complete ? undefined : new Schedule({ ...options, untouched: true }),
      inFlight: new Set(),
      telling: new Set(),
      lacking: complete ? 0 : options.pieces,
      joined: false,
      dead: false,
      finished: complete ? 0 : Infinity,
      sent: 0,
      up: 0,
      down: 0,
    }));
    for (const [index, { joins = 0, dies }] of machines.entries()) {
      this.#agenda.at(joins, () => this.#join(this.#nodes[index]!));
      if (dies !== undefined) {
        this.#agenda.at(dies, () => this.#die(this.#nodes[index]!, UNNOTICED));
      }
    }
  }

  run(): Outcome {
    while (this.#nodes.some(({ dead, lacking }) => !dead && lacking > 0)) {
      const next = this.#nextEvent();
      if (next === Infinity) break;
      this.#advance(next);
    }
    return {
      makespan: Math.max(
        ...this.#nodes.map(({ dead, finished }) => dead && finished === Infinity ? 0 : finished),
      ),
      sent: this.#nodes.map(({ sent }) => sent),
      wasted: this.#wasted,
      asks: this.#asks,
      behindHoles: this.#behindHoles,
      mostInFlight: this.#mostInFlight,
    };
  }

  #nextEvent(): number {
    let next = this.#agenda.next;
    for (const transfer of this.#transfers) {
      const { from, to } = transfer;
      transfer.rate = transfer.stalled ? 0 : Math.min(from.link / from.up, to.link / to.down);
      if (transfer.rate > 0) next = Math.min(next, this.#now + transfer.left / transfer.rate);
    }
    return next;
  }

  #advance(until: number): void {
    const ended: Transfer[] = [];
    for (const transfer of this.#transfers) {
      const moved = Math.min(transfer.left, transfer.rate * (until - this.#now));
      transfer.left -= moved;
      transfer.bytes += moved;
      transfer.from.sent += moved;
      if (transfer.left < 1e-3) ended.push(transfer);
    }
    this.#now = until;
    for (const transfer of ended) if (this.#transfers.has(transfer)) this.#pieceEnds(transfer);
    this.#agenda.runUntil(this.#now);
  }

  #join(node: Node): void {
    node.joined = true;
    for (const other of this.#nodes) {
      if (other === node || !other.joined || other.dead) continue;
      this.#meet(node, other);
      this.#meet(other, node);
    }
  }

  #meet(node: Node, other: Node): void {
    if (node.schedule === undefined) return;
    const known = other.schedule === undefined ? LATENCY : this.#staleness();
    this.#agenda.at(this.#now + known, () => {
      if (node.dead || other.dead) return;
      node.schedule!.join(other.name, other.lacking === 0);
      node.schedule!.offer(other.name, other.has);
      this.#pump(node);
    });
  }

  #die(node: Node, unnoticed: number): void {
    node.dead = true;
    for (const transfer of this.#transfers) {
      if (transfer.to === node) this.#remove(transfer);
      else if (transfer.from === node) this.#stall(transfer);
    }
    this.#agenda.at(this.#now + unnoticed, () => {
      for (const transfer of this.#transfers) if (transfer.from === node) this.#remove(transfer);
      for (const other of this.#nodes) {
        for (const flying of other.inFlight) {
          if ("peer" in flying && flying.peer === node.name) other.inFlight.delete(flying);
        }
        other.schedule?.leave(node.name);
        this.#pump(other);
      }
    });
  }

  #pump(node: Node): void {
    if (node.dead || node.schedule === undefined) return;
    for (const ask of node.schedule.next()) {
      this.#asks++;
      const from = this.#nodes[Number(ask.peer)]!;
      assert.ok(from !== node && from.joined);
      if (ask.kind === "piece") assert.equal(from.has[ask.piece], 1);
      node.inFlight.add(ask);
      this.#agenda.at(this.#now + LATENCY, () => this.#answer(node, from, ask));
    }
    this.#mostInFlight = Math.max(this.#mostInFlight, node.inFlight.size);
  }

  #answer(to: Node, from: Node, ask: Ask): void {
    // A machine that is dead answers nothing: the ask waits until that is noticed.
    if (to.dead || from.dead || !to.inFlight.has(ask)) return;
    to.inFlight.delete(ask);
    const schedule = to.schedule!;
    const queue: number[] = [];
    if (ask.kind === "piece") queue.push(ask.piece);
    else if (ask.kind === "span") { for (let p = ask.first; p < ask.end; p++) queue.push(p); }
    else queue.push(this.#pick(from, ask.lacks));
    if (ask.kind === "any") schedule.chosen(ask.id, queue[0]!);
    if (schedule.useless(ask.id)) {
      schedule.over(ask.id);
      this.#pump(to);
      return;
    }
    const transfer: Transfer = {
      ask,
      from,
      to,
      queue,
      left: this.#pieceSize,
      bytes: 0,
      began: this.#now - LATENCY,
      rate: 0,
      stalled: false,
    };
    if (ask.kind !== "span") from.picked[queue[0]!]! += 1;
    from.up++;
    to.down++;
    to.inFlight.add(transfer);
    this.#transfers.add(transfer);
  }

  /** What a seed sent least, at random among equals. */
  #pick(seed: Node, lacks: Uint8Array): number {
    let best = -1;
    let equals = 0;
    for (let piece = 0; piece < this.#pieces; piece++) {
      if (lacks[piece] !== 1 || (best >= 0 && seed.picked[piece]! > seed.picked[best]!)) continue;
      equals = best >= 0 && seed.picked[piece] === seed.picked[best] ? equals + 1 : 1;
      if (this.#random() * equals < 1) best = piece;
    }
    assert.ok(best >= 0);
    return best;
  }

  #pieceEnds(transfer: Transfer): void {
    const { to, queue, ask } = transfer;
    const piece = queue.shift()!;
    transfer.left = this.#pieceSize;
    if (queue.length === 0) this.#remove(transfer);
    if (to.has[piece] === 1) this.#wasted += this.#pieceSize;
    const schedule = to.schedule!;
    if (to.has[piece] === 0) {
      to.has[piece] = 1;
      to.lacking--;
      if (to.lacking === Math.floor(0.03 * this.#pieces)) {
        this.#behindHoles.push(1 - to.has.indexOf(0) / this.#pieces);
      }
      if (to.lacking === 0) {
        to.finished = this.#now;
        if (to.leaves) this.#agenda.at(this.#now, () => this.#die(to, 0));
      }
      schedule.arrived(piece);
      this.#tell(to);
    }
    if (queue.length === 0) {
      schedule.over(ask.id, { bytes: transfer.bytes, seconds: this.#now - transfer.began });
    }
    for (const other of this.#transfers) {
      if (other.to !== to || !schedule.useless(other.ask.id)) continue;
      this.#wasted += this.#pieceSize - other.left;
      this.#remove(other);
      schedule.over(other.ask.id);
    }
    this.#pump(to);
  }

  /** Lets the others know what a machine has, each some time later. */
  #tell(node: Node): void {
    for (const other of this.#nodes) {
      if (other === node || other.schedule === undefined || !other.joined) continue;
      if (other.lacking === 0 || node.telling.has(other.index)) continue;
      node.telling.add(other.index);
      this.#agenda.at(this.#now + this.#staleness(), () => {
        node.telling.delete(other.index);
        if (node.dead || other.dead) return;
        if (node.lacking === 0) other.schedule!.complete(node.name);
        else other.schedule!.offer(node.name, node.has);
        this.#pump(other);
      });
    }
  }

  #staleness(): number {
    return STALE[0] + (STALE[1] - STALE[0]) * this.#random();
  }

  #stall(transfer: Transfer): void {
    transfer.stalled = true;
    transfer.from.up--;
    transfer.to.down--;
  }

  #remove(transfer: Transfer): void {
    if (!transfer.stalled) this.#stall(transfer);
    this.#transfers.delete(transfer);
    transfer.to.inFlight.delete(transfer);
  }
}
