import { createHash, type Hash, hash } from "node:crypto";
import { storeError } from "../store/errors.ts";
import { RangeSet } from "./range_set.ts";

/** The content of one extent while only some of it is here; it may come in any order. */
export interface Partial {
  /** Peers that some of it came from. */
  readonly contributors: Set<string>;
  readonly received: RangeSet;
  /** Takes bytes that belong at `within`; what was there already stays as it was. */
  write(within: number, bytes: Uint8Array, from: string): void;
  /** The hash of the whole, in hex; only when all of it is here. */
  digest(): string;
  close(): void;
}

/** Content that is small enough to be kept in memory until all of it is here. */
export class PartialBuffer implements Partial {
  readonly contributors = new Set<string>();
  readonly received = new RangeSet();
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #hashName: string;

  constructor(size: number, hashName: string) {
    this.bytes = new Uint8Array(size);
    this.#hashName = hashName;
  }

  write(within: number, bytes: Uint8Array, from: string): void {
    for (
      const { start, end } of this.received.missing({ start: within, end: within + bytes.length })
    ) {
      this.bytes.set(bytes.subarray(start - within, end - within), start);
      this.contributors.add(from);
    }
    this.received.add({ start: within, end: within + bytes.length });
  }

  digest(): string {
    return hash(this.#hashName, this.bytes, "hex");
  }

  close(): void {}
}

const READ_SIZE = 1024 * 1024;

/** Content in a file of its own. It is hashed while it comes in order, and read back where it did not. */
export class PartialFile implements Partial {
  readonly contributors = new Set<string>();
  readonly received = new RangeSet();
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #hash: Hash;
  #hashed = 0;
  #position = 0;

  /**
   * @param path a file that does not exist yet, or one whose beginning `resume` may take over
   * @throws StoreFailed, as `write` does
   */
  constructor(path: string, hashName: string, options: { resume: boolean }) {
    this.#path = path;
    this.#hash = createHash(hashName);
    try {
      this.#file = Deno.openSync(path, {
        read: true,
        write: true,
        createNew: !options.resume,
        mode: 0o644,
      });
    } catch (cause) {
      throw storeError("write", path, cause);
    }
  }

  /** Counts the first `size` bytes of the file as received, from `origin`. */
  resume(size: number, origin: string): void {
    this.received.add({ start: 0, end: size });
    this.contributors.add(origin);
    this.#readBack(size);
  }

  write(within: number, bytes: Uint8Array, from: string): void {
    for (
      const { start, end } of this.received.missing({ start: within, end: within + bytes.length })
    ) {
      const part = bytes.subarray(start - within, end - within);
      try {
        this.#seek(start);
        for (let written = 0; written < part.length;) {
          const count = this.#file.writeSync(part.subarray(written));
          written += count;
          this.#position += count;
        }
      } catch (cause) {
        throw storeError("write", this.#path, cause);
      }
      if (start === this.#hashed) {
        this.#hash.update(part);
        this.#hashed = end;
      }
      this.contributors.add(from);
    }
    this.received.add({ start: within, end: within + bytes.length });
  }

  digest(): string {
    this.#readBack(this.received.size);
    return this.#hash.digest("hex");
  }

  close(): void {
    this.#file.close();
  }

  #readBack(end: number): void {
    const buffer = new Uint8Array(READ_SIZE);
    while (this.#hashed < end) {
      this.#seek(this.#hashed);
      const count = this.#file.readSync(
        buffer.subarray(0, Math.min(READ_SIZE, end - this.#hashed)),
      );
      // A file that somebody cut: the hash will not be right, and that is then said of it.
      if (count === null) return;
      this.#hash.update(buffer.subarray(0, count));
      this.#hashed += count;
      this.#position += count;
    }
  }

  #seek(position: number): void {
    if (this.#position !== position) this.#file.seekSync(position, Deno.SeekMode.Start);
    this.#position = position;
  }
}
