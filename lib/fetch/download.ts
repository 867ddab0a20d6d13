import {
  InvalidArchive,
  PeerFailed,
  PeerLied,
  StoreFailed,
  UnsupportedTree,
  VerificationFailed,
} from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { contentStream } from "../manifest/layout.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { sealTree, sealUnpacked, type VerifiedTree } from "../store/commit.ts";
import { PieceFile, readPieceStates } from "../store/piece_file.ts";
import { requireSpace } from "../store/space.ts";
import type { Staging } from "../store/staging.ts";
import type { PieceFrame } from "../wire/piece_frame.ts";
import { unpackArchive } from "./archive.ts";
import { Assembly } from "./assembly/assembly.ts";
import { canHaveWriter } from "./assembly/file_writer.ts";
import { prepareTree } from "./assembly/leftovers.ts";
import { Pieces } from "./assembly/pieces.ts";
import { reuseLocalFiles } from "./assembly/reuse.ts";
import { Compression, type CompressionMode } from "./compression.ts";
import type { Crowd } from "./crowd.ts";
import type { DownloadLimit } from "./download_limit.ts";
import type { ReportFetch } from "./events.ts";
import { findManifest } from "./manifest_source.ts";
import { patiently } from "./patience.ts";
import { isOnThisMachine, type Peer } from "./peer/peer.ts";
import { transferFromAll } from "./transfer.ts";

export interface DownloadOptions {
  /** Stores whose implementations may have some of the same files. */
  readonly stores: readonly string[];
  readonly compress: CompressionMode;
  readonly limit: DownloadLimit | undefined;
  readonly report: ReportFetch;
  readonly signal: AbortSignal;
  /** There is something to give to others from now on. */
  readonly onShareable: () => void;
  /** A verified piece came as this frame, and may be given on like that. */
  readonly onFrame: (frame: PieceFrame) => void;
}

const NO_STATES = new Uint8Array();

/** One implementation on its way into staging, from whoever has it. */
export class Download implements Disposable {
  readonly #digest: Digest;
  readonly #staging: Staging;
  readonly #options: DownloadOptions;
  readonly #compression: Compression;
  #pieces: Pieces | undefined;
  #assembly: Assembly | undefined;

  constructor(digest: Digest, staging: Staging, options: DownloadOptions) {
    this.#digest = digest;
    this.#staging = staging;
    this.#options = options;
    this.#compression = new Compression(options.compress);
  }

  /**
   * Gets what is missing, by manifest and content stream, from all peers of a crowd at once, and
   * finishes the tree.
   *
   * @returns undefined if the peers of the crowd cannot deliver it that way, or their manifest does
   *   not determine the tree: then archives may help
   */
  async fromContent(crowd: Crowd): Promise<VerifiedTree | undefined> {
    const { limit, signal } = this.#options;
    const manifest = await findManifest(this.#digest, crowd, {
      staging: this.#staging,
      mayShrink: (peer) => this.#compression.acceptsManifest(peer),
      limit,
      signal,
    });
    if (manifest === undefined || manifest.ambiguous) return undefined;
    const started = performance.now();
    const { assembly, pieces, resumed, reused } = await this.#plan(manifest);
    const complete = assembly.complete || await this.#transfer(crowd, assembly, pieces);
    this.#summarize(crowd, assembly, { resumed, reused, started });
    if (!complete) return undefined;
    assembly.finish();
    return await sealTree(this.#staging, manifest, { contents: "finished", signal });
  }

  /**
   * Gets all of it as an archive, and verifies the tree that is in it.
   *
   * @returns undefined if the peer does not have it
   * @throws PeerFailed or PeerLied when another peer may be tried
   */
  async fromArchive(peer: Peer): Promise<VerifiedTree | undefined> {
    const { limit, report, signal } = this.#options;
    const pace = async (bytes: number) => await limit?.take(bytes, signal);
    const ask = () => peer.archive(this.#digest, signal, pace);
    const archive = await patiently(peer.name, signal, ask);
    if (archive === undefined) return undefined;
    this[Symbol.dispose]();
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
      const executables = await unpackArchive(archive, this.#staging.tree, { signal, onBytes });
      const keepsModes = Deno.build.os !== "windows";
      return await sealUnpacked(this.#staging, keepsModes ? { signal } : { signal, executables });
    } catch (cause) {
      // Nothing of a wrong archive is worth keeping: which files are right is not known.
      this.#staging.reset();
      throw blame(peer, cause);
    }
  }

  [Symbol.dispose](): void {
    this.#assembly?.close();
    this.#pieces?.[Symbol.dispose]();
    this.#assembly = undefined;
    this.#pieces = undefined;
  }

  /** Makes staging ready with what an earlier run left, and what other implementations here have. */
  async #plan(manifest: Manifest) {
    const { store, tree } = this.#staging;
    const { report, signal, stores } = this.#options;
    const states = readPieceStates(store, this.#digest);
    // Nothing of it is verified for this run, and files are going to be put in places of others.
    new PieceFile(store, this.#digest, states?.map((state) => Math.min(state, 1)) ?? NO_STATES)
      [Symbol.dispose]();
    const pieces = this.#pieces = new Pieces(contentStream(manifest));
    const assembly = this.#assembly = new Assembly(manifest, tree, pieces);
    await prepareTree(manifest, tree, assembly, { states, signal });
    const resumed = assembly.received;
    await reuseLocalFiles(assembly, this.#staging, stores, { report, signal });
    const reused = assembly.received - resumed;
    const total = assembly.stream.size;
    const missing = total - assembly.received;
    requireSpace(store, missing);
    pieces.open(store, this.#digest);
    let files = 0;
    for (const { kind } of manifest.entries) if (kind === "file") files++;
    report({ kind: "planned", digest: this.#digest, total, missing, files });
    return { assembly, pieces, resumed, reused };
  }

  async #transfer(crowd: Crowd, assembly: Assembly, pieces: Pieces): Promise<boolean> {
    const { limit, onFrame, onShareable, report, signal } = this.#options;
    const digest = this.#digest;
    onShareable();
    if (paysToShareWriting(assembly, crowd)) void assembly.shareWriting();
    return await transferFromAll({
      digest,
      crowd,
      assembly,
      pieces,
      compression: this.#compression,
      limit,
      signal,
      onFrame,
      onFirstAsk: ({ name }) => report({ kind: "connecting", peer: name, digest }),
      onProgress: () =>
        report({
          kind: "progress",
          digest,
          done: assembly.received,
          total: assembly.stream.size,
          peers: crowd.usable.length,
        }),
    });
  }

  #summarize(
    crowd: Crowd,
    assembly: Assembly,
    known: { resumed: number; reused: number; started: number },
  ): void {
    const peers = [...crowd.members.values()].filter(({ tally }) => tally.questions > 0);
    this.#options.report({
      kind: "summary",
      digest: this.#digest,
      total: assembly.stream.size,
      resumed: known.resumed,
      reused: known.reused,
      seconds: (performance.now() - known.started) / 1000,
      peers: peers.map(({ name, reason, tally }) => ({
        peer: name,
        ...tally,
        dropped: reason?.message,
      })),
    });
  }
}

/** Whether another thread is to create files: not where others are to read there at once. */
function paysToShareWriting(assembly: Assembly, { usable }: Crowd): boolean {
  if (!assembly.lacksManyFiles || usable.some(({ state }) => state === "partial")) return false;
  const busy = usable.some(({ name }) => isOnThisMachine(name)) ? 2 : 1;
  return canHaveWriter(busy);
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
