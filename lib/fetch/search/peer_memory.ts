import { dirname } from "node:path";
import { LATELY_MS, WAIT_ALONE_MS, WAIT_WITH_PEERS_MS } from "../../wire/limits.ts";

/**
 * Remembers, from one run to the next, when a peer last answered, because a miss has to be cheap
 * where there are no peers, and patient where there are. The time is that of an empty file.
 */
export class PeerMemory {
  readonly #path: string | undefined;

  /** @param userStore the user's own store: the file is beside it; without one nothing is kept */
  constructor(userStore: string | undefined) {
    this.#path = userStore === undefined ? undefined : `${dirname(userStore)}/0share-peer-seen`;
  }

  /** How long to wait for a first answer, in milliseconds. */
  wait(now: number = Date.now()): number {
    return now - this.#lastSeen() < LATELY_MS ? WAIT_WITH_PEERS_MS : WAIT_ALONE_MS;
  }

  /** A peer has answered. */
  saw(): void {
    if (this.#path === undefined) return;
    try {
      Deno.mkdirSync(dirname(this.#path), { recursive: true });
      Deno.writeFileSync(this.#path, new Uint8Array());
    } catch {
      // Without it the next search is only less patient.
    }
  }

  #lastSeen(): number {
    try {
      return this.#path === undefined ? 0 : Deno.statSync(this.#path).mtime?.getTime() ?? 0;
    } catch {
      return 0;
    }
  }
}
