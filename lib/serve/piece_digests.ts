import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Digest } from "../manifest/digest.ts";
import { pieceSize } from "../manifest/layout.ts";
import { pieceCount } from "../wire/availability.ts";
import { CHUNK_SIZE, MAX_COMPUTATIONS, REMEMBERED_PIECE_DIGESTS } from "../wire/limits.ts";
import type { Source } from "./body.ts";
import { ContentReader } from "./content.ts";
import type { Held } from "./held.ts";
import type { KnownFiles } from "./known_files.ts";

/** SHA-256. */
const DIGEST_SIZE = 32;

/** Chunks that are hashed between two turns of the event loop: about 2 ms. */
const CHUNKS_PER_TURN = 4;

/**
 * SHA-256 of every piece, computed when somebody asks, once for all who do, and not for anybody who
 * has gone away.
 */
export class PieceDigests {
  readonly #known: KnownFiles;
  readonly #signal: AbortSignal;
  /** Those of the implementations that were asked for, least recently used first. */
  readonly #computed = new Map<Digest, Uint8Array<ArrayBuffer>>();
  /** What somebody waits for, whose turn is next first: not more than `MAX_COMPUTATIONS`. */
  readonly #wanted = new Map<Digest, Computation>();
  #isComputing = false;

  /** @param signal ends all computations */
  constructor(known: KnownFiles, signal: AbortSignal) {
    this.#known = known;
    this.#signal = signal;
  }

  /** How much a source gives, in bytes. */
  sizeFor(held: Held): number {
    return pieceCount(held.stream.size) * DIGEST_SIZE;
  }

  /** Whether there is room for these among those that are waited for. */
  hasRoomFor({ digest }: Held): boolean {
    return this.#wanted.size < MAX_COMPUTATIONS || this.#wanted.has(digest) ||
      this.#computed.has(digest);
  }

  /**
   * 32 bytes for each piece of a complete implementation for which there is room, given as soon as
   * each is known. It fails when a file turns out to be damaged, also after the digests of that
   * file's pieces.
   */
  sourceOf(held: Held): Source {
    const { digest } = held;
    const computed = this.#computed.get(digest);
    if (computed !== undefined) {
      this.#remember(digest, computed);
      return sourceOfBytes(computed);
    }
    let computation = this.#wanted.get(digest);
    if (computation === undefined) {
      computation = new Computation(held, this.#known, this.#signal);
      this.#wanted.set(digest, computation);
      void this.#computeAll();
    }
    const wanted = computation;
    return wanted.source(() => this.#drop(digest, wanted));
  }

  /** One at a time: who asks for many must not make the machine read all of them at once. */
  async #computeAll(): Promise<void> {
    if (this.#isComputing) return;
    this.#isComputing = true;
    for (let next; (next = this.#wanted.entries().next().value) !== undefined;) {
      const [digest, computation] = next;
      try {
        this.#remember(digest, await computation.run());
      } catch {
        // Whoever waits for it is told. What was damaged may be put right; then it is computed again.
      }
      this.#drop(digest, computation);
    }
    this.#isComputing = false;
  }

  /** Whoever asks from now on begins anew. */
  #drop(digest: Digest, computation: Computation): void {
    if (this.#wanted.get(digest) === computation) this.#wanted.delete(digest);
  }

  #remember(digest: Digest, digests: Uint8Array<ArrayBuffer>): void {
    this.#computed.delete(digest);
    this.#computed.set(digest, digests);
    if (this.#computed.size > REMEMBERED_PIECE_DIGESTS) {
      this.#computed.delete(this.#computed.keys().next().value!);
    }
  }
}

/** The digests of one implementation, for as long as somebody waits for them. */
class Computation {
  readonly #held: Held;
  readonly #known: KnownFiles;
  readonly #signal: AbortSignal;
  readonly #digests: Uint8Array<ArrayBuffer>;
  readonly #finished = Promise.withResolvers<void>();
  /** How many bytes of them are there. */
  #done = 0;
  #more = Promise.withResolvers<void>();
  #readers = 0;

  constructor(held: Held, known: KnownFiles, signal: AbortSignal) {
    this.#held = held;
    this.#known = known;
    this.#signal = signal;
    this.#digests = new Uint8Array(pieceCount(held.stream.size) * DIGEST_SIZE);
    this.#finished.promise.catch(() => {});
  }

  /** @param onUnread called when nobody waits for it any more */
  source(onUnread: () => void): Source {
    let given = 0;
    this.#readers++;
    return {
      next: async () => {
        while (given === this.#done) {
          if (this.#done === this.#digests.length) {
            await this.#finished.promise;
            return undefined;
          }
          await Promise.race([this.#more.promise, this.#finished.promise]);
        }
        const from = given;
        given = this.#done;
        return this.#digests.slice(from, given);
      },
      close: () => {
        if (--this.#readers === 0) onUnread();
      },
    };
  }

  /** @throws DamagedImplementation, or when nobody waits for it any more */
  async run(): Promise<Uint8Array<ArrayBuffer>> {
    try {
      // One turn first, so that whoever asked can be answered.
      await this.#turn();
      await this.#compute();
      this.#finished.resolve();
      return this.#digests;
    } catch (error) {
      this.#finished.reject(error);
      throw error;
    }
  }

  /** Lets others have their turn, if there is a reason to go on at all. */
  async #turn(): Promise<void> {
    await setImmediate();
    this.#signal.throwIfAborted();
    if (this.#readers === 0) throw new Error("nobody waits for it");
  }

  async #compute(): Promise<void> {
    const { size } = this.#held.stream;
    const each = pieceSize(size);
    const reader = new ContentReader(this.#held, 0, size, { known: this.#known });
    // The same for all: the memory of a new one takes longer than reading and hashing.
    const chunk = new Uint8Array(Math.min(CHUNK_SIZE, size));
    try {
      let chunks = 0;
      for (let end = Math.min(each, size); reader.position < size;) {
        const hash = createHash("sha256");
        while (reader.position < end) {
          const part = chunk.subarray(0, end - reader.position);
          reader.read(part);
          hash.update(part);
          if (++chunks % CHUNKS_PER_TURN === 0) await this.#turn();
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

function sourceOfBytes(bytes: Uint8Array<ArrayBuffer>): Source {
  let left: Uint8Array<ArrayBuffer> | undefined = bytes.length === 0 ? undefined : bytes.slice();
  return {
    next: () => {
      const all = left;
      left = undefined;
      return all;
    },
    close: () => {},
  };
}
