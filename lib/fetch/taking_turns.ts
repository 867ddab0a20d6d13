import { setImmediate } from "node:timers/promises";

/** What is read and hashed between two turns of the event loop, in bytes: some 15 ms. */
const TURN_SIZE = 16 * 1024 * 1024;

/** Lets others have their turns in the middle of a long reading. */
export class TakingTurns {
  #bytes = 0;

  /** So many bytes were read, and it goes on. */
  async after(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes < TURN_SIZE) return;
    this.#bytes = 0;
    await setImmediate();
  }
}
