import { PeerLied } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { BLOCK_SIZE } from "../wire/limits.ts";
import type { Assembly } from "./assembly.ts";
import type { Peer } from "./peer.ts";

/**
 * Gets from one peer what an assembly still lacks.
 *
 * @param onProgress called now and then, when bytes have come
 * @throws PeerFailed or PeerLied when the peer cannot go on or must not; what it sent that was
 *   right is kept, and another peer goes on from there
 * @throws StoreFailed when it cannot be written
 */
export async function transferFrom(
  peer: Peer,
  digest: Digest,
  assembly: Assembly,
  options: { signal: AbortSignal; onProgress: () => void },
): Promise<void> {
  const { signal, onProgress } = options;
  const size = assembly.stream.size;
  while (!assembly.complete) {
    for (const { start, end } of assembly.missing()) {
      const block = new Block(assembly, start, peer.name);
      try {
        for await (const part of peer.content(digest, { start, end, size }, signal)) {
          if (block.push(part)) {
            refuseLiar(peer, assembly);
            onProgress();
          }
        }
      } finally {
        block.flush();
      }
      refuseLiar(peer, assembly);
      onProgress();
    }
  }
}

function refuseLiar(peer: Peer, assembly: Assembly): void {
  const lie = assembly.liars.get(peer.name);
  if (lie !== undefined) throw new PeerLied(peer.name, lie);
}

/**
 * Gathers what comes in small parts into blocks, so that most files reach the assembly whole
 * and are hashed and written in one go.
 */
class Block {
  readonly #assembly: Assembly;
  readonly #from: string;
  readonly #buffer = new Uint8Array(BLOCK_SIZE);
  #offset: number;
  #filled = 0;

  constructor(assembly: Assembly, offset: number, from: string) {
    this.#assembly = assembly;
    this.#offset = offset;
    this.#from = from;
  }

  /** Takes the next bytes; returns whether some went on to the assembly. */
  push(part: Uint8Array): boolean {
    let wrote = false;
    for (let at = 0; at < part.length;) {
      const count = Math.min(part.length - at, BLOCK_SIZE - this.#filled);
      this.#buffer.set(part.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === BLOCK_SIZE) {
        this.#write(this.#assembly.wholeFilesEnd(this.#offset, this.#offset + this.#filled));
        wrote = true;
      }
    }
    return wrote;
  }

  /** Hands over what is left. */
  flush(): void {
    if (this.#filled > 0) this.#write(this.#offset + this.#filled);
  }

  #write(end: number): void {
    const count = end - this.#offset;
    this.#assembly.write(this.#offset, this.#buffer.subarray(0, count), this.#from);
    this.#buffer.copyWithin(0, count, this.#filled);
    this.#offset = end;
    this.#filled -= count;
  }
}
