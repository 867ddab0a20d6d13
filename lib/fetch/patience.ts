import { PeerBusy, PeerFailed } from "../errors.ts";
import { AT_ONCE_MS, MAX_BUSY_ANSWERS, RETRIES_MS } from "../wire/limits.ts";
import { pause } from "./peer/pause.ts";

/** Before anything came of a peer: whoever names a machine where nobody listens is not to wait long. */
const RETRIES = RETRIES_MS.slice(0, 2);

/**
 * Asks a peer, and asks again as long as it has no place for one more, or when it stumbles: a server
 * that is started anew, or a Wi-Fi, gets another chance, who is silent does not.
 *
 * @param peer its name
 * @throws PeerFailed when it has no place for too long, or failed too often; what `ask` throws
 *   otherwise; the signal's reason
 */
export async function patiently<T>(
  peer: string,
  signal: AbortSignal,
  ask: () => Promise<T>,
): Promise<T> {
  let busy = 0;
  let failed = 0;
  for (;;) {
    const asked = performance.now();
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof PeerBusy) {
        if (++busy > MAX_BUSY_ANSWERS) throw noPlace(peer);
        await pause(error.retryAfterSeconds * 1000, signal);
        continue;
      }
      const stumbled = error instanceof PeerFailed && performance.now() - asked < AT_ONCE_MS;
      if (!stumbled || failed === RETRIES.length) throw error;
      await pause(RETRIES[failed++]!, signal);
    }
  }
}

/** It said so as often as anybody is listened to. */
export function noPlace(peer: string): PeerFailed {
  return new PeerFailed(peer, `it had no place more than ${MAX_BUSY_ANSWERS} times in a row`);
}
