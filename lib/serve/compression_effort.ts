import { ZSTD_LEVELS, type ZstdLevel } from "../wire/zstd_calls.ts";

/** How long a level takes, as a multiple of the fastest one: as measured with a browser and scripts. */
const COST: Readonly<Record<ZstdLevel, number>> = { 1: 1, 3: 1.4, 6: 3.6 };

/** What part of the time may be spent with compressing and with reading for it. */
const BUDGET = 0.5;

/** So long, and of so many pieces, it is looked at what they took: the wire paces them by then. */
const WINDOW_MS = 100;
const WINDOW_PIECES = 4;

/** After such a pause, in milliseconds, somebody else may be asking. */
const PAUSE_MS = 2000;

/**
 * How well to compress. Who sends over a fast wire has no time to lose; over a slow one much of it goes
 * by with waiting, and a tenth fewer bytes are a tenth less of that.
 */
export class CompressionEffort {
  readonly #now: () => number;
  #level: ZstdLevel = 1;
  /** When the last piece was ready to be sent. */
  #last = -Infinity;
  /** Of the pieces of this window: how many, and from the one before to each, in milliseconds. */
  #pieces = 0;
  #passed = 0;
  #reading = 0;
  /** What it would have been with the fastest level. */
  #compressing = 0;

  /** @param now in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The level for the next piece. */
  get level(): ZstdLevel {
    const now = this.#now();
    if (now - this.#last > PAUSE_MS) {
      this.#level = 1;
      this.#begin();
      this.#last = now;
    }
    return this.#level;
  }

  /** A piece was read and compressed with `level`, in so many milliseconds each. */
  spent(reading: number, compressing: number): void {
    const now = this.#now();
    this.#pieces++;
    this.#passed += now - this.#last;
    this.#reading += reading;
    this.#compressing += compressing / COST[this.#level];
    this.#last = now;
    if (this.#passed < WINDOW_MS || this.#pieces < WINDOW_PIECES) return;
    const affordable = ZSTD_LEVELS.filter((level) =>
      this.#reading + this.#compressing * COST[level] <= BUDGET * this.#passed
    );
    this.#level = affordable.at(-1) ?? 1;
    this.#begin();
  }

  /** A piece was compressed before: how long nothing was done says nothing of those that were not. */
  passedOver(): void {
    this.#last = this.#now();
  }

  #begin(): void {
    this.#pieces = 0;
    this.#passed = 0;
    this.#reading = 0;
    this.#compressing = 0;
  }
}
