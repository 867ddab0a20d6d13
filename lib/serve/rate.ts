import { QUERIES_PER_SECOND, REMEMBERED_ADDRESSES } from "../wire/limits.ts";

/** A token bucket for each address: says whether one more query of it is answered. */
export class QueryRate {
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /** @param now milliseconds of a clock that does not go back */
  admits(address: string, now: number): boolean {
    const bucket = this.#buckets.get(address) ?? { tokens: QUERIES_PER_SECOND, at: now };
    const earned = (now - bucket.at) / 1000 * QUERIES_PER_SECOND;
    bucket.tokens = Math.min(QUERIES_PER_SECOND, bucket.tokens + earned);
    bucket.at = now;
    // Put it last: the map's order is then that of use, and the first may be forgotten.
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    if (this.#buckets.size > REMEMBERED_ADDRESSES) {
      this.#buckets.delete(this.#buckets.keys().next().value!);
    }
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
