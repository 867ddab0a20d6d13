import type { Digest } from "../manifest/digest.ts";
import { COUNTED_IMPLEMENTATIONS } from "../wire/limits.ts";

/** How often each piece was sent: who may choose sends what few machines can have from here. */
export class PieceCounts {
  /** Least recently used first. */
  readonly #counts = new Map<Digest, Int32Array>();

  /**
   * One of the pieces that was sent least, any of them with the same chance; undefined if there is
   * no candidate.
   *
   * @param candidates 0 or 1 a piece
   * @param random gives numbers from 0 up to, not including, 1
   */
  choose(
    digest: Digest,
    candidates: Uint8Array,
    random: () => number = Math.random,
  ): number | undefined {
    const counts = this.#of(digest, candidates.length);
    let least = Infinity;
    let ties = 0;
    let chosen: number | undefined;
    for (let piece = 0; piece < candidates.length; piece++) {
      if (candidates[piece] !== 1 || counts[piece]! > least) continue;
      if (counts[piece]! < least) {
        least = counts[piece]!;
        ties = 0;
      }
      // The n-th of equals takes the place with the chance 1/n: then each has it in the end.
      if (random() * ++ties < 1) chosen = piece;
    }
    return chosen;
  }

  /**
   * Counts pieces `first` to `last`, inclusive.
   *
   * @param count how many pieces there are
   * @param by 1 when they are being sent, -1 when they were not sent after all
   */
  add(digest: Digest, count: number, first: number, last: number, by: 1 | -1): void {
    const counts = this.#of(digest, count);
    for (let piece = first; piece <= last; piece++) {
      counts[piece] = Math.max(0, counts[piece]! + by);
    }
  }

  #of(digest: Digest, count: number): Int32Array {
    const counts = this.#counts.get(digest) ?? new Int32Array(count);
    this.#counts.delete(digest);
    this.#counts.set(digest, counts);
    if (this.#counts.size > COUNTED_IMPLEMENTATIONS) {
      this.#counts.delete(this.#counts.keys().next().value!);
    }
    return counts;
  }
}
