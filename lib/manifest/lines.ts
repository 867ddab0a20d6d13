import { Buffer } from "node:buffer";
import { InvalidManifest } from "../errors.ts";
import type { Entries, Entry } from "./entry.ts";
import { entryOf } from "./line.ts";

/**
 * The entries of a manifest that was read: its bytes, and where its lines begin. Entries are made when
 * they are asked for: a few hundred thousand of them take three times as much memory as their lines.
 */
export class Lines implements Entries {
  readonly bytes: Uint8Array;
  readonly #text: Buffer;
  /** Where each begins. */
  readonly #starts: Uint32Array;
  readonly #directories: readonly string[];
  /** Indices of `#directories`: where the entry of each line is. */
  readonly #places: Uint32Array;

  private constructor(
    bytes: Uint8Array,
    starts: readonly number[],
    directories: readonly string[],
    places: readonly number[],
  ) {
    this.bytes = bytes;
    this.#text = textOf(bytes);
    this.#starts = new Uint32Array(starts);
    this.#directories = directories;
    this.#places = new Uint32Array(places);
  }

  /**
   * @param bytes lines of UTF-8 with a newline each; they must not change any more
   * @param parse called with each line; gives the entry, and throws when there is none
   * @throws InvalidManifest when the last line does not end
   */
  static of(bytes: Uint8Array, parse: (line: string, number: number) => Entry): Lines {
    const text = textOf(bytes);
    const starts: number[] = [];
    const places: number[] = [];
    const directories = new Map<string, number>();
    for (let start = 0, end; start < bytes.length; start = end + 1) {
      end = bytes.indexOf(NEWLINE, start);
      if (end < 0) throw new InvalidManifest("its last line does not end", starts.length + 1);
      const { directory } = parse(text.toString("utf8", start, end), starts.length + 1);
      let place = directories.get(directory);
      if (place === undefined) directories.set(directory, place = directories.size);
      starts.push(start);
      places.push(place);
    }
    return new Lines(bytes, starts, [...directories.keys()], places);
  }

  get length(): number {
    return this.#starts.length;
  }

  at(index: number): Entry | undefined {
    const start = this.#starts[index];
    if (start === undefined) return undefined;
    const end = (this.#starts[index + 1] ?? this.bytes.length) - 1;
    return entryOf(
      this.#text.toString("utf8", start, end),
      this.#directories[this.#places[index]!]!,
    );
  }

  *[Symbol.iterator](): Generator<Entry> {
    for (let index = 0; index < this.length; index++) yield this.at(index)!;
  }
}

const NEWLINE = 10;

function textOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
