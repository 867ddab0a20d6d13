/** What a fetch with `--json` says of itself. */

import assert from "node:assert/strict";

import type { FetchEvent } from "../../../lib/fetch/events.ts";
import type { Result, Running } from "./program.ts";

export type Summary = FetchEvent & { readonly kind: "summary" };
type Dropped = FetchEvent & { readonly kind: "dropped" };

/** The objects that `--json` printed so far, one a line. */
export function eventsOf({ stdout }: Result | Running): Record<string, unknown>[] {
  return stdout.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

/** How a fetch that ended well says that it went. */
export function summaryOf(result: Result): Summary {
  assert.equal(result.code, 0, result.stdout + result.stderr);
  const summary = eventsOf(result).find(({ event }) => event === "summary");
  assert.ok(summary, result.stdout);
  return summary as unknown as Summary;
}

/** Whom it gave up, and why. */
export function droppedOf(result: Result): Dropped[] {
  return eventsOf(result).filter(({ event }) => event === "dropped") as unknown as Dropped[];
}

/** Bytes of the content stream that came from all peers together. */
export function cameFromPeers({ peers }: Summary): number {
  return peers.reduce((sum, { bytes }) => sum + bytes, 0);
}
