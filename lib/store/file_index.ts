import { setImmediate } from "node:timers/promises";
import { algorithmOf, type Digest, hashNameOf } from "../manifest/digest.ts";
import { digestOf } from "../manifest/digest_of.ts";
import { type FileEntry, MANIFEST_NAME } from "../manifest/entry.ts";
import { parseManifest } from "../manifest/manifest.ts";
import { resolveEntries } from "../manifest/resolve.ts";
import { listImplementations, type StoredImplementation } from "./lookup.ts";

/** An implementation in a store, and files of it whose contents are wanted. */
export interface LocalFiles {
  readonly implementation: StoredImplementation;
  /** In manifest order, never empty, some thousands at most; several may have the same content. */
  readonly files: readonly FileEntry[];
}

export interface FindOptions {
  /** What the wanted hashes are made with: only manifests that use the same can be compared. */
  readonly hashName: "sha1" | "sha256";
  /** Implementations not to look at. */
  readonly except?: readonly Digest[] | undefined;
  /** Its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** In bytes: half a million files. One manifest at a time is held in memory. */
const MAX_MANIFEST_SIZE = 64 * 1024 * 1024;

/** Files that are told of at once: as few megabytes, and so few that parsing them is no delay. */
const FILES_AT_ONCE = 4096;

/** What is scanned between two turns of the event loop: some 20 ms. */
const BYTES_PER_TURN = 8 * 1024 * 1024;

/**
 * Finds files with wanted contents among the implementations in the stores, the newest
 * implementation first: the version before the wanted one has most of it, more likely than not. An
 * implementation that has many comes several times, one after the other.
 *
 * Only manifests are read here. One that has a wanted hash is believed when it hashes to its
 * implementation's digest; whether the files are still what it lists is for the caller to check, on
 * the copies. What cannot be read, or is damaged, is passed over.
 *
 * @param wanted by hash, lower-case hexadecimal, with the size in bytes. To be looked at again before
 *   each use of a file: the caller takes out what it has got, and the search ends when it is empty
 */
export async function* findLocalFiles(
  stores: readonly string[],
  wanted: ReadonlyMap<string, { readonly size: number }>,
  options: FindOptions,
): AsyncGenerator<LocalFiles> {
  if (wanted.size === 0) return;
  const { hashName, except = [], signal } = options;
  const scanner = new Scanner(wanted);
  const reader = new ManifestReader();
  let scanned = 0;
  for (const implementation of newestFirst(stores)) {
    const { digest, path } = implementation;
    if (hashNameOf(algorithmOf(digest)) !== hashName || except.includes(digest)) continue;
    const manifest = reader.read(`${path}/${MANIFEST_NAME}`);
    if (manifest === undefined) continue;
    scanned += manifest.length;
    if (scanned > BYTES_PER_TURN) {
      scanned = 0;
      await setImmediate();
    }
    signal?.throwIfAborted();
    for (const files of filesIn(implementation, manifest, scanner)) {
      if (files.length > 0) yield { implementation, files };
      if (wanted.size === 0) return;
    }
  }
}

function newestFirst(stores: readonly string[]): StoredImplementation[] {
  const times = new Map<StoredImplementation, number>();
  for (const implementation of listImplementations(stores)) {
    try {
      const { mtime } = Deno.statSync(implementation.path);
      times.set(implementation, mtime?.getTime() ?? 0);
    } catch {
      // It was removed since it was listed.
    }
  }
  return [...times].sort(([, a], [, b]) => b - a).map(([implementation]) => implementation);
}

function* filesIn(
  { digest, path }: StoredImplementation,
  bytes: Uint8Array,
  scanner: Scanner,
): Generator<FileEntry[]> {
  const algorithm = algorithmOf(digest);
  let believed = false;
  for (const part of scanner.extract(bytes)) {
    if (!believed && digestOf(algorithm, bytes) !== digest) return;
    believed = true;
    try {
      // In the old format, where a file is depends on all the lines before it.
      const { entries } = algorithm === "sha1"
        ? resolveEntries(parseManifest(algorithm, bytes), path)
        : parseManifest(algorithm, part);
      const wanted: FileEntry[] = [];
      for (const entry of entries) {
        if (entry.kind === "file" && scanner.isWanted(entry)) wanted.push(entry);
      }
      // Nothing reads in the bytes any more, which the next manifest takes the place of.
      yield wanted;
    } catch {
      // Not what Zero Install would have written, or an ambiguous one whose tree is damaged.
      return;
    }
    if (algorithm === "sha1") return;
  }
}

/** Reads manifests into one buffer, which is valid until the next one. */
class ManifestReader {
  #buffer = new Uint8Array(1024 * 1024);

  /** Undefined if there is none, or nothing that could be one. */
  read(path: string): Uint8Array | undefined {
    try {
      const { isFile, size } = Deno.lstatSync(path);
      if (!isFile || size > MAX_MANIFEST_SIZE) return undefined;
      if (size > this.#buffer.length) this.#buffer = new Uint8Array(size * 2);
      using file = Deno.openSync(path);
      let filled = 0;
      while (filled < size) {
        const count = file.readSync(this.#buffer.subarray(filled, size));
        if (count === null) break;
        filled += count;
      }
      return this.#buffer.subarray(0, filled);
    } catch {
      return undefined;
    }
  }
}

const LETTER = { D: 68, F: 70, S: 83, X: 88 };
const NEWLINE = 10;
const SLASH = 47;

/** Hexadecimal digits of a hash that are looked at first, and the bits that they make. */
const PREFIX_DIGITS = 6;
const PREFIX_BITS = 4 * PREFIX_DIGITS;

/**
 * Looks through the bytes of manifests for files with wanted contents. Nearly all lines are of other
 * files: of each the beginning of the hash is looked up in a bitmap, and no text is made of it.
 */
class Scanner {
  readonly #wanted: ReadonlyMap<string, { readonly size: number }>;
  readonly #hashLength: number;
  readonly #prefixes = new Uint8Array(2 ** (PREFIX_BITS - 3));
  readonly #decoder = new TextDecoder("latin1");

  /** @param wanted by hash, not empty, may become smaller later */
  constructor(wanted: ReadonlyMap<string, { readonly size: number }>) {
    this.#wanted = wanted;
    const [first] = wanted.keys();
    this.#hashLength = first!.length;
    for (const hash of wanted.keys()) {
      const prefix = parseInt(hash.slice(0, PREFIX_DIGITS), 16);
      this.#prefixes[prefix >> 3]! |= 1 << (prefix & 7);
    }
  }

  isWanted(entry: FileEntry): boolean {
    return this.#wanted.get(entry.hash)?.size === entry.size;
  }

  /**
   * The lines of files with wanted hashes, and of the directories on the way to them. Of any format
   * but the old one each part is again a manifest, of a part of the tree.
   */
  *extract(manifest: Uint8Array): Generator<Uint8Array> {
    let lines: Uint8Array[] = [];
    let directory = manifest.subarray(0, 0);
    let files = 0;
    for (let at = 0; at < manifest.length; at++) {
      const line = at;
      const letter = manifest[at];
      let wanted = false;
      if (letter === LETTER.F || letter === LETTER.X) {
        at += 2 + this.#hashLength;
        wanted = this.#hasWantedHash(manifest, line + 2, at);
      } else if (letter !== LETTER.D && letter !== LETTER.S) return;
      while (at < manifest.length && manifest[at] !== NEWLINE) at++;
      if (letter === LETTER.D) lines.push(directory = manifest.subarray(line, at + 1));
      if (!wanted) continue;
      lines.push(manifest.subarray(line, at + 1));
      if (++files < FILES_AT_ONCE) continue;
      yield concatenate(lines);
      files = 0;
      lines = ancestorLines(directory);
    }
    if (files > 0) yield concatenate(lines);
  }

  #hasWantedHash(manifest: Uint8Array, start: number, end: number): boolean {
    let prefix = 0;
    for (let at = start; at < start + PREFIX_DIGITS; at++) {
      const code = manifest[at]!;
      // Digits are 0x30 and on, small letters 0x61 and on.
      prefix = prefix << 4 | (code & 15) + (code >> 6) * 9;
    }
    prefix &= 2 ** PREFIX_BITS - 1;
    return (this.#prefixes[prefix >> 3]! >> (prefix & 7) & 1) === 1 &&
      this.#wanted.has(this.#decoder.decode(manifest.subarray(start, end)));
  }
}

/** The lines of all directories on the way to the one that a line is about, and this line. */
function ancestorLines(line: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let slash = line.indexOf(SLASH); slash >= 0;) {
    slash = line.indexOf(SLASH, slash + 1);
    lines.push(slash < 0 ? line : concatenate([line.subarray(0, slash), Uint8Array.of(NEWLINE)]));
  }
  return lines;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
