import { type PeerBusy, PeerSlow } from "../errors.ts";
import { MAX_BUSY_ANSWERS, RETRIES_MS, TRICKLE } from "../wire/limits.ts";
import type { Member } from "./member.ts";

/** How often in a row each peer had no place, or failed, and who is left alone for a while for that. */
export class Setbacks implements Disposable {
  readonly #over: (member: Member) => void;
  readonly #retries: readonly number[];
  readonly #counts = new Map<Member, { busy: number; failed: number }>();
  readonly #pauses = new Map<Member, ReturnType<typeof setTimeout>>();

  /**
   * @param over called when somebody was left alone for long enough
   * @param retries how long somebody is left alone after each failure in a row, in milliseconds; the
   *   last one is for those that fail at once
   */
  constructor(over: (member: Member) => void, retries: readonly number[] = RETRIES_MS) {
    this.#over = over;
    this.#retries = retries;
  }

  /** Whether somebody is left alone. */
  get any(): boolean {
    return this.#pauses.size > 0;
  }

  has(member: Member): boolean {
    return this.#pauses.has(member);
  }

  /** It has no place, or makes way. Returns false when it said too often that it has none. */
  later(member: Member, error: PeerBusy | PeerSlow): boolean {
    if (error instanceof PeerSlow) {
      this.#pause(member, TRICKLE.ms);
      return true;
    }
    return this.#count(member, "busy", MAX_BUSY_ANSWERS, error.retryAfterSeconds * 1000);
  }

  /** An answer failed, maybe at once. Returns false when that happened too often. */
  failed(member: Member, atOnce: boolean): boolean {
    const { failed = 0 } = this.#counts.get(member) ?? {};
    const retries = atOnce ? this.#retries : this.#retries.slice(0, -1);
    return this.#count(member, "failed", retries.length, retries[failed] ?? 0);
  }

  /** It sent something. */
  progressed(member: Member): void {
    this.#counts.delete(member);
  }

  [Symbol.dispose](): void {
    this.#pauses.forEach(clearTimeout);
    this.#pauses.clear();
  }

  #count(member: Member, what: "busy" | "failed", most: number, milliseconds: number): boolean {
    // Two questions that fail together are one setback.
    if (this.has(member)) return true;
    const counts = this.#counts.get(member) ?? { busy: 0, failed: 0 };
    if (++counts[what] > most) return false;
    this.#counts.set(member, counts);
    this.#pause(member, milliseconds);
    return true;
  }

  #pause(member: Member, milliseconds: number): void {
    if (this.has(member)) return;
    const over = () => {
      this.#pauses.delete(member);
      this.#over(member);
    };
    this.#pauses.set(member, setTimeout(over, milliseconds));
  }
}
