import { UnsupportedTree } from "../../errors.ts";
import { hashNameOf } from "../../manifest/digest.ts";
import { byDirectory, type FileEntry, pathOf } from "../../manifest/entry.ts";
import { FileHasher } from "../../manifest/hash_file.ts";
import { type ContentStream, type Extent, pieceSize } from "../../manifest/layout.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { storeError } from "../../store/errors.ts";
import { removeTree } from "../../store/remove.ts";
import { ensureRealDirectory } from "../../store/store_directory.ts";
import { BLOCK_SIZE } from "../../wire/limits.ts";
import type { ByteRange } from "../../wire/range.ts";
import type { Assembly } from "./assembly.ts";
import { createFile } from "./create_file.ts";
import { RangeSet } from "./range_set.ts";

/**
 * Makes a staging tree ready for an assembly: its directories are there, and of what an earlier run
 * left, whatever is still right is kept and the rest is removed.
 *
 * Nothing is believed: a complete file is hashed again, parts of a large one count only until the
 * whole is hashed, and what the manifest does not list goes.
 *
 * @param states what the earlier run left of its `PieceFile`: which parts of large files are there
 * @throws StoreFailed; the signal's reason, with nothing kept that was not looked at yet
 */
export async function prepareTree(
  manifest: Manifest,
  root: string,
  assembly: Assembly,
  options: { readonly states?: Uint8Array | undefined; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { signal, states = new Uint8Array() } = options;
  try {
    const fresh = Deno.readDirSync(root)[Symbol.iterator]().next().done === true;
    if (!fresh) clean(manifest, root);
    const empty = makeDirectories(manifest, root, fresh);
    if (!fresh) {
      const hasher = new FileHasher(hashNameOf(manifest.algorithm), { signal });
      await keep(root, assembly, states, hasher);
    }
    createEmptyFiles(manifest, empty, root);
  } catch (cause) {
    throw storeError("prepare", root, cause);
  }
}

/**
 * Makes all directories, and finds the empty files in passing: entries of a manifest that was read are
 * made anew each time.
 *
 * @returns the indices of the empty files
 */
function makeDirectories(manifest: Manifest, root: string, fresh: boolean): number[] {
  const empty: number[] = [];
  let index = 0;
  for (const entry of manifest.entries) {
    if (entry.kind === "directory") {
      if (fresh) Deno.mkdirSync(`${root}/${pathOf(entry)}`);
      else ensureRealDirectory(`${root}/${pathOf(entry)}`, 0o755);
    } else if (entry.kind === "file" && entry.size === 0) empty.push(index);
    index++;
  }
  return empty;
}

/** Removes everything that is not listed, or not of the listed kind, or a symlink. */
function clean(manifest: Manifest, root: string): void {
  const listed = byDirectory(manifest.entries);
  const visit = (directory: string) => {
    const entries = listed.get(directory)!.map((index) => manifest.entries.at(index)!);
    const named = new Map(entries.map((entry) => [entry.name, entry]));
    Deno.chmodSync(`${root}/${directory}`, 0o755);
    for (const found of [...Deno.readDirSync(`${root}/${directory}`)]) {
      const path = directory === "" ? found.name : `${directory}/${found.name}`;
      const entry = named.get(found.name);
      if (found.isDirectory && entry?.kind === "directory") visit(path);
      else if (!(found.isFile && entry?.kind === "file" && entry.size > 0)) {
        removeTree(`${root}/${path}`);
      }
    }
  };
  visit("");
}

async function keep(
  root: string,
  assembly: Assembly,
  states: Uint8Array,
  hasher: FileHasher,
): Promise<void> {
  for (const extent of assembly.stream.extents) {
    await hasher.step();
    const { index } = extent;
    const [first, ...others] = extent.entries;
    // The other places of the same content are filled again from the first one.
    for (const other of others) removeTree(`${root}/${pathOf(other)}`);
    const path = `${root}/${pathOf(first!)}`;
    const found = look(path);
    if (first!.kind !== "file" || found === undefined) continue;
    const ranges = extent.size > BLOCK_SIZE ? writtenRanges(assembly.stream, extent, states) : [];
    const all = ranges[0]?.start === 0 && ranges[0].end === extent.size;
    // Only a finished file is read-only.
    const whole = all || extent.size <= BLOCK_SIZE || (found.mode! & 0o200) === 0;
    if (whole && await isRight(path, found, extent, hasher)) {
      assembly.keep(index);
    } else if (ranges.length > 0 && found.size === extent.size && !all) {
      Deno.chmodSync(path, 0o644);
      assembly.keepParts(index, ranges);
    } else {
      Deno.removeSync(path);
    }
  }
}

async function isRight(
  path: string,
  found: Deno.FileInfo,
  { size, hash }: Extent,
  hasher: FileHasher,
): Promise<boolean> {
  try {
    return found.size === size && await hasher.hash(path, found) === hash;
  } catch (error) {
    // Somebody changes it meanwhile.
    if (error instanceof UnsupportedTree) return false;
    throw error;
  }
}

/** What the states of its pieces say is on the disk of a large content, in bytes from its beginning. */
function writtenRanges(stream: ContentStream, extent: Extent, states: Uint8Array): ByteRange[] {
  const each = pieceSize(stream.size);
  const written = new RangeSet();
  const last = Math.floor((extent.offset + extent.size - 1) / each);
  for (let piece = Math.floor(extent.offset / each); piece <= last; piece++) {
    if (!(states[piece]! > 0)) continue;
    written.add({
      start: Math.max(0, piece * each - extent.offset),
      end: Math.min(extent.size, (piece + 1) * each - extent.offset),
    });
  }
  return [...written.ranges];
}

function look(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function createEmptyFiles(manifest: Manifest, indices: readonly number[], root: string): void {
  for (const index of indices) {
    const entry = manifest.entries.at(index) as FileEntry;
    createFile({ ...entry, path: `${root}/${pathOf(entry)}` }, new Uint8Array());
  }
}
