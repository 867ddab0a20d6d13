import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Digest } from "../manifest/digest.ts";
import { pieceSize } from "../manifest/layout.ts";
import { pieceCount } from "../wire/availability.ts";
import { CHUNK_SIZE, REMEMBERED_PIECE_DIGESTS } from "../wire/limits.ts";
import type { Source } from "./body.ts";
import { ContentReader } from "./content.ts";
import type { Held } from "./held.ts";
import type { KnownFiles } from "./known_files.ts";

/** SHA-256. */
const DIGEST_SIZE = 32;

/** Chunks that are hashed between two turns of the event loop: about 2 ms. */
const CHUNKS_PER_TURN = 4;

/** SHA-256 of every piece, computed when somebody asks, once for all who do. */
export class PieceDigests {
  readonly #known: KnownFiles;
  readonly #signal: AbortSignal;
  /** Least recently used first. */
  readonly #computations = new Map<Digest, Computation>();
  /** One at a time: who asks for many must not make the machine read all of them at once. */
  #last: Promise<void> = Promise.resolve();

  /** @param signal ends all computations */
  constructor(known: KnownFiles, signal: AbortSignal) {
    this.#known = known;
    this.#signal = signal;
  }

  /** How much a source gives, in bytes. */
  sizeFor(held: Held): number {
    return pieceCount(held.stream.size) * DIGEST_SIZE;
  }

  /**
   * 32 bytes for each piece of a complete implementation, given as soon as each is known. It fails
   * when a file turns out to be damaged, also after the digests of that file's pieces.
   */
  sourceOf(held: Held): Source {
    let computation = this.#computations.get(held.digest);
    if (computation === undefined) {
      computation = new Computation(held, this.#known, this.#signal, this.#last);
      const started = computation;
      this.#last = started.finished.catch(() => {});
      started.finished.catch(() => {
        // What was damaged may be put right; then it is computed again.
        if (this.#computations.get(held.digest) === started) {
          this.#computations.delete(held.digest);
        }
      });
    }
    this.#computations.delete(held.digest);
    this.#computations.set(held.digest, computation);
    if (this.#computations.size > REMEMBERED_PIECE_DIGESTS) {
      this.#computations.delete(this.#computations.keys().next().value!);
    }
    return computation.source();
  }
}

class Computation {
  readonly finished: Promise<void>;
  readonly #digests: Uint8Array<ArrayBuffer>;
  /** How many bytes of them are there. */
  #done = 0;
  #more = Promise.withResolvers<void>();

  /** @param turn settles when it may begin */
  constructor(held: Held, known: KnownFiles, signal: AbortSignal, turn: Promise<void>) {
    this.#digests = new Uint8Array(pieceCount(held.stream.size) * DIGEST_SIZE);
    this.finished = turn.then(() => this.#compute(held, known, signal));
  }

  source(): Source {
    let given = 0;
    return {
      next: async () => {
        while (given === this.#done) {
          if (this.#done === this.#digests.length) {
            await this.finished;
            return undefined;
          }
          await Promise.race([this.#more.promise, this.finished]);
        }
        const from = given;
        given = this.#done;
        return this.#digests.slice(from, given);
      },
      close: () => {},
    };
  }

  async #compute(held: Held, known: KnownFiles, signal: AbortSignal): Promise<void> {
    const { size } = held.stream;
    const each = pieceSize(size);
    const reader = new ContentReader(held, 0, size, { known });
    // The same for all: the memory of a new one takes longer than reading and hashing.
    const chunk = new Uint8Array(Math.min(CHUNK_SIZE, size));
    try {
      let chunks = 0;
      // One more turn first, so that whoever asked can be answered.
      await setImmediate();
      for (let end = Math.min(each, size); reader.position < size;) {
        const hash = createHash("sha256");
        while (reader.position < end) {
          const part = chunk.subarray(0, end - reader.position);
          reader.read(part);
          hash.update(part);
          if (++chunks % CHUNKS_PER_TURN !== 0) continue;
          await setImmediate();
          signal.throwIfAborted();
        }
        this.#digests.set(hash.digest(), this.#done);
        this.#done += DIGEST_SIZE;
        this.#more.resolve();
        this.#more = Promise.withResolvers();
        end = Math.min(end + each, size);
      }
    } finally {
      reader.close();
    }
  }
}
