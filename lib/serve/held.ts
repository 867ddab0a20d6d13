import type { Digest } from "../manifest/digest.ts";
import type { ContentStream } from "../manifest/layout.ts";
import type { Manifest } from "../manifest/manifest.ts";

/** An implementation that can be offered, in whole or in part: its manifest hashes to its digest. */
export interface Held {
  readonly digest: Digest;
  /** Its directory. */
  readonly path: string;
  /** The exact bytes of its manifest. */
  readonly manifestBytes: Uint8Array<ArrayBuffer>;
  /** Its manifest, every entry with its true directory. */
  readonly manifest: Manifest;
  readonly stream: ContentStream;
  /**
   * Of a download: which pieces may be given to others now, 0 or 1 each; undefined when it is over.
   * An implementation without this is complete.
   */
  readonly piecesHere?: () => Uint8Array<ArrayBuffer> | undefined;
}
