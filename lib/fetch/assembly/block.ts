import { BLOCK_SIZE } from "../../wire/limits.ts";
import type { Assembly } from "./assembly.ts";

/**
 * Gathers what comes in small parts into blocks, so that most files reach the assembly whole
 * and are hashed and written in one go. What could not be written is not handed over again: the first
 * failure says why.
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
      if (this.#filled === 0 && part.length - at >= BLOCK_SIZE) {
        at += this.#write(part.subarray(at, at + BLOCK_SIZE));
        wrote = true;
        continue;
      }
      const count = Math.min(part.length - at, BLOCK_SIZE - this.#filled);
      this.#buffer.set(part.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === BLOCK_SIZE) {
        this.#filled = 0;
        const written = this.#write(this.#buffer);
        this.#buffer.copyWithin(0, written);
        this.#filled = BLOCK_SIZE - written;
        wrote = true;
      }
    }
    return wrote;
  }

  /** Hands over what is left. */
  flush(): void {
    const left = this.#buffer.subarray(0, this.#filled);
    this.#filled = 0;
    if (left.length > 0) this.#hand(left);
  }

  /** Hands a full block over, but not the beginning of a small file at its end; returns how much. */
  #write(block: Uint8Array): number {
    const end = this.#assembly.wholeFilesEnd(this.#offset, this.#offset + block.length);
    const bytes = block.subarray(0, end - this.#offset);
    this.#hand(bytes);
    return bytes.length;
  }

  #hand(bytes: Uint8Array): void {
    this.#assembly.write(this.#offset, bytes, this.#from);
    this.#offset += bytes.length;
  }
}
