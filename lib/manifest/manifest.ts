import { InvalidManifest, ManifestMismatch } from "../errors.ts";
import { type Algorithm, algorithmOf, type Digest, hashNameOf } from "./digest.ts";
import { digestOf } from "./digest_of.ts";
import { GroupedNesting, InterleavedNesting, type Nesting } from "./nesting.ts";
import { nameProblem } from "./safe_path.ts";

export interface FileEntry {
  readonly kind: "file";
  /** Relative to the root, without a leading slash: "" for the root, "a/b" below. */
  readonly directory: string;
  readonly name: string;
  /** Of the content: lower-case hexadecimal, of the manifest's hash function. */
  readonly hash: string;
  /** In bytes. */
  readonly size: number;
  /** In whole seconds since 1970; may be negative. */
  readonly mtime: number;
  readonly executable: boolean;
}

export interface SymlinkEntry {
  readonly kind: "symlink";
  readonly directory: string;
  readonly name: string;
  /** Of the target, the only thing that a manifest knows about it besides its size. */
  readonly hash: string;
  /** Of the target in bytes, never 0. */
  readonly size: number;
}

export interface DirectoryEntry {
  readonly kind: "directory";
  /** The parent. */
  readonly directory: string;
  readonly name: string;
  /** In whole seconds since 1970; only in the format of `sha1`. */
  readonly mtime?: number;
}

export type Entry = FileEntry | SymlinkEntry | DirectoryEntry;

export interface Manifest {
  readonly algorithm: Algorithm;
  /** In the order of the manifest's lines; the root has none. */
  readonly entries: readonly Entry[];
  /**
   * The old format of `sha1` does not always say which directory a file is in. If true, the
   * `directory` of files and symlinks is not to be relied on: only the tree tells, see
   * `resolveEntries`.
   */
  readonly ambiguous: boolean;
}

/** The file at the root of an implementation that holds its manifest, which does not list it. */
export const MANIFEST_NAME = ".manifest";

/** No system has longer ones; whoever makes a symlink may hold its target in memory. */
export const MAX_SYMLINK_SIZE = 65_535;

/** The manifest's path of an entry: "a/b/name". */
export function pathOf(entry: Entry): string {
  return entry.directory === "" ? entry.name : `${entry.directory}/${entry.name}`;
}

/**
 * Reads a manifest by Zero Install's manifest specification.
 *
 * Accepts only what Zero Install writes when it stores a tree: `formatManifest` of the result is
 * `bytes` again. An empty manifest is that of an empty tree.
 *
 * @throws InvalidManifest with the reason, and the line if it is one line's fault
 */
export function parseManifest(algorithm: Algorithm, bytes: Uint8Array): Manifest {
  const old = algorithm === "sha1";
  const nesting = old ? new InterleavedNesting() : new GroupedNesting();
  const parser = new LineParser(algorithm, nesting);
  const entries: Entry[] = [];
  for (const text of texts(bytes)) {
    for (let start = 0; start < text.length;) {
      const end = text.indexOf("\n", start);
      if (end < 0) throw new InvalidManifest("its last line does not end", entries.length + 1);
      entries.push(parser.parse(text.slice(start, end), entries.length + 1));
      start = end + 1;
    }
  }
  return { algorithm, entries, ambiguous: nesting.ambiguous };
}

/**
 * Reads the manifest of a digest, after checking that it is the one: its hash is in the digest.
 *
 * @throws ManifestMismatch when it is another manifest
 * @throws InvalidManifest when it is not one that Zero Install would have written
 */
export function readManifest(digest: Digest, bytes: Uint8Array): Manifest {
  const algorithm = algorithmOf(digest);
  const actual = digestOf(algorithm, bytes);
  if (actual !== digest) throw new ManifestMismatch(digest, actual);
  return parseManifest(algorithm, bytes);
}

/** Writes a manifest by Zero Install's manifest specification. */
export function formatManifest(manifest: Manifest): Uint8Array<ArrayBuffer> {
  const parts = [...formatParts(manifest)];
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}

/** The same in parts, for who needs no more than one at a time. */
export function* formatParts({ entries }: Manifest): Generator<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  for (let at = 0; at < entries.length; at += LINES_AT_ONCE) {
    const lines = entries.slice(at, at + LINES_AT_ONCE).map(formatEntry);
    yield encoder.encode(lines.join(""));
  }
}

/** The texts of hundreds of thousands of lines at once would take several times what they say. */
const LINES_AT_ONCE = 4096;

function formatEntry(entry: Entry): string {
  switch (entry.kind) {
    case "file": {
      const letter = entry.executable ? "X" : "F";
      return `${letter} ${entry.hash} ${entry.mtime} ${entry.size} ${entry.name}\n`;
    }
    case "symlink":
      return `S ${entry.hash} ${entry.size} ${entry.name}\n`;
    case "directory": {
      const mtime = entry.mtime === undefined ? "" : ` ${entry.mtime}`;
      return `D${mtime} /${pathOf(entry)}\n`;
    }
  }
}

/** In bytes: decoding takes twice as much again for a moment. */
const DECODED_AT_ONCE = 1024 * 1024;

/** The text in parts that end where lines do. */
function* texts(bytes: Uint8Array): Generator<string> {
  // A byte order mark at the start would be dropped otherwise, and two texts would be one.
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (let start = 0, end; start < bytes.length; start = end) {
    end = bytes.indexOf(NEWLINE, start + DECODED_AT_ONCE) + 1 || bytes.length;
    try {
      yield decoder.decode(bytes.subarray(start, end));
    } catch (error) {
      if (error instanceof TypeError) throw new InvalidManifest("it is not UTF-8");
      throw error;
    }
  }
}

const NEWLINE = 10;

const EMPTY_HASH = {
  sha1: "da39a3ee5e6b4b0d3255bfef95601890afd80709",
  sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
} as const;

const FORMS = {
  D: "D /PATH",
  "D sha1": "D MTIME /PATH",
  S: "S HASH SIZE NAME",
  F: "F HASH MTIME SIZE NAME",
  X: "X HASH MTIME SIZE NAME",
} as const;

const HEXADECIMAL = /^[0-9a-f]+$/;
const INTEGER = /^(?:0|-?[1-9][0-9]*)$/;
const NATURAL = /^(?:0|[1-9][0-9]*)$/;

/** Cuts lines at their spaces: a pattern for whole lines would take three times as long. */
class LineParser {
  readonly #nesting: Nesting;
  readonly #old: boolean;
  readonly #emptyHash: string;

  constructor(algorithm: Algorithm, nesting: Nesting) {
    this.#nesting = nesting;
    this.#old = algorithm === "sha1";
    this.#emptyHash = EMPTY_HASH[hashNameOf(algorithm)];
  }

  parse(text: string, line: number): Entry {
    switch (text[0]) {
      case "F":
      case "X":
        return this.#parseFile(text, line);
      case "S":
        return this.#parseSymlink(text, line);
      case "D":
        return this.#parseDirectory(text, line);
      default:
        throw new InvalidManifest(
          `a line must begin with D, F, S or X, found ${JSON.stringify(text.slice(0, 80))}`,
          line,
        );
    }
  }

  #parseFile(text: string, line: number): FileEntry {
    const hashEnd = text.indexOf(" ", 2);
    const mtimeEnd = text.indexOf(" ", hashEnd + 1);
    const sizeEnd = text.indexOf(" ", mtimeEnd + 1);
    const hash = text.slice(2, hashEnd);
    const mtimeDigits = text.slice(hashEnd + 1, mtimeEnd);
    const sizeDigits = text.slice(mtimeEnd + 1, sizeEnd);
    const name = text.slice(sizeEnd + 1);
    if (
      !this.#hasHash(text, hashEnd) || !INTEGER.test(mtimeDigits) || !NATURAL.test(sizeDigits) ||
      mtimeEnd < hashEnd || sizeEnd < mtimeEnd || name === ""
    ) throw malformed(text, text[0] as "F" | "X", line);
    const mtime = toInteger(mtimeDigits, line);
    const size = toInteger(sizeDigits, line);
    if (size === 0 && hash !== this.#emptyHash) {
      throw new InvalidManifest(`${JSON.stringify(name)} is empty but its hash is not`, line);
    }
    const directory = this.#place(name, line);
    return { kind: "file", directory, name, hash, size, mtime, executable: text[0] === "X" };
  }

  #parseSymlink(text: string, line: number): SymlinkEntry {
    const hashEnd = text.indexOf(" ", 2);
    const sizeEnd = text.indexOf(" ", hashEnd + 1);
    const hash = text.slice(2, hashEnd);
    const sizeDigits = text.slice(hashEnd + 1, sizeEnd);
    const name = text.slice(sizeEnd + 1);
    if (
      !this.#hasHash(text, hashEnd) || !NATURAL.test(sizeDigits) || sizeDigits === "0" ||
      sizeEnd < hashEnd || name === ""
    ) throw malformed(text, "S", line);
    const size = toInteger(sizeDigits, line);
    if (size > MAX_SYMLINK_SIZE) {
      throw new InvalidManifest(
        `a symlink's target has at most ${MAX_SYMLINK_SIZE} bytes, found ${size}`,
        line,
      );
    }
    return { kind: "symlink", directory: this.#place(name, line), name, hash, size };
  }

  #parseDirectory(text: string, line: number): DirectoryEntry {
    const mtimeEnd = this.#old ? text.indexOf(" ", 2) : 1;
    const mtimeDigits = text.slice(2, mtimeEnd);
    const path = text.slice(mtimeEnd + 1);
    if (
      text[1] !== " " || path[0] !== "/" || path.length < 2 ||
      this.#old && (mtimeEnd < 0 || !INTEGER.test(mtimeDigits))
    ) throw malformed(text, this.#old ? "D sha1" : "D", line);
    const name = path.slice(path.lastIndexOf("/") + 1);
    checkEntryName(name, path === `/${name}`, line);
    const directory = this.#nesting.addDirectory(path, line);
    if (!this.#old) return { kind: "directory", directory, name };
    return { kind: "directory", directory, name, mtime: toInteger(mtimeDigits, line) };
  }

  /** Whether the line's letter is followed by a hash, as it must be. */
  #hasHash(text: string, end: number): boolean {
    return text[1] === " " && end === 2 + this.#emptyHash.length &&
      HEXADECIMAL.test(text.slice(2, end));
  }

  #place(name: string, line: number): string {
    checkEntryName(name, false, line);
    const directory = this.#nesting.addFile(name, line);
    if (directory === "") checkEntryName(name, true, line);
    return directory;
  }
}

function checkEntryName(name: string, atRoot: boolean, line: number): void {
  const problem = atRoot && name === MANIFEST_NAME
    ? `the root's ${MANIFEST_NAME} cannot be listed`
    : nameProblem(name);
  if (problem !== undefined) throw new InvalidManifest(problem, line);
}

function toInteger(digits: string, line: number): number {
  const value = Number(digits);
  if (!Number.isSafeInteger(value)) {
    throw new InvalidManifest(`a number must be below 2^53, found ${digits.slice(0, 80)}`, line);
  }
  return value;
}

function malformed(text: string, form: keyof typeof FORMS, line: number): InvalidManifest {
  return new InvalidManifest(
    `a line must read ${FORMS[form]} in canonical form, found ${
      JSON.stringify(text.slice(0, 200))
    }`,
    line,
  );
}
