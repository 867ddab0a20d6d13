import type { Digest } from "../manifest/digest.ts";

/** What a server tells about itself while it runs. Plain data: it crosses from a worker. */
export type ServeEvent =
  | { kind: "started"; port: number; discoveryPort: number | undefined; stores: readonly string[] }
  | { kind: "confined"; possible: readonly string[] }
  /** Others find this store over multicast DNS by this name. */
  | { kind: "announced"; name: string }
  | { kind: "query"; from: string; digests: readonly Digest[] }
  | { kind: "have"; digest: Digest }
  | { kind: "partial"; digest: Digest }
  | { kind: "reply"; to: string }
  /** Who asked for what is being downloaded here gets it, too, and answers at this TCP port. */
  | {
    kind: "downloader";
    peer: { readonly address: string; readonly port: number };
    digest: Digest;
    /** Which server that is. */
    id: string | undefined;
  }
  /** Another server's machine is going to download this from its origin, if it is its turn. */
  | { kind: "claim"; digest: Digest; id: string }
  | { kind: "get"; from: string; method: string; path: string }
  | { kind: "answered"; from: string; method: string; path: string; status: number }
  /** A transfer begins; each ends with "sent". */
  | { kind: "sending"; from: string; digest: Digest }
  | { kind: "sent"; from: string; digest: Digest; bytes: number; reason: string | undefined }
  | { kind: "refused"; from: string; reason: string }
  | { kind: "damaged"; digest: Digest; reason: string }
  | { kind: "back"; digest: Digest }
  | { kind: "trouble"; reason: string };

export type ReportServe = (event: ServeEvent) => void;
