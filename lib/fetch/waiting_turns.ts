import { TRICKLE } from "../wire/limits.ts";
import type { Member } from "./member.ts";
import { CLEARLY_FASTER } from "./schedule/schedule.ts";

/** After so many of its turns who is not slow makes way for somebody who may be no faster. */
const MANY_TURNS = 4;

/** Whether this is so little that it counts as slow, whoever else is there. */
export function isSlow(bytesPerSecond: number): boolean {
  return bytesPerSecond * TRICKLE.ms / 1000 < TRICKLE.bytesInTheWay;
}

/**
 * Those that made way where one alone brings all of it, and begins anew each time: they have another
 * turn when everybody has had one.
 */
export class WaitingTurns {
  readonly #waiting: Member[] = [];
  /** What each brought when it made way, in bytes per second. */
  readonly #rates = new Map<Member, number>();

  /** It has made way. */
  add(member: Member, bytesPerSecond: number): void {
    this.#waiting.push(member);
    this.#rates.set(member, bytesPerSecond);
  }

  /** Whose turn is next; undefined if nobody waits. */
  next(): Member | undefined {
    return this.#waiting.shift();
  }

  /**
   * Whether somebody who brings so much is to make way for others. Where several bring about as much
   * it is the network, and whoever is asked next is no faster.
   *
   * @param turns how many of its turns it has had in a row
   * @param unasked whether there is somebody who was never asked
   */
  isInTheWay(bytesPerSecond: number, turns: number, unasked: boolean): boolean {
    if (!unasked && this.#waiting.length === 0) return false;
    if (turns >= MANY_TURNS) return true;
    const isAlike = (rate: number) =>
      rate * CLEARLY_FASTER >= bytesPerSecond && rate <= CLEARLY_FASTER * bytesPerSecond;
    if (unasked) return isSlow(bytesPerSecond) || !this.#rates.values().some(isAlike);
    return this.#waiting.some((one) => this.#rates.get(one)! > CLEARLY_FASTER * bytesPerSecond);
  }
}
