import { PeerBusy, PeerFailed } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { encodeBitfield } from "../wire/bitfield.ts";
import {
  AVAILABILITY_PAUSE_MS,
  MAX_BUSY_ANSWERS,
  MAX_WAIT_SECONDS,
  MAX_WATCHED_PEERS,
  URGENT_AVAILABILITY_PAUSE_MS,
} from "../wire/limits.ts";
import type { Member } from "./member.ts";
import { noPlace } from "./patience.ts";
import { pause } from "./peer/pause.ts";

/** How often it is looked whether news have become urgent, in milliseconds. */
const LOOK_MS = 250;

export interface WatchListener {
  /** What a peer has: all of it, or 0 or 1 a piece. */
  holds(member: Member, has: "all" | Uint8Array): void;
  failed(member: Member, error: unknown): void;
  /** Whether what a peer has got would be asked for at once. */
  isUrgent(member: Member): boolean;
}

/**
 * Keeps asking partial peers what they have, each until it has everything, fails, or is removed. Of
 * a large crowd only some are watched at a time: then each is asked once, and makes place for another.
 */
export class AvailabilityWatch {
  readonly #digest: Digest;
  readonly #size: number;
  readonly #signal: AbortSignal;
  readonly #listener: WatchListener;
  readonly #watched = new Map<Member, { abort: AbortController; heard: number }>();
  readonly #waiting = new Set<Member>();
  /** Those that have said what they have. */
  readonly #heard = new Set<Member>();
  readonly #ending = new Set<Promise<void>>();

  /** @param size of the content stream, in bytes */
  constructor(digest: Digest, size: number, signal: AbortSignal, listener: WatchListener) {
    this.#digest = digest;
    this.#size = size;
    this.#signal = signal;
    this.#listener = listener;
  }

  add(member: Member): void {
    if (this.#watched.has(member)) return;
    if (this.#watched.size >= MAX_WATCHED_PEERS) {
      this.#waiting.add(member);
      return;
    }
    this.#waiting.delete(member);
    const abort = new AbortController();
    const task = this.#follow(member, AbortSignal.any([abort.signal, this.#signal]))
      .catch((error) => {
        if (!abort.signal.aborted && !this.#signal.aborted) this.#listener.failed(member, error);
      })
      .finally(() => this.#ending.delete(task));
    this.#ending.add(task);
    this.#watched.set(member, { abort, heard: 0 });
  }

  /** A peer has just said, with something else, what it has: it need not be asked for a while. */
  heard(member: Member): void {
    const watched = this.#watched.get(member);
    if (watched !== undefined) watched.heard = performance.now();
  }

  /** Whether a peer has said what it has since it was added first. */
  hasHeardOf(member: Member): boolean {
    return this.#heard.has(member);
  }

  remove(member: Member): void {
    this.#waiting.delete(member);
    this.#watched.get(member)?.abort.abort();
    if (this.#watched.delete(member)) this.#fill();
  }

  #fill(): void {
    for (const next of this.#waiting) {
      if (this.#watched.size >= MAX_WATCHED_PEERS) break;
      this.#waiting.delete(next);
      this.add(next);
    }
  }

  /** Settles when nothing is under way, after the signal was aborted. */
  get ended(): Promise<unknown> {
    return Promise.all(this.#ending);
  }

  /** Waits until nothing was heard of a peer for a while: a short one where it has nothing else to say. */
  async #quiet(member: Member, signal: AbortSignal): Promise<void> {
    let heard = performance.now();
    for (;;) {
      const since = performance.now() - heard;
      const left = this.#listener.isUrgent(member)
        ? URGENT_AVAILABILITY_PAUSE_MS - since
        : Math.min(AVAILABILITY_PAUSE_MS - since, LOOK_MS);
      if (left <= 0) return;
      await pause(left, signal);
      heard = Math.max(heard, this.#watched.get(member)?.heard ?? 0);
    }
  }

  async #follow(member: Member, signal: AbortSignal): Promise<void> {
    let known: string | undefined;
    for (let busy = 0;;) {
      const news = known === undefined ? {} : { known, wait: MAX_WAIT_SECONDS };
      try {
        const has = await member.peer.availability(this.#digest, this.#size, news, signal);
        signal.throwIfAborted();
        if (has === undefined) throw new PeerFailed(member.name, "it has nothing of it any more");
        this.#heard.add(member);
        this.#listener.holds(member, has);
        if (has === "all") return;
        known = encodeBitfield(has);
        busy = 0;
        await this.#quiet(member, signal);
        if (this.#waiting.size > 0) {
          this.#watched.delete(member);
          this.#waiting.add(member);
          this.#fill();
          return;
        }
      } catch (error) {
        if (!(error instanceof PeerBusy)) throw error;
        if (++busy > MAX_BUSY_ANSWERS) throw noPlace(member.name);
        await pause(error.retryAfterSeconds * 1000, signal);
      }
    }
  }
}
