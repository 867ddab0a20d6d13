import { hasZstd } from "../wire/zstd.ts";
import type { Times } from "./answer.ts";
import { isOnThisMachine } from "./peer.ts";

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

/** What pieces are expected to take on the wire before any came, as a part of their size. */
const USUAL_RATIO = 0.6;

/** So many bytes of what came compressed are remembered, roughly: the next ones are like the last ones. */
const REMEMBERED = 16 * 1024 * 1024;

/**
 * Decides of which peers to take pieces compressed. While a peer is waited for now and then, all that
 * its wire carries is taken: what the system gathers while we hash and write counts as well.
 */
export class Compression {
  readonly #mode: CompressionMode;
  readonly #slow = new Map<string, boolean>();
  #came = { bytes: 0, wire: 0 };

  /** @param can whether this runtime can expand what it gets: otherwise never, whatever `mode` says */
  constructor(mode: CompressionMode, can: boolean = hasZstd()) {
    this.#mode = can ? mode : "never";
  }

  /** Whether this peer may compress; one that was not measured yet may not. */
  accepts(peer: string): boolean {
    return this.#mode === "auto" ? this.#slow.get(peer) === true : this.#mode === "always";
  }

  /**
   * What a piece of this peer is expected to take on the wire, as a part of its size; undefined if the
   * peer may not compress.
   */
  ratioOf(peer: string): number | undefined {
    if (!this.accepts(peer)) return undefined;
    const { bytes, wire } = this.#came;
    return bytes === 0 ? USUAL_RATIO : wire / bytes;
  }

  /**
   * Bytes of pieces that might have come compressed were so many on the wire: as many if they came as
   * they are, because they do not shrink or the peer cannot compress.
   */
  shrank(bytes: number, wire: number): void {
    this.#came.bytes += bytes;
    this.#came.wire += wire;
    if (this.#came.bytes <= REMEMBERED) return;
    this.#came.bytes /= 2;
    this.#came.wire /= 2;
  }

  /** An answer came that was not compressed. */
  measured(peer: string, { bytes, seconds, waitedSeconds }: Times & { bytes: number }): void {
    // There is no wire, and both sides share the processors.
    if (bytes === 0 || isOnThisMachine(peer)) return;
    const waits = waitedSeconds >= WAITED_PART * seconds;
    this.#slow.set(peer, waits && bytes < FAST_WIRE * seconds);
  }
}
