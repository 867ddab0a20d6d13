import type { Digest } from "../manifest/digest.ts";
import type { ReuseEvent } from "./reuse.ts";

/** What a fetch tells about itself while it runs. */
export type FetchEvent =
  | { kind: "cached"; digest: Digest; path: string }
  | { kind: "asking"; digests: readonly Digest[]; how: "broadcast" | "named" }
  | { kind: "trouble"; reason: string }
  | { kind: "has"; peer: string; digest: Digest }
  | { kind: "connecting"; peer: string; digest: Digest }
  | { kind: "waiting"; digest: Digest; store: string }
  | { kind: "planned"; digest: Digest; total: number; missing: number; files: number }
  | { kind: "progress"; digest: Digest; done: number; total: number; peers: number }
  | { kind: "dropped"; digest: Digest; peer: string; reason: string; lied: boolean }
  | ReuseEvent
  | { kind: "caching"; digest: Digest; store: string }
  | { kind: "fetched"; digest: Digest; path: string };

export type ReportFetch = (event: FetchEvent) => void;
