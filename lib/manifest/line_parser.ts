import { InvalidManifest } from "../errors.ts";
import { type Algorithm, hashNameOf } from "./digest.ts";
import {
  type DirectoryEntry,
  type Entry,
  type FileEntry,
  MANIFEST_NAME,
  MAX_SYMLINK_SIZE,
  type SymlinkEntry,
} from "./entry.ts";
import { cutFile, cutSymlink } from "./line.ts";
import type { Nesting } from "./nesting.ts";
import { nameProblem } from "./safe_path.ts";

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

/** Reads the lines of one manifest, in order, and takes only what Zero Install would have written. */
export class LineParser {
  readonly #nesting: Nesting;
  readonly #old: boolean;
  readonly #emptyHash: string;

  constructor(algorithm: Algorithm, nesting: Nesting) {
    this.#nesting = nesting;
    this.#old = algorithm === "sha1";
    this.#emptyHash = EMPTY_HASH[hashNameOf(algorithm)];
  }

  /**
   * @param text without the newline
   * @param line its number, from 1 on
   * @throws InvalidManifest
   */
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
    const parts = cutFile(text);
    if (
      parts === undefined || !this.#hasHash(text, parts.hash) || !INTEGER.test(parts.mtime) ||
      !NATURAL.test(parts.size) || parts.name === ""
    ) throw malformed(text, text[0] as "F" | "X", line);
    const { hash, name } = parts;
    const mtime = toInteger(parts.mtime, line);
    const size = toInteger(parts.size, line);
    if (size === 0 && hash !== this.#emptyHash) {
      throw new InvalidManifest(`${JSON.stringify(name)} is empty but its hash is not`, line);
    }
    const directory = this.#place(name, line);
    return { kind: "file", directory, name, hash, size, mtime, executable: text[0] === "X" };
  }

  #parseSymlink(text: string, line: number): SymlinkEntry {
    const parts = cutSymlink(text);
    if (
      parts === undefined || !this.#hasHash(text, parts.hash) || !NATURAL.test(parts.size) ||
      parts.size === "0" || parts.name === ""
    ) throw malformed(text, "S", line);
    const { hash, name } = parts;
    const size = toInteger(parts.size, line);
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
  #hasHash(text: string, hash: string): boolean {
    return text[1] === " " && hash.length === this.#emptyHash.length && HEXADECIMAL.test(hash);
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
