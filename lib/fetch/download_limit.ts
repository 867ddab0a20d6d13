import { pause } from "./peer/pause.ts";

/** How much may come at once after a silence, in seconds of the rate. */
const BURST_S = 0.1;

/** Holds all that comes to a rate: whoever has taken more than there was waits before taking more. */
export class DownloadLimit {
  readonly #rate: number;
  readonly #now: () => number;
  #credit = 0;
  #at: number;

  /** @param rate in bytes per second; `now` in milliseconds */
  constructor(rate: number, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
    this.#at = now();
  }

  /** How long these bytes take at this rate. */
  millisecondsFor(bytes: number): number {
    return bytes / this.#rate * 1000;
  }

  /** How long to wait after these bytes came, in milliseconds. */
  owed(bytes: number): number {
    const now = this.#now();
    const earned = (now - this.#at) / 1000 * this.#rate;
    this.#credit = Math.min(BURST_S * this.#rate, this.#credit + earned) - bytes;
    this.#at = now;
    return Math.max(0, -this.#credit / this.#rate * 1000);
  }

  /** Counts bytes that came, and waits. @throws the signal's reason */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const milliseconds = this.owed(bytes);
    if (milliseconds > 0) await pause(milliseconds, signal);
  }
}
