import { StoreFailed } from "../../errors.ts";
import { type FileEntry, pathOf, type SymlinkEntry } from "../../manifest/entry.ts";
import type { Extent } from "../../manifest/layout.ts";
import { finishFile } from "../../store/commit.ts";
import { storeError } from "../../store/errors.ts";
import type { ByteRange } from "../../wire/range.ts";
import { createFile, type NewFile } from "./create_file.ts";
import { FileWriter } from "./file_writer.ts";
import { copyVerified, createSymlink, exposeParts } from "./place.ts";

/**
 * Puts contents where they belong in a tree: each in the place of its first entry, and in all the
 * others. Nothing is verified here. Every method throws StoreFailed; one that fills a place also for
 * what could not be put in another one before.
 */
export class Places {
  readonly #root: string;
  readonly #hashName: string;
  /** Targets by path: symlinks are made last, so that nothing is ever written through one. */
  readonly #symlinks = new Map<string, string>();
  /** By extent: contents of which a part is in the tree already. */
  readonly #exposed = new Set<number>();
  #writer: FileWriter<Extent> | undefined;
  /** Whether the writer is to take more. */
  #writing = false;

  /** @param root a directory that has the directories of all entries in it already */
  constructor(root: string, hashName: string) {
    this.#root = root;
    this.#hashName = hashName;
  }

  /**
   * From now on another thread creates files, as far as it keeps up.
   *
   * @param filled called with each content that is in its place because of that
   * @returns what settles when the other thread begins
   */
  shareWriting(filled: (extent: Extent) => void): Promise<void> {
    this.#writer = new FileWriter(filled);
    this.#writing = true;
    return this.#writer.ready;
  }

  /** From now on everything is in its place at once. Settles when what was given before is, too. */
  async writeAlone(): Promise<void> {
    this.#writing = false;
    await this.settled();
    this.close();
  }

  /** Whether all that was given is in its place. */
  get isSettled(): boolean {
    return this.#writer?.isSettled ?? true;
  }

  /** Lets the other thread begin with what it was given. */
  send(): void {
    this.#writer?.send();
  }

  /** Settles when all that was given is in its place. */
  async settled(): Promise<void> {
    await this.#writer?.settled();
  }

  /** Ends the other thread. */
  close(): void {
    this.#writer?.[Symbol.dispose]();
    this.#writer = undefined;
    this.#writing = false;
  }

  /** The path of a content's first entry. */
  pathOf(extent: Extent): string {
    return this.#path(extent.first);
  }

  /** Fills all places of a content with these bytes. Returns false if that happens a little later. */
  fill(extent: Extent, bytes: Uint8Array): boolean {
    // All of it was written to its first place already.
    if (this.#exposed.delete(extent.index)) {
      this.finish(extent);
      return true;
    }
    const files: NewFile[] = [];
    let target: string | undefined;
    for (const entry of extent.entries) {
      const path = this.#path(entry);
      if (entry.kind === "file") {
        files.push({ path, executable: entry.executable, mtime: entry.mtime });
      } else this.#symlinks.set(path, target ??= decodeTarget(path, bytes));
    }
    if (this.#writing && files.length > 0 && this.#writer!.add(files, bytes, extent)) return false;
    for (const file of files) createFile(file, bytes);
    return true;
  }

  /** The content is in the file of its first entry: finishes that and makes the others from it. */
  finish(extent: Extent): void {
    const source = this.pathOf(extent);
    const [first, ...others] = extent.entries;
    finishFile(source, first as FileEntry);
    for (const entry of others) {
      if (entry.kind === "symlink") {
        const target = decodeTarget(this.#path(entry), readBack(source));
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
    if (extent.first.kind === "symlink") return;
    const isNew = !this.#exposed.has(extent.index);
    this.#exposed.add(extent.index);
    exposeParts(this.pathOf(extent), bytes, ranges, { isNew });
  }

  /** Takes back what of a content was written for others to read. */
  conceal(extent: Extent): void {
    if (this.#exposed.delete(extent.index)) this.remove(extent);
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
    if (extent.first.kind === "symlink") {
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

function readBack(path: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch (cause) {
    throw storeError("read", path, cause);
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
