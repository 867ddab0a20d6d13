import { ShareError } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { contentStream } from "../manifest/layout.ts";
import { readManifest } from "../manifest/manifest.ts";
import { resolveEntries } from "../manifest/resolve.ts";
import { verifyTree } from "../manifest/verify.ts";
import { findImplementation } from "../store/lookup.ts";
import { MAX_MANIFEST_SIZE } from "../wire/limits.ts";
import type { ReportServe } from "./events.ts";
import type { Held } from "./held.ts";
import { Partials } from "./partials.ts";

/** Manifests kept in memory, in bytes; with what finds lines and contents in them a quarter more. */
const CACHED_MANIFEST_BYTES = 32 * 1024 * 1024;

/** How long a download that is not finished may be taken for one, in milliseconds. */
const ABSENT_MS = 100;

/** How long a damaged implementation stays out of service before it is looked at again. */
const SUSPENSION_MS = 60_000;

/** What the stores hold that may be offered: looked up anew at every question, read only once. */
export class Holdings {
  readonly #stores: readonly string[];
  readonly #report: ReportServe;
  /** By path, least recently used first. */
  readonly #cache = new Map<string, { identity: string; held: Held }>();
  /** Paths out of service, and when each may be verified again. */
  readonly #suspended = new Map<string, { identity: string | undefined; again: number }>();
  readonly #partials = new Partials();
  /** When a download was seen to be not finished yet. */
  readonly #absent = new Map<Digest, number>();
  readonly #only: ReadonlySet<Digest> | undefined;
  #verifying = false;

  /**
   * @param stores directories of implementations; one that is missing may appear later
   * @param options.only the digests of what there is at all, whatever the stores hold
   */
  constructor(
    stores: readonly string[],
    report: ReportServe,
    options: { only?: readonly Digest[] | undefined } = {},
  ) {
    this.#stores = stores;
    this.#report = report;
    this.#only = options.only === undefined ? undefined : new Set(options.only);
  }

  /** The implementation, from the first store that has it undamaged; undefined if none has. */
  find(digest: Digest): Held | undefined {
    if (this.#only?.has(digest) === false) return undefined;
    for (const store of this.#stores) {
      const found = findImplementation([store], [digest]);
      if (found === undefined) continue;
      const held = this.#load(digest, found.path);
      if (held !== undefined) return held;
    }
    return undefined;
  }

  /** The same, or what a download into one of the stores has of it. */
  findAny(digest: Digest): Held | undefined {
    if (this.#only?.has(digest) === false) return undefined;
    const now = performance.now();
    if (now - (this.#absent.get(digest) ?? -Infinity) > ABSENT_MS) {
      const whole = this.find(digest);
      if (whole !== undefined) return whole;
    }
    for (const store of this.#stores) {
      const partial = this.#partials.find(store, digest);
      if (partial === undefined) continue;
      // For a download hundreds of requests come a second, and each look at what is missing costs.
      this.#absent.set(digest, now);
      return partial;
    }
    this.#absent.delete(digest);
    // It may have been finished just between.
    return this.find(digest);
  }

  /** Takes an implementation out of service until it verifies again; the first time, says so. */
  suspend(digest: Digest, path: string, reason: string): void {
    if (!this.#suspended.has(path)) this.#report({ kind: "damaged", digest, reason });
    this.#suspended.set(path, { identity: identityOf(path), again: Date.now() + SUSPENSION_MS });
    this.#cache.delete(path);
  }

  #load(digest: Digest, path: string): Held | undefined {
    const identity = identityOf(path);
    const suspended = this.#suspended.get(path);
    if (suspended !== undefined) {
      // Somebody may have put it right: look again when its manifest changed or time has passed.
      if (Date.now() >= suspended.again || suspended.identity !== identity) {
        this.#verifyAgain(digest, path);
      }
      return undefined;
    }
    const cached = this.#cache.get(path);
    if (cached !== undefined && cached.identity === identity) {
      this.#cache.delete(path);
      this.#cache.set(path, cached);
      return cached.held;
    }
    try {
      if (identity === undefined) throw new ShareError("it has no manifest of its own");
      const held = read(digest, path);
      this.#cache.set(path, { identity, held });
      this.#trim();
      return held;
    } catch (error) {
      if (error instanceof ShareError || error instanceof Deno.errors.PermissionDenied) {
        this.suspend(digest, path, error.message);
        return undefined;
      }
      if (!(error instanceof Deno.errors.NotFound)) {
        // Too many open files, a failing disk: no reason to stop serving everything else.
        const reason = error instanceof Error ? error.message : String(error);
        this.#report({ kind: "trouble", reason: `Cannot read "${path}": ${reason}` });
      }
      return undefined;
    }
  }

  #trim(): void {
    let total = 0;
    for (const { held } of this.#cache.values()) total += held.manifestBytes.length;
    for (const [path, { held }] of this.#cache) {
      if (total <= CACHED_MANIFEST_BYTES || this.#cache.size === 1) return;
      this.#cache.delete(path);
      total -= held.manifestBytes.length;
    }
  }

  /** One at a time and in the background: it reads the whole tree. */
  async #verifyAgain(digest: Digest, path: string): Promise<void> {
    if (this.#verifying) return;
    this.#verifying = true;
    try {
      if (identityOf(path) === undefined) throw new ShareError("it has no manifest of its own");
      await verifyTree(digest, path);
      this.#suspended.delete(path);
      this.#report({ kind: "back", digest });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.suspend(digest, path, reason);
    } finally {
      this.#verifying = false;
    }
  }
}

/** Says whether a manifest is still the one that was read; undefined if it cannot be served from. */
function identityOf(path: string): string | undefined {
  try {
    const info = Deno.lstatSync(`${path}/.manifest`);
    if (!info.isFile || info.size > MAX_MANIFEST_SIZE || !Deno.lstatSync(path).isDirectory) {
      return undefined;
    }
    return `${info.dev}:${info.ino}:${info.size}:${info.mtime?.getTime()}`;
  } catch {
    return undefined;
  }
}

function read(digest: Digest, path: string): Held {
  const manifestBytes = Deno.readFileSync(`${path}/.manifest`);
  const listed = readManifest(digest, manifestBytes);
  const manifest = listed.ambiguous ? resolveEntries(listed, path) : listed;
  return { digest, path, manifestBytes, manifest, stream: contentStream(manifest) };
}
