import type { Digest } from "../../manifest/digest.ts";
import {
  CLAIM_FRESH_MS,
  MAX_CLAIMS,
  MAX_TURNS_IN_VAIN,
  TURN_NOT_TAKEN_MS,
  WAITING_AT_MOST_MS,
} from "../../wire/limits.ts";

/** What is known of one implementation that others want, or get, as well. */
interface Others {
  /** By server: when it said last that it wants to download it. */
  readonly claims: Map<string, number>;
  /** When somebody said last that he is downloading it; undefined if nobody does. */
  pending: number | undefined;
  /** How many have been downloading it and are heard no more. */
  inVain: number;
  /** Since when somebody else's turn is not taken. */
  idleSince: number | undefined;
  /** Since when this machine waits. */
  waitingSince: number | undefined;
}

/**
 * Whose turn it is to get from its origin what nobody has. All who want the same claim it; who is
 * downloading already goes first, then the claim with the lowest id. Nobody keeps a list: each
 * machine concludes the same from what it has heard lately, and who is heard no more is out. In the
 * worst case, when datagrams are lost, two machines download the same.
 *
 * Nobody is believed for ever: not who claims and does not download, not one downloader after the
 * other who gives up, and not one who says so for a quarter of an hour.
 */
export class Turns {
  readonly #id: string;
  readonly #others = new Map<Digest, Others>();

  /** @param id of this machine's own server */
  constructor(id: string) {
    this.#id = id;
  }

  /** A server claims to be the one that downloads this. */
  claimed(digest: Digest, id: string, now: number): void {
    if (id === this.#id) return;
    const { claims } = this.#of(digest);
    // A liar can invent as many as he likes: those that were heard longest ago go, which are first.
    claims.delete(id);
    if (claims.size >= MAX_CLAIMS) claims.delete(claims.keys().next().value!);
    claims.set(id, now);
  }

  /** Somebody else is downloading this. */
  pending(digest: Digest, now: number): void {
    this.#of(digest).pending = now;
  }

  /** Whether this machine is to download an implementation, which has any of these digests. */
  isMine(digests: readonly Digest[], now: number): boolean {
    // All are looked at, because time counts for each.
    return digests.map((digest) => this.#isFree(digest, now)).every(Boolean);
  }

  /** Whether others want an implementation as well. */
  isWanted(digests: readonly Digest[], now: number): boolean {
    return digests.some((digest) =>
      fresh(this.#others.get(digest)?.claims ?? new Map(), now).length > 0
    );
  }

  #isFree(digest: Digest, now: number): boolean {
    const others = this.#others.get(digest);
    if (others === undefined) return true;
    others.waitingSince ??= now;
    if (now - others.waitingSince >= WAITING_AT_MOST_MS) return true;
    if (others.pending !== undefined) {
      if (now - others.pending < CLAIM_FRESH_MS) return false;
      others.pending = undefined;
      others.inVain++;
      others.idleSince = undefined;
    }
    if (others.inVain >= MAX_TURNS_IN_VAIN) return true;
    if (fresh(others.claims, now).every((id) => this.#id < id)) return true;
    others.idleSince ??= now;
    return now - others.idleSince >= TURN_NOT_TAKEN_MS;
  }

  #of(digest: Digest): Others {
    let others = this.#others.get(digest);
    if (others === undefined) {
      others = {
        claims: new Map(),
        pending: undefined,
        inVain: 0,
        idleSince: undefined,
        waitingSince: undefined,
      };
      this.#others.set(digest, others);
    }
    return others;
  }
}

function fresh(claims: ReadonlyMap<string, number>, now: number): string[] {
  return [...claims].filter(([, at]) => now - at < CLAIM_FRESH_MS).map(([id]) => id);
}
