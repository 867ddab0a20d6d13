import { isUtf8 } from "node:buffer";
import { InvalidManifest, ManifestMismatch } from "../errors.ts";
import { type Algorithm, algorithmOf, type Digest } from "./digest.ts";
import { digestOf } from "./digest_of.ts";
import type { Entries } from "./entry.ts";
import { formatLine } from "./line.ts";
import { LineParser } from "./line_parser.ts";
import { Lines } from "./lines.ts";
import { GroupedNesting, InterleavedNesting } from "./nesting.ts";

export interface Manifest {
  readonly algorithm: Algorithm;
  /** In the order of the manifest's lines; the root has none. */
  readonly entries: Entries;
  /**
   * The old format of `sha1` does not always say which directory a file is in. If true, the
   * `directory` of files and symlinks is not to be relied on: only the tree tells, see
   * `resolveEntries`.
   */
  readonly ambiguous: boolean;
}

/**
 * Reads a manifest by Zero Install's manifest specification.
 *
 * Accepts only what Zero Install writes when it stores a tree: its entries, written out by the
 * specification, make these bytes again. An empty manifest is that of an empty tree.
 *
 * @param bytes must not change while the manifest is used: its entries are read from them
 * @throws InvalidManifest with the reason, and the line if it is one line's fault
 */
export function parseManifest(algorithm: Algorithm, bytes: Uint8Array): Manifest {
  if (!isUtf8(bytes)) throw new InvalidManifest("it is not UTF-8");
  const nesting = algorithm === "sha1" ? new InterleavedNesting() : new GroupedNesting();
  const parser = new LineParser(algorithm, nesting);
  const entries = Lines.of(bytes, (text, line) => parser.parse(text, line));
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

/** The same in parts, for who needs no more than one at a time; they are not to be changed. */
export function* formatParts({ entries }: Manifest): Generator<Uint8Array> {
  if (entries.bytes !== undefined) {
    yield entries.bytes;
    return;
  }
  const encoder = new TextEncoder();
  let lines: string[] = [];
  for (const entry of entries) {
    lines.push(formatLine(entry));
    if (lines.length < LINES_AT_ONCE) continue;
    yield encoder.encode(lines.join(""));
    lines = [];
  }
  yield encoder.encode(lines.join(""));
}

/** The texts of hundreds of thousands of lines at once would take several times what they say. */
const LINES_AT_ONCE = 4096;
