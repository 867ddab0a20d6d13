import { InvalidManifest, ManifestMismatch, PeerLied, PeerSlow, StoreFailed } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { type Manifest, readManifest } from "../manifest/manifest.ts";
import { windowsNameProblem } from "../manifest/safe_path.ts";
import type { Staging } from "../store/staging.ts";
import { SECOND_MANIFEST_MS } from "../wire/limits.ts";
import { type Crowd, isPeerFault } from "./crowd.ts";
import type { DownloadLimit } from "./download_limit.ts";
import type { Member } from "./member.ts";
import { patiently } from "./patience.ts";
import { WaitingTurns } from "./waiting_turns.ts";

/**
 * Peers that are asked at once: one, and one more each time that `SECOND_MANIFEST_MS` go by. Each may
 * fill `MAX_MANIFEST_SIZE` of memory before it is known to be wrong.
 */
const AT_ONCE = 6;

export interface ManifestOptions {
  readonly staging: Staging;
  /** Whether it may come compressed from a peer. */
  readonly mayShrink: (peer: string) => boolean;
  /** Waited for in the end: a manifest that took long would be asked of others as well. */
  readonly limit?: DownloadLimit | undefined;
  readonly signal: AbortSignal;
}

/**
 * The manifest of a digest: what an earlier run left in staging, or else what the first peer sends
 * that has it. It hashes to the digest; who sends another one is dropped. Kept in staging.
 *
 * @returns undefined when no peer of the crowd has it as such, and no more are to be expected
 * @throws StoreFailed; the signal's reason
 */
export async function findManifest(
  digest: Digest,
  crowd: Crowd,
  { staging, mayShrink, limit, signal }: ManifestOptions,
): Promise<Manifest | undefined> {
  const left = staging.readManifest();
  if (left !== undefined) {
    try {
      return usable(digest, readManifest(digest, left));
    } catch (error) {
      if (!(error instanceof ManifestMismatch || error instanceof InvalidManifest)) throw error;
    }
  }
  const found = await new Inquiry(digest, crowd, mayShrink, signal).answer();
  if (found === undefined) return undefined;
  staging.saveManifest(found.bytes);
  await limit?.take(found.bytes.length, signal);
  return usable(digest, found.manifest);
}

/** A manifest that hashes to the digest. */
interface Found {
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

/** Asks one peer after the other, and does not wait for a slow one alone. */
class Inquiry {
  readonly #digest: Digest;
  readonly #crowd: Crowd;
  readonly #mayShrink: (peer: string) => boolean;
  readonly #outer: AbortSignal;
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  readonly #asked = new Set<Member>();
  readonly #waiting = new WaitingTurns();
  readonly #found = Promise.withResolvers<Found | undefined>();
  readonly #tasks = new Set<Promise<void>>();
  /** Those that are being asked just now, and not left alone for a while. */
  #running = 0;
  #hurry: ReturnType<typeof setTimeout> | undefined;
  #atOnce = 1;

  constructor(
    digest: Digest,
    crowd: Crowd,
    mayShrink: (peer: string) => boolean,
    signal: AbortSignal,
  ) {
    this.#digest = digest;
    this.#crowd = crowd;
    this.#mayShrink = mayShrink;
    this.#outer = signal;
    this.#signal = AbortSignal.any([signal, this.#over.signal]);
  }

  async answer(): Promise<Found | undefined> {
    this.#outer.throwIfAborted();
    const onAbort = () => this.#found.reject(this.#outer.reason);
    this.#outer.addEventListener("abort", onAbort);
    this.#crowd.onJoin = () => this.#next();
    this.#crowd.onSettled = () => this.#next();
    this.#crowd.isInTheWay = (_member, rate, turns) =>
      this.#running >= AT_ONCE &&
      this.#waiting.isInTheWay(rate, turns, this.#unasked() !== undefined);
    try {
      this.#next();
      return await this.#found.promise;
    } finally {
      this.#outer.removeEventListener("abort", onAbort);
      this.#crowd.onJoin = () => {};
      this.#crowd.onSettled = () => {};
      this.#crowd.isInTheWay = () => false;
      clearTimeout(this.#hurry);
      this.#over.abort();
      await Promise.all(this.#tasks);
    }
  }

  #next(): void {
    if (this.#signal.aborted) return;
    while (this.#running < this.#atOnce) {
      const member = this.#unasked() ?? this.#waiting.next();
      if (member === undefined) break;
      this.#asked.add(member);
      const task = this.#ask(member)
        .catch((error) => this.#found.reject(error))
        .finally(() => {
          this.#tasks.delete(task);
          this.#next();
        });
      this.#tasks.add(task);
    }
    if (this.#tasks.size === 0) {
      if (this.#crowd.settled) this.#found.resolve(undefined);
    } else if (this.#atOnce < AT_ONCE) {
      this.#hurry ??= setTimeout(() => {
        this.#hurry = undefined;
        this.#atOnce++;
        this.#next();
      }, SECOND_MANIFEST_MS);
    }
  }

  #unasked(): Member | undefined {
    return this.#crowd.usable.find((member) => !this.#asked.has(member));
  }

  async #ask(member: Member): Promise<void> {
    try {
      const bytes = await patiently(member.name, this.#signal, () => this.#once(member));
      if (bytes === undefined) {
        member.state = "archives";
        return;
      }
      this.#found.resolve({ bytes, manifest: readManifest(this.#digest, bytes) });
    } catch (error) {
      if (this.#signal.aborted) return;
      if (error instanceof ManifestMismatch || error instanceof InvalidManifest) {
        const cause = error;
        this.#crowd.drop(member, new PeerLied(member.name, error.message, { cause }));
      } else if (isPeerFault(error)) this.#crowd.drop(member, error);
      else if (error instanceof PeerSlow) this.#waiting.add(member, error.bytesPerSecond);
      else throw error;
    }
  }

  async #once({ peer }: Member): Promise<Uint8Array | undefined> {
    this.#running++;
    const zstd = this.#mayShrink(peer.name);
    const asked = peer.manifest(this.#digest, { zstd }, this.#signal)
      .finally(() => this.#running--);
    // While this one is left alone another one may be asked.
    asked.catch(() => this.#next());
    return await asked;
  }
}

/** Names that are harmless elsewhere mean other files on Windows, or climb out of the tree. */
function usable(digest: Digest, manifest: Manifest): Manifest {
  if (Deno.build.os !== "windows") return manifest;
  for (const { name } of manifest.entries) {
    const problem = windowsNameProblem(name);
    if (problem !== undefined) throw new StoreFailed(`Cannot store ${digest} here: ${problem}`);
  }
  return manifest;
}
