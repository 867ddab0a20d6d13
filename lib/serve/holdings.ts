import { DamagedImplementation, ShareError } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { MANIFEST_NAME } from "../manifest/entry.ts";
import { contentStream } from "../manifest/layout.ts";
import { readManifest } from "../manifest/manifest.ts";
import { resolveEntries } from "../manifest/resolve.ts";
import { verifyTree } from "../manifest/verify.ts";
import { manifestState } from "../store/file_state.ts";
import { findImplementation } from "../store/lookup.ts";
import { MAX_MANIFEST_SIZE } from "../wire/limits.ts";
import type { ReportServe } from "./events.ts";
import type { Held } from "./held.ts";
import { ManifestCache, type ReadManifest } from "./manifest_cache.ts";
import { Partials } from "./partials.ts";
import { Stored } from "./stored.ts";

/** How long a download that is not finished may be taken for one, in milliseconds. */
const ABSENT_MS = 100;

/** How long a damaged implementation stays out of service before it is looked at again. */
const SUSPENSION_MS = 60_000;

/**
 * What is remembered of a manifest that was found right. There are as many as implementations, and
 * they stay when the manifests themselves are given up: whoever asks only whether something is here
 * cannot make this machine read and hash it again.
 */
interface Found {
  /** Of the manifest's file. */
  readonly state: string;
  /** Of the content stream. */
  readonly size: number;
}

/** What the stores hold that may be offered: looked up anew at every question, read only once. */
export class Holdings {
  readonly #stores: readonly string[];
  readonly #report: ReportServe;
  readonly #manifests: ManifestCache;
  /** By path. */
  readonly #found = new Map<string, Found>();
  /** Paths out of service, and when each may be verified again, in milliseconds. */
  readonly #suspended = new Map<string, { state: string | undefined; again: number }>();
  readonly #partials = new Partials();
  /** When a download was seen to be not finished yet. */
  readonly #absent = new Map<Digest, number>();
  readonly #only: ReadonlySet<Digest> | undefined;
  #verifying = false;

  /**
   * @param stores directories of implementations; one that is missing may appear later
   * @param options.only the digests of what there is at all, whatever the stores hold
   * @param options.manifests where those that were read are kept
   */
  constructor(
    stores: readonly string[],
    report: ReportServe,
    options: { only?: readonly Digest[] | undefined; manifests?: ManifestCache } = {},
  ) {
    this.#stores = stores;
    this.#report = report;
    this.#manifests = options.manifests ?? new ManifestCache();
    this.#only = options.only === undefined ? undefined : new Set(options.only);
  }

  /**
   * The implementation, from the first store that has it undamaged, its manifest in memory; undefined
   * if none has.
   */
  find(digest: Digest): Held | undefined {
    return this.#first(digest, (held) => this.#attempt(held, () => held.manifest) !== undefined);
  }

  /**
   * The same, or what a download into one of the stores has of it. The manifest of what is complete
   * may be read only when it is asked for.
   */
  findAny(digest: Digest): Held | undefined {
    if (this.#only?.has(digest) === false) return undefined;
    const now = performance.now();
    if (now - (this.#absent.get(digest) ?? -Infinity) > ABSENT_MS) {
      const whole = this.#first(digest);
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
    return this.#first(digest);
  }

  /** Takes an implementation out of service until it verifies again; the first time, says so. */
  suspend(digest: Digest, path: string, reason: string): void {
    if (!this.#suspended.has(path)) this.#report({ kind: "damaged", digest, reason });
    this.#suspended.set(path, { state: stateIn(path), again: performance.now() + SUSPENSION_MS });
    this.#found.delete(path);
    this.#manifests.delete(path);
  }

  #first(digest: Digest, isUsable: (held: Stored) => boolean = () => true): Stored | undefined {
    if (this.#only?.has(digest) === false) return undefined;
    for (const store of this.#stores) {
      const found = findImplementation([store], [digest]);
      if (found === undefined) continue;
      const held = this.#offered(digest, found.path);
      if (held !== undefined && isUsable(held)) return held;
    }
    return undefined;
  }

  #offered(digest: Digest, path: string): Stored | undefined {
    const state = stateIn(path);
    const suspended = this.#suspended.get(path);
    if (suspended !== undefined) {
      // Somebody may have put it right: look again when its manifest changed or time has passed.
      if (performance.now() >= suspended.again || suspended.state !== state) {
        this.#verifyAgain(digest, path);
      }
      return undefined;
    }
    const found = this.#found.get(path);
    const { size } = found !== undefined && found.state === state
      ? found
      : this.#attempt({ digest, path }, () => this.#load(digest, path, state).stream) ?? {};
    if (state === undefined || size === undefined) return undefined;
    this.#found.set(path, { state, size });
    return new Stored(digest, path, size, () => this.#load(digest, path, state));
  }

  /** @throws DamagedImplementation when it is not a manifest of this digest; others of reading */
  #load(digest: Digest, path: string, state: string | undefined): ReadManifest {
    try {
      if (state === undefined) throw new ShareError("it has no manifest of its own");
      const kept = this.#manifests.get(path, state);
      if (kept !== undefined) return kept;
      const manifest = read(digest, path);
      this.#manifests.put(path, state, manifest);
      return manifest;
    } catch (error) {
      if (!(error instanceof ShareError) && !(error instanceof Deno.errors.PermissionDenied)) {
        throw error;
      }
      throw new DamagedImplementation(digest, MANIFEST_NAME, error.message);
    }
  }

  /** What `look` gives; undefined when it cannot be had, of which it is seen to here. */
  #attempt<T>({ digest, path }: Pick<Held, "digest" | "path">, look: () => T): T | undefined {
    try {
      return look();
    } catch (error) {
      if (error instanceof DamagedImplementation) this.suspend(digest, path, error.message);
      else if (!(error instanceof Deno.errors.NotFound)) {
        // Too many open files, a failing disk: no reason to stop serving everything else.
        const reason = error instanceof Error ? error.message : String(error);
        this.#report({ kind: "trouble", reason: `Cannot read "${path}": ${reason}` });
      }
      return undefined;
    }
  }

  /** One at a time and in the background: it reads the whole tree. */
  async #verifyAgain(digest: Digest, path: string): Promise<void> {
    if (this.#verifying) return;
    this.#verifying = true;
    try {
      if (stateIn(path) === undefined) throw new ShareError("it has no manifest of its own");
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

/** Undefined if it cannot be served from. */
function stateIn(path: string): string | undefined {
  return manifestState(path, MANIFEST_NAME, MAX_MANIFEST_SIZE);
}

function read(digest: Digest, path: string): ReadManifest {
  const manifestBytes = Deno.readFileSync(`${path}/${MANIFEST_NAME}`);
  const listed = readManifest(digest, manifestBytes);
  const manifest = listed.ambiguous ? resolveEntries(listed, path) : listed;
  return { manifestBytes, manifest, stream: contentStream(manifest) };
}
