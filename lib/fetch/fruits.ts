import { BLOCK_SIZE, FRUITLESS_MS } from "../wire/limits.ts";
import type { Crowd } from "./crowd.ts";
import type { DownloadLimit } from "./download_limit.ts";

/** Whether anything comes of asking a crowd: a liar may offer, and refuse, for ever. */
export class Fruits {
  readonly #crowd: Crowd;
  readonly #limit: DownloadLimit | undefined;
  readonly #patience: number;
  #bytes = 0;
  #since = performance.now();

  /** @param patience how long a crowd is asked that sends not a byte, in milliseconds */
  constructor(crowd: Crowd, limit: DownloadLimit | undefined, patience: number = FRUITLESS_MS) {
    this.#crowd = crowd;
    this.#limit = limit;
    this.#patience = patience;
  }

  /**
   * Whether nobody has sent anything for long.
   *
   * @param waits somebody has asked us to wait, or something is being found out: that time does not count
   */
  haveFailed(waits: boolean): boolean {
    const now = performance.now();
    let bytes = 0;
    for (const { tally } of this.#crowd.members.values()) bytes += tally.bytes;
    // What another fetch has taken of the limit keeps this one waiting.
    const owes = (this.#limit?.owed(0) ?? 0) > 0;
    if (waits || owes || bytes !== this.#bytes || this.#crowd.usable.length === 0) {
      this.#bytes = bytes;
      this.#since = now;
    }
    // What came is counted at once, and paid for with waiting where there is a limit.
    const paying = this.#limit?.millisecondsFor(BLOCK_SIZE) ?? 0;
    return now - this.#since > paying + this.#patience;
  }
}
