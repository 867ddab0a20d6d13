import { statfsSync } from "node:fs";
import { StoreFailed } from "../errors.ts";

/**
 * Makes sure that a store's file system has room for so many bytes, before they are fetched.
 *
 * @throws StoreFailed when it has not; a file system that does not say is believed to have
 */
export function requireSpace(store: string, bytes: number): void {
  let free: number;
  try {
    const { bavail, bsize } = statfsSync(store);
    free = bavail * bsize;
  } catch {
    return;
  }
  if (bytes <= free) return;
  throw new StoreFailed(
    `Cannot fetch into ${JSON.stringify(store)}: ${bytes} bytes are needed, ${free} are free`,
    { hint: "make room, for example by removing old implementations with: 0install store manage" },
  );
}
