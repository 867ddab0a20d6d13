import { LIMITED_CHUNK_SIZE } from "../wire/limits.ts";
import type { Source } from "./body.ts";

/** How much may be sent at once after a silence, or a late timer, in seconds of the rate. */
const BURST_S = 0.1;

/** Chunks a second at least, so that low rates are smooth, too. */
const CHUNKS_PER_SECOND = 20;

const MIN_CHUNK_SIZE = 1024;

interface Waiting {
  readonly bytes: number;
  readonly resolve: () => void;
}

/** The clock and the timers; milliseconds. */
export interface Clock {
  now(): number;
  /** Calls back once; the result takes it back. */
  after(milliseconds: number, call: () => void): () => void;
}

const REAL: Clock = {
  now: () => performance.now(),
  after: (milliseconds, call) => {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};

/**
 * Holds all answers together to a rate. Addresses that want something take turns, so that one with
 * many answers under way gets no more than one with a single one.
 */
export class UploadLimit {
  /** The most that one turn is for, in bytes. */
  readonly chunkSize: number;
  readonly #rate: number;
  readonly #clock: Clock;
  /** By address, whose turn is next first. */
  readonly #queues = new Map<string, Waiting[]>();
  /** Bytes that may be sent; below 0 after a chunk that was larger. */
  #credit = 0;
  #at: number;
  #takeBack: (() => void) | undefined;

  /** @param rate in bytes per second */
  constructor(rate: number, clock: Clock = REAL) {
    this.chunkSize = Math.ceil(
      Math.min(LIMITED_CHUNK_SIZE, Math.max(MIN_CHUNK_SIZE, rate / CHUNKS_PER_SECOND)),
    );
    this.#rate = rate;
    this.#clock = clock;
    this.#credit = this.chunkSize;
    this.#at = clock.now();
  }

  /** The same bytes, in chunks for which this address has its turn. */
  limited(source: Source, address: string): Source {
    let rest: Uint8Array = new Uint8Array(0);
    let leave = () => {};
    return {
      next: async () => {
        if (rest.length === 0) {
          const chunk = await source.next();
          if (chunk === undefined) return undefined;
          rest = chunk;
        }
        const part = rest.subarray(0, this.chunkSize);
        rest = rest.subarray(part.length);
        await new Promise<void>((resolve) => leave = this.#join(address, part.length, resolve));
        return part;
      },
      close: () => {
        leave();
        source.close();
      },
    };
  }

  /** Waits in line for its turn; the result leaves the line. */
  #join(address: string, bytes: number, resolve: () => void): () => void {
    const waiting = { bytes, resolve };
    const queue = this.#queues.get(address);
    if (queue === undefined) this.#queues.set(address, [waiting]);
    else queue.push(waiting);
    if (this.#takeBack === undefined) this.#pump();
    return () => this.#leave(address, waiting);
  }

  #leave(address: string, waiting: Waiting): void {
    const queue = this.#queues.get(address);
    const index = queue?.indexOf(waiting) ?? -1;
    if (index < 0) return;
    queue!.splice(index, 1);
    if (queue!.length === 0) this.#queues.delete(address);
    waiting.resolve();
    if (this.#queues.size > 0) return;
    this.#takeBack?.();
    this.#takeBack = undefined;
  }

  #pump(): void {
    this.#takeBack = undefined;
    const now = this.#clock.now();
    const earned = (now - this.#at) / 1000 * this.#rate;
    this.#credit = Math.min(Math.max(BURST_S * this.#rate, 1), this.#credit + earned);
    this.#at = now;
    for (const [address, queue] of this.#queues) {
      if (this.#credit <= 0) break;
      // Taken out and put last: the map's order is that of the turns.
      this.#queues.delete(address);
      const { bytes, resolve } = queue.shift()!;
      if (queue.length > 0) this.#queues.set(address, queue);
      this.#credit -= bytes;
      resolve();
    }
    if (this.#queues.size === 0) return;
    const wait = Math.max(1, Math.ceil(-this.#credit / this.#rate * 1000));
    this.#takeBack = this.#clock.after(wait, () => this.#pump());
  }
}
