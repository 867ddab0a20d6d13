import { ZSTD_LEVELS, type ZstdLevel } from "../wire/zstd_calls.ts";

/** How long a level takes, as a multiple of the fastest one: as measured with a browser and scripts. */
const COST: Readonly<Record<ZstdLevel, number>> = { 1: 1, 3: 1.4, 6: 3.6 };

/** What part of the time this process may be busy, with whatever it does. */
const BUDGET = 0.6;

/** So long, and of so many pieces, it is looked at what they took: the wire paces them by then. */
const WINDOW_MS = 100;
const WINDOW_PIECES = 4;

/** After such a pause, in milliseconds, somebody else may be asking. */
const PAUSE_MS = 2000;

/** What a clock says, in milliseconds. */
export interface Clocks {
  readonly now: () => number;
  /** Processor time of this process. */
  readonly processor: () => number;
}

/**
 * How well to compress. Who sends over a fast wire has no time to lose; over a slow one much of it goes
 * by with waiting, and a tenth fewer bytes are a tenth less of that.
 */
export class CompressionEffort {
  readonly #clocks: Clocks;
  #level: ZstdLevel = 1;
  /** What the last window would have afforded. */
  #before: ZstdLevel = 1;
  /** What the clocks said when the last piece was ready to be sent. */
  #last = { now: -Infinity, processor: 0 };
  /** Of the pieces of this window: how many, and from the one before to each, in milliseconds. */
  #pieces = 0;
  #passed = 0;
  #processor = 0;
  #reading = 0;
  #compressing = 0;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
  }

  /** A piece is going to be read and compressed: says with which level. */
  begin(): ZstdLevel {
    if (this.#clocks.now() - this.#last.now > PAUSE_MS) {
      this.#level = this.#before = 1;
      this.#beginWindow();
      this.passedOver();
    }
    return this.#level;
  }

  /** It was, in so many milliseconds each. */
  spent(reading: number, compressing: number): void {
    const { now, processor } = this.#last;
    this.passedOver();
    this.#pieces++;
    this.#passed += this.#last.now - now;
    this.#processor += this.#last.processor - processor;
    this.#reading += reading;
    this.#compressing += compressing;
    if (this.#passed < WINDOW_MS || this.#pieces < WINDOW_PIECES) return;
    // Reading may have been waiting for a disk, and the processor busy with something else.
    const beside = Math.max(this.#reading, this.#processor - this.#compressing);
    const fastest = this.#compressing / COST[this.#level];
    const affordable = ZSTD_LEVELS.filter((level) =>
      beside + fastest * COST[level] <= BUDGET * this.#passed
    );
    const best = affordable.at(-1) ?? 1;
    // Whoever gets them may stop for a moment, which makes no slow wire.
    this.#level = best < this.#before ? best : this.#before;
    this.#before = best;
    this.#beginWindow();
  }

  /** A piece was compressed before: the wait for it says nothing of those that were not. */
  passedOver(): void {
    this.#last = { now: this.#clocks.now(), processor: this.#clocks.processor() };
  }

  #beginWindow(): void {
    this.#pieces = 0;
    this.#passed = 0;
    this.#processor = 0;
    this.#reading = 0;
    this.#compressing = 0;
  }
}
