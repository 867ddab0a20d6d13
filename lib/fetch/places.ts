import { StoreFailed } from "../errors.ts";
import type { Extent } from "../manifest/layout.ts";
import { type FileEntry, pathOf, type SymlinkEntry } from "../manifest/manifest.ts";
import { finishFile } from "../store/commit.ts";
import { storeError } from "../store/errors.ts";
import type { ByteRange } from "../wire/range.ts";
import { copyVerified, createFile, createSymlink, exposeParts } from "./place.ts";

/**
 * Puts contents where they belong in a tree: each in the place of its first entry, and in all the
 * others. Nothing is verified here. Every method throws StoreFailed.
 */
export class Places {
  readonly #root: string;
  readonly #hashName: string;
  /** Targets by path: symlinks are made last, so that nothing is ever written through one. */
  readonly #symlinks = new Map<string, string>();
  /** Contents of which a part is in the tree already. */
  readonly #exposed = new Set<Extent>();

  /** @param root a directory that has the directories of all entries in it already */
  constructor(root: string, hashName: string) {
    this.#root = root;
    this.#hashName = hashName;
  }

  /** The path of a content's first entry. */
  pathOf(extent: Extent): string {
    return this.#path(extent.entries[0]!);
  }

  /** Fills all places of a content with these bytes. */
  fill(extent: Extent, bytes: Uint8Array): void {
    // All of it was written to its first place already.
    if (this.#exposed.delete(extent)) {
      this.finish(extent);
      return;
    }
    let target: string | undefined;
    for (const entry of extent.entries) {
      if (entry.kind === "file") createFile(this.#path(entry), entry, bytes);
      else {
        target ??= decodeTarget(this.#path(entry), bytes);
        this.#symlinks.set(this.#path(entry), target);
      }
    }
  }

  /** The content is in the file of its first entry: finishes that and makes the others from it. */
  finish(extent: Extent): void {
    const source = this.pathOf(extent);
    const [first, ...others] = extent.entries;
    finishFile(source, first as FileEntry);
    for (const entry of others) {
      if (entry.kind === "symlink") {
        const target = decodeTarget(this.#path(entry), Deno.readFileSync(source));
        this.#symlinks.set(this.#path(entry), target);
      } else if (!copyVerified(source, this.#path(entry), entry, this.#hashName)) {
        throw new StoreFailed(
          `Cannot copy "${source}": the copy has other bytes than were written`,
        );
      }
    }
  }

  /** Writes parts of a content that is not complete to its place, for others to read there. */
  expose(extent: Extent, bytes: Uint8Array, ranges: readonly ByteRange[]): void {
    if (extent.entries[0]!.kind === "symlink") return;
    const isNew = !this.#exposed.has(extent);
    this.#exposed.add(extent);
    exposeParts(this.pathOf(extent), bytes, ranges, { isNew });
  }

  /** Takes back what of a content was written for others to read. */
  conceal(extent: Extent): void {
    if (this.#exposed.delete(extent)) this.remove(extent);
  }

  /** Removes the file of a content's first entry. */
  remove(extent: Extent): void {
    try {
      Deno.removeSync(this.pathOf(extent));
    } catch (cause) {
      throw storeError("remove", this.pathOf(extent), cause);
    }
  }

  /** Fills `into` with bytes of a content that is in its place; false if they are not there. */
  read(extent: Extent, within: number, into: Uint8Array): boolean {
    const path = this.pathOf(extent);
    if (extent.entries[0]!.kind === "symlink") {
      const target = this.#symlinks.get(path);
      if (target === undefined) return false;
      into.set(new TextEncoder().encode(target).subarray(within, within + into.length));
      return true;
    }
    try {
      using file = Deno.openSync(path);
      file.seekSync(within, Deno.SeekMode.Start);
      for (let filled = 0; filled < into.length;) {
        const count = file.readSync(into.subarray(filled));
        if (count === null) return false;
        filled += count;
      }
      return true;
    } catch (cause) {
      throw storeError("read", path, cause);
    }
  }

  makeSymlinks(): void {
    for (const [path, target] of this.#symlinks) createSymlink(target, path);
    this.#symlinks.clear();
  }

  #path(entry: FileEntry | SymlinkEntry): string {
    return `${this.#root}/${pathOf(entry)}`;
  }
}

/** Zero Install takes any bytes for a target; what is no text cannot be said to the system here. */
function decodeTarget(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new StoreFailed(
      `Cannot make the symlink ${JSON.stringify(path)}: its target is not UTF-8`,
      { cause },
    );
  }
}
