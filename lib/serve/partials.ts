import { ShareError } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import type { SymlinkEntry } from "../manifest/entry.ts";
import { contentStream, pieceSize } from "../manifest/layout.ts";
import { readManifest } from "../manifest/manifest.ts";
import { manifestState } from "../store/file_state.ts";
import { pathIn } from "../store/lookup.ts";
import { readPieceStates } from "../store/piece_file.ts";
import { STAGING_PREFIX, TREE_SUFFIX } from "../store/staging.ts";
import { pieceCount } from "../wire/availability.ts";
import { MAX_MANIFEST_SIZE } from "../wire/limits.ts";
import type { Held } from "./held.ts";
import { ListedTree } from "../store/listed_tree.ts";

/** Downloads at once on one machine are few; each keeps its manifest here. */
const CACHED_DOWNLOADS = 8;

const VERIFIED = 2;

/** After so long without a new piece a download is taken for abandoned, in milliseconds. */
const ABANDONED_MS = 60_000;

/** How long a download is taken to be there without a look; which pieces it has is looked up each time. */
const LOOK_AGAIN_MS = 50;

interface Cached {
  /** Of the manifest's file. */
  readonly state: string;
  /** Undefined if nothing can be given of it, which need not be found out again. */
  readonly held: Held | undefined;
  /** Whether it had pieces to give then. */
  readonly gives: boolean;
  /** When it was looked at the last time, in milliseconds. */
  readonly looked: number;
}

/** What downloads into the stores have got so far: staging, as the fetching process leaves it. */
export class Partials {
  /** By path of the staging, least recently used first. */
  readonly #cache = new Map<string, Cached>();

  /**
   * What a download in this store has; undefined if there is none, or none that got as far as to
   * know its pieces. `piecesHere` says at every call what it has then.
   */
  find(store: string, digest: Digest): Held | undefined {
    const control = pathIn(store, STAGING_PREFIX + digest);
    const now = performance.now();
    const cached = this.#cache.get(control);
    if (cached !== undefined && now - cached.looked < LOOK_AGAIN_MS) {
      return cached.gives ? cached.held : undefined;
    }
    const state = manifestState(control, "manifest", MAX_MANIFEST_SIZE);
    if (state === undefined) return undefined;
    this.#cache.delete(control);
    const held = cached?.state === state ? cached.held : read(store, digest, control);
    if (held === "unreadable") return undefined;
    const gives = held?.piecesHere?.() !== undefined;
    this.#cache.set(control, { state, held, gives, looked: now });
    if (this.#cache.size > CACHED_DOWNLOADS) {
      this.#cache.delete(this.#cache.keys().next().value!);
    }
    return gives ? held : undefined;
  }
}

function read(store: string, digest: Digest, control: string): Held | undefined | "unreadable" {
  try {
    const manifestBytes = Deno.readFileSync(`${control}/manifest`);
    const manifest = readManifest(digest, manifestBytes);
    // Such a tree is got as an archive, so that it has no pieces.
    if (manifest.ambiguous) return undefined;
    const stream = contentStream(manifest);
    const held = { digest, path: control + TREE_SUFFIX, manifestBytes, manifest, stream };
    return { ...held, piecesHere: piecesOf(store, held) };
  } catch (error) {
    // A wrong manifest is found out by the fetching process itself. Nor are too many open files or a
    // failing disk a reason to stop answering.
    return error instanceof ShareError ? undefined : "unreadable";
  }
}

function piecesOf(store: string, held: Held): () => Uint8Array<ArrayBuffer> | undefined {
  const count = pieceCount(held.stream.size);
  const symlinks = symlinksByPiece(held);
  /** Pieces whose symlinks were seen since they were verified: the next run makes them anew. */
  const seen = new Set<number>();
  return () => {
    const states = readPieceStates(store, held.digest, { within: ABANDONED_MS });
    if (states?.length !== count) return undefined;
    // Not with a function for each: this is done at every request, of some thousands of pieces.
    const flags = new Uint8Array(count);
    for (let piece = 0; piece < count; piece++) if (states[piece] === VERIFIED) flags[piece] = 1;
    for (const [piece, links] of symlinks) {
      if (flags[piece] !== 1) seen.delete(piece);
      else if (!seen.has(piece)) {
        if (exist(held, links)) seen.add(piece);
        else flags[piece] = 0;
      }
    }
    return flags;
  };
}

/** A fetch makes symlinks last: what is not there yet cannot be read, verified or not. */
function symlinksByPiece({ stream }: Held): Map<number, SymlinkEntry[]> {
  const byPiece = new Map<number, SymlinkEntry[]>();
  const each = pieceSize(stream.size);
  for (const { offset, size, first } of stream.extents) {
    if (first.kind !== "symlink") continue;
    const last = Math.floor((offset + size - 1) / each);
    for (let piece = Math.floor(offset / each); piece <= last; piece++) {
      const links = byPiece.get(piece);
      // Tens of thousands may be in one piece.
      if (links === undefined) byPiece.set(piece, [first]);
      else links.push(first);
    }
  }
  return byPiece;
}

function exist({ digest, path }: Held, links: readonly SymlinkEntry[]): boolean {
  const tree = new ListedTree(digest, path);
  try {
    for (const link of links) tree.readLink(link);
    return true;
  } catch {
    return false;
  }
}
