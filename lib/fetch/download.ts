import {
  InvalidArchive,
  InvalidManifest,
  ManifestMismatch,
  PeerFailed,
  PeerLied,
  StoreFailed,
  UnsupportedTree,
  VerificationFailed,
} from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { type Manifest, readManifest } from "../manifest/manifest.ts";
import { windowsNameProblem } from "../manifest/safe_path.ts";
import { sealTree, sealUnpacked, type VerifiedTree } from "../store/commit.ts";
import { requireSpace } from "../store/space.ts";
import type { Staging } from "../store/staging.ts";
import { unpackArchive } from "./archive.ts";
import { Assembly } from "./assembly.ts";
import type { ReportFetch } from "./events.ts";
import { prepareTree } from "./leftovers.ts";
import type { Peer } from "./peer.ts";
import { reuseLocalFiles } from "./reuse.ts";
import { transferFrom } from "./transfer.ts";

interface DownloadOptions {
  /** Stores whose implementations may have some of the same files. */
  readonly stores: readonly string[];
  readonly report: ReportFetch;
  readonly signal: AbortSignal;
}

/**
 * One implementation on its way into staging. What one peer sent stays when another one takes over.
 *
 * A peer that makes mistakes is refused with PeerFailed or PeerLied, and the next one may be tried;
 * any other error means that no peer can help.
 */
export class Download implements Disposable {
  readonly #digest: Digest;
  readonly #staging: Staging;
  readonly #options: DownloadOptions;
  #manifest: Manifest | undefined;
  #assembly: Assembly | undefined;

  constructor(digest: Digest, staging: Staging, options: DownloadOptions) {
    this.#digest = digest;
    this.#staging = staging;
    this.#options = options;
  }

  /** Bytes of the content stream that are here. */
  get received(): number {
    return this.#assembly?.received ?? 0;
  }

  /**
   * Gets what is missing, by manifest and content stream, and finishes the tree. A tree that its
   * manifest does not determine is got as an archive.
   *
   * @returns undefined if the peer knows only archives, or does not have it at all
   */
  async fromContent(peer: Peer): Promise<VerifiedTree | undefined> {
    const { report, signal } = this.#options;
    if (this.#manifest === undefined) {
      const bytes = await peer.manifest(this.#digest, signal);
      if (bytes === undefined) return undefined;
      this.#manifest = this.#believe(peer, bytes);
      if (Deno.build.os === "windows") requireWindowsNames(this.#digest, this.#manifest);
      this.#staging.saveManifest(bytes);
    }
    // Where a file belongs is not in such a manifest: only an archive says it, and no peer is better.
    if (this.#manifest.ambiguous) return await this.fromArchive(peer);
    this.#assembly ??= await this.#assemble(this.#manifest);
    const assembly = this.#assembly;
    const total = assembly.stream.size;
    await transferFrom(peer, this.#digest, assembly, {
      signal,
      onProgress: () =>
        report({
          kind: "progress",
          digest: this.#digest,
          done: assembly.received,
          total,
          peers: 1,
        }),
    });
    assembly.finish();
    return await sealTree(this.#staging, this.#manifest, {
      contents: "finished",
      signal,
    });
  }

  /**
   * Gets all of it as an archive, and verifies the tree that is in it.
   *
   * @returns undefined if the peer does not have it
   */
  async fromArchive(peer: Peer): Promise<VerifiedTree | undefined> {
    const { report, signal } = this.#options;
    const archive = await peer.archive(this.#digest, signal);
    if (archive === undefined) return undefined;
    this.#assembly?.close();
    this.#assembly = undefined;
    this.#staging.reset();
    let done = 0;
    const onBytes = (count: number) =>
      report({
        kind: "progress",
        digest: this.#digest,
        done: done += count,
        total: done,
        peers: 1,
      });
    try {
      await unpackArchive(archive, this.#staging.tree, { signal, onBytes });
      return await sealUnpacked(this.#staging, { signal });
    } catch (cause) {
      // Nothing of a wrong archive is worth keeping: which files are right is not known.
      this.#staging.reset();
      throw blame(peer, cause);
    }
  }

  [Symbol.dispose](): void {
    this.#assembly?.close();
  }

  #believe(peer: Peer, bytes: Uint8Array): Manifest {
    try {
      return readManifest(this.#digest, bytes);
    } catch (cause) {
      if (cause instanceof ManifestMismatch || cause instanceof InvalidManifest) {
        throw new PeerLied(peer.name, cause.message, { cause });
      }
      throw cause;
    }
  }

  /** Makes staging ready with what an earlier run left, and what other implementations here have. */
  async #assemble(manifest: Manifest): Promise<Assembly> {
    const { store } = this.#staging;
    const { report, signal, stores } = this.#options;
    const assembly = new Assembly(manifest, this.#staging.tree);
    prepareTree(manifest, this.#staging.tree, assembly);
    await reuseLocalFiles(assembly, this.#staging, stores, { report, signal });
    const total = assembly.stream.size;
    const missing = total - assembly.received;
    requireSpace(store, missing);
    const files = manifest.entries.filter((entry) => entry.kind === "file").length;
    report({ kind: "planned", digest: this.#digest, total, missing, files });
    return assembly;
  }
}

/** Names that are harmless elsewhere mean other files on Windows, or climb out of the tree. */
function requireWindowsNames(digest: Digest, manifest: Manifest): void {
  for (const { name } of manifest.entries) {
    const problem = windowsNameProblem(name);
    if (problem !== undefined) throw new StoreFailed(`Cannot store ${digest} here: ${problem}`);
  }
}

/** What it says of a peer that its archive could not be used. */
function blame(peer: Peer, cause: unknown): unknown {
  if (cause instanceof VerificationFailed) {
    const reason = `an archive of another tree: expected ${cause.expected}, found ${cause.actual}`;
    return new PeerLied(peer.name, reason, { cause });
  }
  if (cause instanceof InvalidArchive || cause instanceof UnsupportedTree) {
    return new PeerLied(peer.name, cause.message, { cause });
  }
  // Which names an archive has, and how much there is of it, is up to the peer: the archive of
  // another one may fit.
  if (cause instanceof StoreFailed) return new PeerFailed(peer.name, cause.message, { cause });
  return cause;
}
