import { setTimeout } from "node:timers/promises";

/** Waits. @throws the signal's reason as soon as it is aborted */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}
