import { createHash, type Hash, hash } from "node:crypto";
import { storeError } from "../../store/errors.ts";
import type { ByteRange } from "../../wire/range.ts";
import { RangeSet, without } from "./range_set.ts";

/** Some bytes of a content, and who sent them. */
export interface Contribution extends ByteRange {
  readonly from: string;
}

/** Remembers who sent what. */
class Contributions {
  #list: Contribution[] = [];

  add({ start, end }: ByteRange, from: string): void {
    const last = this.#list.at(-1);
    if (last?.from === from && last.end === start) {
      this.#list[this.#list.length - 1] = { ...last, end };
    } else this.#list.push({ start, end, from });
  }

  /** What comes in its place is whoever's sends that. */
  remove(range: ByteRange): void {
    this.#list = this.#list.flatMap((one) => without(one, range));
  }

  get all(): readonly Contribution[] {
    return this.#list;
  }

  /** Everybody who sent some of it. */
  get names(): Set<string> {
    return new Set(this.#list.map(({ from }) => from));
  }
}

/** The content of one extent while only some of it is here; it may come in any order. */
export interface Partial {
  /** Peers that some of it came from. */
  readonly contributors: Set<string>;
  /** What each of them sent. */
  readonly contributions: readonly Contribution[];
  readonly received: RangeSet;
  /** Takes bytes that belong at `within`, and says which of them are new; the rest stays as it was. */
  write(within: number, bytes: Uint8Array, from: string): ByteRange[];
  /** Fills `into` with what is at `within`; false if some of that is not here. */
  read(within: number, into: Uint8Array): boolean;
  /** The hash of the whole, in hex; only when all of it is here. */
  digest(): string;
  close(): void;
}

/** Content that is small enough to be kept in memory until all of it is here. */
export class PartialBuffer implements Partial {
  readonly received = new RangeSet();
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #hashName: string;

  readonly #contributions = new Contributions();

  constructor(size: number, hashName: string) {
    this.bytes = new Uint8Array(size);
    this.#hashName = hashName;
  }

  get contributors(): Set<string> {
    return this.#contributions.names;
  }

  get contributions(): readonly Contribution[] {
    return this.#contributions.all;
  }

  write(within: number, bytes: Uint8Array, from: string): ByteRange[] {
    const fresh = this.received.missing({ start: within, end: within + bytes.length });
    for (const { start, end } of fresh) {
      this.bytes.set(bytes.subarray(start - within, end - within), start);
      this.#contributions.add({ start, end }, from);
    }
    this.received.add({ start: within, end: within + bytes.length });
    return fresh;
  }

  read(within: number, into: Uint8Array): boolean {
    const range = { start: within, end: within + into.length };
    if (this.received.missing(range).length > 0) return false;
    into.set(this.bytes.subarray(range.start, range.end));
    return true;
  }

  digest(): string {
    return hash(this.#hashName, this.bytes, "hex");
  }

  close(): void {}
}

const READ_SIZE = 1024 * 1024;

/** For what is read back: one call follows the other. */
let reading: Uint8Array<ArrayBuffer> | undefined;

/** What is read back and hashed between two turns of the event loop, in bytes: some 15 ms. */
const HASH_TURN_SIZE = 16 * 1024 * 1024;

/** The same after each write, in bytes: four times what a block brings, so that it does catch up. */
const CATCH_UP_SIZE = 1024 * 1024;

/** So many files are open at a time: some systems let a program have 256, and it is not alone with them. */
const MAX_OPEN = 64;

/** Those that are open, the one that was used least recently first. */
const opened = new Set<PartialFile>();

/** Content in a file of its own. It is hashed while it comes in order, and read back where it did not. */
export class PartialFile implements Partial {
  readonly received = new RangeSet();
  readonly #contributions = new Contributions();
  readonly #path: string;
  /** Undefined while others are used. */
  #file: Deno.FsFile | undefined;
  readonly #hashName: string;
  #hash: Hash;
  #hashed = 0;
  #position = 0;

  /**
   * @param path a file that does not exist yet, or one of this size whose parts `resume` takes over
   * @param size in bytes, which the file has from the beginning: others may read what is here of it
   * @throws StoreFailed, as all methods do
   */
  constructor(path: string, size: number, hashName: string, options: { resume: boolean }) {
    this.#path = path;
    this.#hashName = hashName;
    this.#hash = createHash(hashName);
    try {
      const file = this.#open({ createNew: !options.resume, mode: 0o644 });
      if (!options.resume) file.truncateSync(size);
    } catch (cause) {
      this.close();
      throw storeError("write", path, cause);
    }
  }

  get contributors(): Set<string> {
    return this.#contributions.names;
  }

  get contributions(): readonly Contribution[] {
    return this.#contributions.all;
  }

  /** How much would have to be read back now to know the hash of what is here, in bytes. */
  get unhashed(): number {
    return this.received.size - this.#hashed;
  }

  /** Counts a range of the file as received, from `origin`. */
  resume(range: ByteRange, origin: string): void {
    this.received.add(range);
    this.#contributions.add(range, origin);
  }

  write(within: number, bytes: Uint8Array, from: string): ByteRange[] {
    const fresh = this.received.missing({ start: within, end: within + bytes.length });
    for (const { start, end } of fresh) {
      const part = bytes.subarray(start - within, end - within);
      try {
        const file = this.#at(start);
        for (let written = 0; written < part.length;) {
          const count = file.writeSync(part.subarray(written));
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
      this.#contributions.add({ start, end }, from);
    }
    this.received.add({ start: within, end: within + bytes.length });
    this.#catchUp();
    return fresh;
  }

  read(within: number, into: Uint8Array): boolean {
    const range = { start: within, end: within + into.length };
    if (this.received.missing(range).length > 0) return false;
    try {
      return this.#fill(within, into) === into.length;
    } catch (cause) {
      throw storeError("read", this.#path, cause);
    }
  }

  /** Takes ranges for not received. */
  forget(ranges: readonly ByteRange[]): void {
    for (const range of ranges) {
      this.received.remove(range);
      this.#contributions.remove(range);
    }
    this.#hash = createHash(this.#hashName);
    this.#hashed = 0;
  }

  /** Goes on with hashing what is here from the beginning; false when nothing is left to do. */
  hashSome(): boolean {
    const gap = this.#gap;
    const before = this.#hashed;
    this.#readBack(Math.min(gap, before + HASH_TURN_SIZE));
    // Of a file that somebody cut there is no more to come.
    return before < this.#hashed && this.#hashed < gap;
  }

  /** Hashes some of what came earlier than what is in front of it: in the end little is left. */
  #catchUp(): void {
    const gap = this.#gap;
    if (gap > this.#hashed) this.#readBack(Math.min(gap, this.#hashed + CATCH_UP_SIZE));
  }

  /** Where what is here from the hashed part on ends. */
  get #gap(): number {
    return this.received.missing({ start: this.#hashed, end: Infinity })[0]!.start;
  }

  digest(): string {
    this.#readBack(this.received.size);
    return this.#hash.copy().digest("hex");
  }

  close(): void {
    opened.delete(this);
    this.#file?.close();
    this.#file = undefined;
  }

  #readBack(end: number): void {
    const buffer = reading ??= new Uint8Array(READ_SIZE);
    try {
      while (this.#hashed < end) {
        const room = buffer.subarray(0, Math.min(buffer.length, end - this.#hashed));
        const count = this.#fill(this.#hashed, room);
        // A file that somebody cut: the hash will not be right, and that is then said of it.
        if (count === 0) return;
        this.#hash.update(buffer.subarray(0, count));
        this.#hashed += count;
      }
    } catch (cause) {
      throw storeError("read", this.#path, cause);
    }
  }

  /** Reads what is at `position`; the count is smaller only at the end of the file. */
  #fill(position: number, into: Uint8Array): number {
    const file = this.#at(position);
    let filled = 0;
    while (filled < into.length) {
      const count = file.readSync(into.subarray(filled));
      if (count === null) break;
      filled += count;
      this.#position += count;
    }
    return filled;
  }

  /** The file, where it is to be read or written next. */
  #at(position: number): Deno.FsFile {
    const file = this.#open({});
    if (this.#position !== position) file.seekSync(position, Deno.SeekMode.Start);
    this.#position = position;
    return file;
  }

  #open(options: Deno.OpenOptions): Deno.FsFile {
    opened.delete(this);
    for (const oldest of opened) {
      if (opened.size < MAX_OPEN) break;
      oldest.close();
    }
    opened.add(this);
    if (this.#file === undefined) {
      this.#file = Deno.openSync(this.#path, { read: true, write: true, ...options });
      this.#position = 0;
    }
    return this.#file;
  }
}
