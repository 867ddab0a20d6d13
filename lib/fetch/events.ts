import type { Digest } from "../manifest/digest.ts";
import type { ReuseEvent } from "./assembly/reuse.ts";
import type { Tally } from "./member.ts";
import type { SearchEvent } from "./search/search.ts";

/** What came from one peer. */
export interface Contribution extends Tally {
  readonly peer: string;
  /** Why nothing more came of it. */
  readonly dropped: string | undefined;
}

/** What a fetch tells about itself while it runs. */
export type FetchEvent =
  | { kind: "cached"; digest: Digest; path: string }
  | SearchEvent
  | { kind: "connecting"; peer: string; digest: Digest }
  | { kind: "waiting"; digest: Digest; store: string }
  | { kind: "planned"; digest: Digest; total: number; missing: number; files: number }
  | { kind: "progress"; digest: Digest; done: number; total: number; peers: number }
  /**
   * `lied`: it sent what does not verify, and cannot have had that from another one; `passing`: it was
   * getting the same, and that it went away means nothing.
   */
  | {
    kind: "dropped";
    digest: Digest;
    peer: string;
    reason: string;
    lied: boolean;
    passing: boolean;
  }
  | ReuseEvent
  /** How it came to be here, in bytes of the content stream. */
  | {
    kind: "summary";
    digest: Digest;
    total: number;
    /** Left by an earlier run. */
    resumed: number;
    reused: number;
    seconds: number;
    peers: readonly Contribution[];
  }
  | { kind: "caching"; digest: Digest; store: string }
  | { kind: "fetched"; digest: Digest; path: string };

export type ReportFetch = (event: FetchEvent) => void;
