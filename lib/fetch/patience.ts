import { PeerBusy, PeerFailed } from "../errors.ts";
import { MAX_BUSY_ANSWERS } from "../wire/limits.ts";
import { pause } from "./pause.ts";

/**
 * Asks a peer, and asks again as long as it has no place for one more.
 *
 * @param peer its name
 * @throws PeerFailed when it has none for too long; what `ask` throws otherwise; the signal's reason
 */
export async function patiently<T>(
  peer: string,
  signal: AbortSignal,
  ask: () => Promise<T>,
): Promise<T> {
  for (let times = 0; times <= MAX_BUSY_ANSWERS; times++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof PeerBusy)) throw error;
      await pause(error.retryAfterSeconds * 1000, signal);
    }
  }
  throw noPlace(peer);
}

/** It said so as often as anybody is listened to. */
export function noPlace(peer: string): PeerFailed {
  return new PeerFailed(peer, `it had no place more than ${MAX_BUSY_ANSWERS} times in a row`);
}
