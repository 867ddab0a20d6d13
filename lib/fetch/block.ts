import { BLOCK_SIZE } from "../wire/limits.ts";
import type { Assembly } from "./assembly.ts";

/**
 * Gathers what comes in small parts into blocks, so that most files reach the assembly whole
 * and are hashed and written in one go.
 */
export class Block {
  readonly #assembly: Assembly;
  readonly #from: string;
  readonly #buffer = new Uint8Array(BLOCK_SIZE);
  #offset: number;
  #filled = 0;

  /** @param offset where in the stream the first part belongs; @param from who sends it */
  constructor(assembly: Assembly, offset: number, from: string) {
    this.#assembly = assembly;
    this.#offset = offset;
    this.#from = from;
  }

  /** Takes the next bytes; returns whether some went on to the assembly. */
  push(part: Uint8Array): boolean {
    let wrote = false;
    for (let at = 0; at < part.length;) {
      const count = Math.min(part.length - at, BLOCK_SIZE - this.#filled);
      this.#buffer.set(part.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === BLOCK_SIZE) {
        this.#write(this.#assembly.wholeFilesEnd(this.#offset, this.#offset + this.#filled));
        wrote = true;
      }
    }
    return wrote;
  }

  /** Hands over what is left. */
  flush(): void {
    if (this.#filled > 0) this.#write(this.#offset + this.#filled);
  }

  #write(end: number): void {
    const count = end - this.#offset;
    this.#assembly.write(this.#offset, this.#buffer.subarray(0, count), this.#from);
    this.#buffer.copyWithin(0, count, this.#filled);
    this.#offset = end;
    this.#filled -= count;
  }
}
