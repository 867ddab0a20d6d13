import { hasZstd } from "../wire/zstd.ts";
import type { Times } from "./peer/answer.ts";
import { isOnThisMachine } from "./peer/peer.ts";
import type { Shrinking } from "./span_plan.ts";

/** Whether pieces may come compressed: where that is faster, in any case, or never. */
export type CompressionMode = "auto" | "always" | "never";

export function isCompressionMode(text: string): text is CompressionMode {
  return text === "auto" || text === "always" || text === "never";
}

/**
 * Over a faster wire than this, in bytes per second, compressing takes longer than sending: 1 Gbit/s
 * carries 118 MB/s, and one core compresses 400 MB/s while it has to read and hash as well.
 */
const FAST_WIRE = 140e6;

/**
 * Who spends less of the time than this with waiting is busy with what came, and cannot tell how much
 * more the wire would carry.
 */
const WAITED_PART = 0.15;

/**
 * An answer of fewer bytes says how long the peer thinks about it, and not how fast the wire is. It is
 * the size of the smallest pieces.
 */
const TELLING = 256 * 1024;

/**
 * The first answer of a peer, if it is shorter than this, says as well how long a server and a
 * connection take to get going: it has to be far slower than a fast wire to tell of a slow one.
 */
const TELLING_FIRST = 1024 * 1024;
const FAR_SLOWER = 1 / 4;

/** What is hoped for before any piece came: scripts take less, and programs a little more. */
const UNTRIED: Shrinking = { ratio: 0.25, tried: false };

/** So much of what came is remembered, roughly, in bytes: the next pieces are like the last ones. */
const REMEMBERED = 16 * 1024 * 1024;

/**
 * Decides of which peers to take pieces compressed. While a peer is waited for now and then, all that
 * its wire carries is taken: what the system gathers while we hash and write counts as well.
 */
export class Compression {
  readonly #mode: CompressionMode;
  readonly #slow = new Map<string, boolean>();
  /** Those that have sent something that may tell how fast their wire is. */
  readonly #heard = new Set<string>();
  /** By peer, because who lies shall mislead us of nobody else: what pieces of it were on the wire. */
  readonly #came = new Map<string, { bytes: number; wire: number }>();

  /** @param can whether this runtime can expand what it gets: otherwise never, whatever `mode` says */
  constructor(mode: CompressionMode, can: boolean = hasZstd()) {
    this.#mode = can ? mode : "never";
  }

  /** Whether this peer may compress; one that was not measured yet may not. */
  accepts(peer: string): boolean {
    return this.#mode === "auto" ? this.#slow.get(peer) === true : this.#mode === "always";
  }

  /**
   * Whether this peer may compress a manifest, before anything is known of its wire: that is text,
   * two thirds smaller in less time than they take on a wire of 1 Gbit/s.
   */
  acceptsManifest(peer: string): boolean {
    return this.#mode === "auto" ? !isOnThisMachine(peer) : this.#mode === "always";
  }

  /** What is expected of pieces of this peer; undefined if it may not compress. */
  expectedOf(peer: string): Shrinking | undefined {
    if (!this.accepts(peer)) return undefined;
    const came = this.#came.get(peer);
    return came === undefined ? UNTRIED : { ratio: came.wire / came.bytes, tried: true };
  }

  /**
   * Bytes of pieces that might have come compressed were so many on the wire: as many if they came as
   * they are, because they do not shrink or the peer cannot compress.
   */
  shrank(peer: string, bytes: number, wire: number): void {
    if (bytes === 0) return;
    let came = this.#came.get(peer);
    if (came === undefined) this.#came.set(peer, came = { bytes: 0, wire: 0 });
    came.bytes += bytes;
    came.wire += wire;
    if (came.bytes <= REMEMBERED) return;
    came.bytes /= 2;
    came.wire /= 2;
  }

  /** An answer came that was not compressed; a short one says nothing. */
  measured(peer: string, { bytes, seconds, waitedSeconds }: Times & { bytes: number }): void {
    if (bytes < TELLING) return;
    // There is no wire, and both sides share the processors.
    if (isOnThisMachine(peer)) return;
    const isFirst = !this.#heard.has(peer);
    this.#heard.add(peer);
    if (isFirst && bytes < TELLING_FIRST && bytes > FAR_SLOWER * FAST_WIRE * seconds) return;
    const waits = waitedSeconds >= WAITED_PART * seconds;
    this.#slow.set(peer, waits && bytes < FAST_WIRE * seconds);
  }
}
