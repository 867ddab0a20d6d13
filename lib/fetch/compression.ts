import { hasZstd } from "../wire/zstd.ts";

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

/** Peers of this machine, by name: there is no wire, and both sides share one processor. */
const LOOPBACK = /^(127\.|::1$|\[::1\])/;

/**
 * Decides of which peers to take pieces compressed. How fast the wire is shows in how long a peer is
 * waited for: the time that hashing and writing take here says nothing about it.
 */
export class Compression {
  readonly #mode: CompressionMode;
  readonly #slow = new Map<string, boolean>();

  /** @param can whether this runtime can expand what it gets: otherwise never, whatever `mode` says */
  constructor(mode: CompressionMode, can: boolean = hasZstd()) {
    this.#mode = can ? mode : "never";
  }

  /** Whether this peer may compress; one that was not measured yet may not. */
  accepts(peer: string): boolean {
    return this.#mode === "auto" ? this.#slow.get(peer) === true : this.#mode === "always";
  }

  /** An answer came that was not compressed. */
  measured(peer: string, { bytes, seconds }: { bytes: number; seconds: number }): void {
    if (bytes > 0 && !LOOPBACK.test(peer)) this.#slow.set(peer, bytes < FAST_WIRE * seconds);
  }
}
