import type { Digest } from "../manifest/digest.ts";
import type { ContentStream } from "../manifest/layout.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { Held } from "./held.ts";
import type { ReadManifest } from "./manifest_cache.ts";

/**
 * A complete implementation whose manifest is read when something in it is asked for: that it is
 * here, and how large it is, is known without.
 */
export class Stored implements Held {
  readonly digest: Digest;
  readonly path: string;
  readonly stream: ContentStream;
  readonly #load: () => ReadManifest;
  /** Not given up before this is: an answer that has begun goes by one manifest. */
  #read: ReadManifest | undefined;

  /**
   * @param size of its content stream
   * @param load what it throws is thrown by whatever asks for something in the manifest
   */
  constructor(digest: Digest, path: string, size: number, load: () => ReadManifest) {
    this.digest = digest;
    this.path = path;
    this.#load = load;
    const read = () => this.#manifest();
    this.stream = {
      size,
      get extents() {
        return read().stream.extents;
      },
    };
  }

  get manifestBytes(): Uint8Array<ArrayBuffer> {
    return this.#manifest().manifestBytes;
  }

  get manifest(): Manifest {
    return this.#manifest().manifest;
  }

  #manifest(): ReadManifest {
    return this.#read ??= this.#load();
  }
}
