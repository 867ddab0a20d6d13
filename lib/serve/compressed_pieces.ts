import { hash } from "node:crypto";
import process from "node:process";
import type { Digest } from "../manifest/digest.ts";
import { stateOf } from "../store/file_state.ts";
import { COMPRESSED_CACHE_BYTES, WORTHWHILE_SAVING } from "../wire/limits.ts";
import type { PieceFrame } from "../wire/piece_frame.ts";
import { compressFrame, hasZstd, storedFrame } from "../wire/zstd.ts";
import type { Source } from "./body.ts";
import { CompressionEffort } from "./compression_effort.ts";
import type { Unhashed } from "./content.ts";
import type { Held } from "./held.ts";
import type { PieceReader } from "./piece_reader.ts";

/** What an entry of the cache takes beside the frame, in bytes: about that. */
const ENTRY_SIZE = 400;

/** Larger pieces would keep others waiting while they are compressed: streams of over 16 GiB have them. */
const MAX_COMPRESSED_PIECE = 8 * 1024 * 1024;

/** At 110 MB/s these take 20 ms, in which nobody else is answered. */
const MAX_WELL_COMPRESSED = 2 * 1024 * 1024;

/** How long an implementation counts as in use after it was asked for. */
const IN_USE_MS = 60_000;

/** How many pieces of a run are tried before all of it is compressed: spread over it. */
const SAMPLES = 3;

/** What is kept of one piece. */
interface Frame {
  /**
   * What the piece was: of a download its hash, as that may take a piece back and get another one. Of
   * what is complete the files that were not hashed, for one that is replaced has other bytes.
   */
  readonly of: string | readonly Unhashed[];
  /** Undefined: it does not shrink. */
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
}

/** What is kept of one implementation. */
interface Kept {
  /** When it was asked for the last time, in milliseconds. */
  used: number;
  /** By piece. */
  readonly frames: Map<number, Frame>;
}

/**
 * Pieces as zstd frames, kept as long as there is room: the next machines get the same bytes.
 *
 * What is in use is not given up for more of it: machines that get an implementation from its
 * beginning to its end, one after the other, would never find anything of one that is a little
 * larger than the room.
 *
 * Nor is what was damaged given out any more once it was put right, by a new tree or in place: the
 * files that no hash decided on, one or two of a piece, are looked at each time. What remains is a
 * change that the system does not tell of: one within the same tick of the file system's clock as the
 * opening.
 */
export class CompressedPieces {
  /** Least recently used first. */
  readonly #kept = new Map<Digest, Kept>();
  readonly #room: number;
  readonly #now: () => number;
  readonly #effort: CompressionEffort;
  #bytes = 0;
  #scratch = new Uint8Array(0);

  /** @param options.room in bytes; `now` and the processor time of this process in milliseconds */
  constructor(
    options: { room?: number; now?: () => number; processor?: () => number } = {},
  ) {
    this.#room = options.room ?? COMPRESSED_CACHE_BYTES;
    this.#now = options.now ?? (() => performance.now());
    this.#effort = new CompressionEffort({
      now: this.#now,
      processor: options.processor ?? processorTime,
    });
  }

  /**
   * A source of one frame a piece, end to end, of pieces `first` to `last`, inclusive.
   *
   * @returns undefined where compressing a sample of them does not save enough to be worthwhile,
   *   or cannot be done
   * @throws DamagedImplementation
   */
  sourceOf(
    held: Held,
    first: number,
    last: number,
    reader: PieceReader,
  ): CompressedRun | undefined {
    if (reader.left === 0 || !hasZstd()) return undefined;
    let plain = 0;
    let compressed = 0;
    let frame: Uint8Array | undefined;
    for (const piece of samples(first, last)) {
      const bytes = reader.sizeOf(piece);
      if (bytes > MAX_COMPRESSED_PIECE) return undefined;
      plain += bytes;
      frame = this.frameOf(held, piece, reader);
      compressed += frame?.length ?? bytes;
    }
    if (!saves(compressed, plain)) return undefined;
    return new CompressedRun(this, held, first, last, reader, first === last ? frame : undefined);
  }

  /**
   * A piece as a frame in any case.
   *
   * @throws DamagedImplementation
   */
  anyFrameOf(held: Held, piece: number, reader: PieceReader): Uint8Array<ArrayBuffer> {
    return this.frameOf(held, piece, reader) ?? storedFrame(this.#plain(piece, reader));
  }

  /**
   * A piece as a frame, kept or made; undefined if it does not shrink.
   *
   * @throws DamagedImplementation
   */
  frameOf(held: Held, piece: number, reader: PieceReader): Uint8Array<ArrayBuffer> | undefined {
    const kept = this.#of(held.digest);
    // A download may take a verified piece back: its bytes themselves say whether they are the same.
    const bytes = held.piecesHere === undefined ? undefined : this.#plain(piece, reader);
    const content = bytes === undefined ? undefined : hashOf(bytes);
    const found = kept.frames.get(piece);
    if (found !== undefined && isOf(found, held, content)) {
      this.#effort.passedOver();
      return found.bytes;
    }
    // Who is getting the same has enough to do.
    const made = bytes === undefined ? this.#make(piece, reader) : compressFrame(bytes);
    const frame = saves(made.length, reader.sizeOf(piece)) ? made : undefined;
    this.#put(kept, piece, { of: content ?? reader.unhashed, bytes: frame });
    return frame;
  }

  /** Keeps a piece of a download as it came: others get it without compressing it again. */
  keep(digest: Digest, { piece, size, sha256, frame }: PieceFrame): void {
    const kept = this.#of(digest);
    if (!saves(frame.length, size) || kept.frames.get(piece)?.of === sha256) return;
    this.#put(kept, piece, { of: sha256, bytes: frame });
  }

  /** Forgets what an implementation was compressed to, because it was damaged. */
  forget(digest: Digest): void {
    for (const frame of this.#kept.get(digest)?.frames.values() ?? []) {
      this.#bytes -= costOf(frame);
    }
    this.#kept.delete(digest);
  }

  /** Valid until the next call: one room for all pieces, which are compressed one after the other. */
  #plain(piece: number, reader: PieceReader): Uint8Array {
    const size = reader.sizeOf(piece);
    if (this.#scratch.length < size) this.#scratch = new Uint8Array(size);
    return reader.piece(piece, this.#scratch);
  }

  #make(piece: number, reader: PieceReader): Uint8Array<ArrayBuffer> {
    if (reader.sizeOf(piece) > MAX_WELL_COMPRESSED) {
      return compressFrame(this.#plain(piece, reader));
    }
    const level = this.#effort.begin();
    const started = this.#now();
    const plain = this.#plain(piece, reader);
    const read = this.#now();
    const frame = compressFrame(plain, level);
    this.#effort.spent(read - started, this.#now() - read);
    return frame;
  }

  #put(kept: Kept, piece: number, frame: Frame): void {
    const old = kept.frames.get(piece);
    if (old !== undefined) this.#bytes -= costOf(old);
    kept.frames.delete(piece);
    const cost = costOf(frame);
    if (!this.#makeRoom(cost)) return;
    kept.frames.set(piece, frame);
    this.#bytes += cost;
  }

  #of(digest: Digest): Kept {
    const kept = this.#kept.get(digest) ?? { used: 0, frames: new Map() };
    kept.used = this.#now();
    this.#kept.delete(digest);
    this.#kept.set(digest, kept);
    return kept;
  }

  #makeRoom(cost: number): boolean {
    for (const [digest, { used }] of this.#kept) {
      if (this.#bytes + cost <= this.#room || this.#now() - used < IN_USE_MS) break;
      this.forget(digest);
    }
    return this.#bytes + cost <= this.#room;
  }
}

/** A run of pieces as zstd frames. */
export class CompressedRun implements Source {
  /** In bytes, where that is known before: a single piece. */
  readonly size: number | undefined;
  readonly #pieces: CompressedPieces;
  readonly #held: Held;
  readonly #reader: PieceReader;
  readonly #last: number;
  #next: number;
  readonly #single: Uint8Array | undefined;

  /** @param single the frame of the piece, where it is one: the cache may lose it before it is sent */
  constructor(
    pieces: CompressedPieces,
    held: Held,
    first: number,
    last: number,
    reader: PieceReader,
    single: Uint8Array | undefined,
  ) {
    this.#pieces = pieces;
    this.#held = held;
    this.#reader = reader;
    this.#next = first;
    this.#last = last;
    this.#single = single;
    this.size = single?.length;
  }

  next(): Uint8Array | undefined {
    const piece = this.#next++;
    if (piece > this.#last) return undefined;
    return this.#single ?? this.#pieces.anyFrameOf(this.#held, piece, this.#reader);
  }

  close(): void {
    this.#reader.close();
  }
}

function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function hashOf(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

/** Whether a frame is of the piece as it is now. */
function isOf({ of }: Frame, { path }: Held, content: string | undefined): boolean {
  if (content !== undefined || typeof of === "string") return of === content;
  return of.every((file) => isUnchanged(path, file));
}

function isUnchanged(root: string, { path, state }: Unhashed): boolean {
  try {
    return stateOf(Deno.lstatSync(`${root}/${path}`)) === state;
  } catch {
    // Reading it will say what is wrong.
    return false;
  }
}

function samples(first: number, last: number): Set<number> {
  const step = (last - first) / (SAMPLES - 1);
  return new Set(Array.from({ length: SAMPLES }, (_, n) => Math.round(first + n * step)));
}

function saves(compressed: number, plain: number): boolean {
  return compressed <= plain * (1 - WORTHWHILE_SAVING);
}

function costOf({ bytes }: Frame): number {
  return ENTRY_SIZE + (bytes?.length ?? 0);
}
