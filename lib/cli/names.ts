import type { Digest } from "../manifest/digest.ts";
import { isReadable, pathsOfStore } from "../sandbox/store_paths.ts";
import { cacheLocations, type Environment } from "../store/locations.ts";
import { cachedFeeds, feedDirectories, type FeedDirectory } from "../zeroinstall/feed_cache.ts";
import { findNames, type ImplementationName } from "../zeroinstall/names.ts";
import { printable } from "./output.ts";

/** Kept of all feeds while serving, in bytes: more than a person's cache has. */
const MAX_KEPT = 64 * 1024 * 1024;

/** A feed may give any text as a name; more characters than these are cut off. */
const MAX_LENGTH = 80;

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

  constructor(environment: Environment) {
    this.#environment = environment;
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
    for (const feed of cachedFeeds(readableDirectories(this.#environment))) {
      bytes += feed.length;
      if (bytes > MAX_KEPT) return;
      this.#kept.push(feed.slice());
    }
  }

  /** What the implementation is called; undefined if no feed says so, or it was not expected. */
  of(digest: Digest): ImplementationName | undefined {
    if (this.#pending.has(digest)) {
      const feeds = this.#kept ?? cachedFeeds(readableDirectories(this.#environment));
      for (const [found, name] of findNames(this.#pending, feeds)) this.#known.set(found, name);
      this.#pending.clear();
      if (this.#kept !== undefined) this.#kept = [];
    }
    return this.#known.get(digest);
  }
}

function readableDirectories(environment: Environment): FeedDirectory[] {
  const passwd = environment.os === "windows" ? undefined : environment.readTextFile("/etc/passwd");
  return feedDirectories(cacheLocations(environment), passwd ?? "")
    .filter(({ path }) => pathsOfStore(path).every(isReadable));
}

/** Name and version, safe for a terminal: `Name 1.2`. */
export function formatName({ name, version }: ImplementationName): string {
  const text = printable(version === undefined ? name : `${name} ${version}`);
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text;
}
