import type { Digest } from "../manifest/digest.ts";
import { isReadable, pathsOfStore } from "../sandbox/store_paths.ts";
import { cacheLocations, type Environment } from "../store/locations.ts";
import type { FeedDirectory } from "../zeroinstall/feed_cache.ts";
import type { ImplementationName } from "../zeroinstall/names.ts";
import { printable } from "./output.ts";

/** Kept of all feeds while serving, in bytes: more than a person's cache has. */
const MAX_KEPT = 64 * 1024 * 1024;

/** A feed may give any text as a name; more characters than these are cut off. */
const MAX_LENGTH = 80;

/** What reads feeds: it takes milliseconds to load. */
type Reading =
  & typeof import("../zeroinstall/feed_cache.ts")
  & typeof import("../zeroinstall/names.ts");

/**
 * What implementations are called, for people to read, as the feeds say that are cached on this
 * machine and may be read. Nothing is read before a name is asked for, and nobody is ever prompted.
 */
export class Names {
  readonly #environment: Environment;
  readonly #known = new Map<Digest, ImplementationName>();
  /** Those whose names were not looked for yet. */
  readonly #pending = new Set<Digest>();
  #kept: Uint8Array[] | undefined;
  #reading: Reading | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Loads what reads feeds. Until then nothing has a name. */
  async prepare(): Promise<void> {
    this.#reading ??= {
      ...await import("../zeroinstall/feed_cache.ts"),
      ...await import("../zeroinstall/names.ts"),
    };
  }

  /**
   * Says which digests will be spoken of. Others have no names: looking for whatever a peer asks
   * for would let peers keep this process busy.
   */
  expect(digests: Iterable<Digest>): void {
    for (const digest of digests) if (!this.#known.has(digest)) this.#pending.add(digest);
  }

  /**
   * Says which digests will be spoken of after this process has lost the permission to read feeds:
   * reads them now, and leaves the rest of the work for when a name is asked for.
   */
  keep(digests: Iterable<Digest>): void {
    this.expect(digests);
    this.#kept = [];
    let bytes = 0;
    for (const feed of this.#feeds()) {
      bytes += feed.length;
      if (bytes > MAX_KEPT) return;
      this.#kept.push(feed.slice());
    }
  }

  /** What the implementation is called; undefined if no feed says so, or it was not expected. */
  of(digest: Digest): ImplementationName | undefined {
    const { findNames } = this.#reading ?? {};
    if (findNames !== undefined && this.#pending.has(digest)) {
      const feeds = this.#kept ?? this.#feeds();
      for (const [found, name] of findNames(this.#pending, feeds)) this.#known.set(found, name);
      this.#pending.clear();
      if (this.#kept !== undefined) this.#kept = [];
    }
    return this.#known.get(digest);
  }

  #feeds(): Iterable<Uint8Array> {
    if (this.#reading === undefined) return [];
    const { cachedFeeds, feedDirectories } = this.#reading;
    return cachedFeeds(this.#readable(feedDirectories));
  }

  #readable(feedDirectories: Reading["feedDirectories"]): FeedDirectory[] {
    const environment = this.#environment;
    const passwd = environment.os === "windows"
      ? undefined
      : environment.readTextFile("/etc/passwd");
    return feedDirectories(cacheLocations(environment), passwd ?? "")
      .filter(({ path }) => pathsOfStore(path).every(isReadable));
  }
}

/** Name and version, safe for a terminal: `Name 1.2`. */
export function formatName({ name, version }: ImplementationName): string {
  const text = printable(version === undefined ? name : `${name} ${version}`);
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text;
}
