import { DamagedImplementation } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { type FileEntry, pathOf, type SymlinkEntry } from "../manifest/manifest.ts";

/**
 * The files of one implementation, opened only as its manifest lists them.
 *
 * The read permission follows a symlink out of the tree and there is no way to forbid that at
 * `open`, so that containment is checked here: every directory on the way is a real directory,
 * the file is an ordinary file of the listed size, and what was opened is what was looked at.
 *
 * One object serves one answer: it remembers the directories that it has looked at.
 */
export class ListedTree {
  readonly #digest: Digest;
  readonly #root: string;
  readonly #directories = new Set<string>([""]);

  /** @param root the implementation's directory */
  constructor(digest: Digest, root: string) {
    this.#digest = digest;
    this.#root = root;
  }

  /**
   * Opens a file for reading; the caller closes it.
   *
   * @throws DamagedImplementation when it is not as the manifest lists it
   */
  open(entry: FileEntry): Deno.FsFile {
    return this.openAndLook(entry).file;
  }

  /** Opens as `open` does, and says what was opened. */
  openAndLook(entry: FileEntry): { file: Deno.FsFile; info: Deno.FileInfo } {
    const path = this.#pathOf(entry);
    const seen = this.#lookAt(path, entry);
    const file = this.#look(() => Deno.openSync(path), entry);
    const info = file.statSync();
    if (info.dev !== seen.dev || info.ino !== seen.ino || info.size !== entry.size) {
      file.close();
      throw this.damaged(entry, "it changed while it was opened");
    }
    return { file, info };
  }

  /**
   * Fills `into`, which has the listed size, with a file's content. Whether what was opened is what
   * was looked at is left out: the bytes may be given on only if they have the listed hash.
   *
   * @throws DamagedImplementation when it is not as the manifest lists it
   */
  readToHash(entry: FileEntry, into: Uint8Array): void {
    const path = this.#pathOf(entry);
    this.#lookAt(path, entry);
    using file = this.#look(() => Deno.openSync(path), entry);
    this.fill(entry, file, into);
  }

  /**
   * Fills `into` with what comes next in an open file.
   *
   * @throws DamagedImplementation when that is not enough
   */
  fill(entry: FileEntry, file: Deno.FsFile, into: Uint8Array): void {
    for (let filled = 0; filled < into.length;) {
      const count = file.readSync(filled === 0 ? into : into.subarray(filled));
      if (count === null) throw this.damaged(entry, "it shrank while it was read");
      filled += count;
    }
  }

  /**
   * The bytes of a symlink's target.
   *
   * @throws DamagedImplementation when there is no symlink with a target of the listed size
   */
  readLink(entry: SymlinkEntry): Uint8Array {
    const path = this.#pathOf(entry);
    const target = new TextEncoder().encode(this.#look(() => Deno.readLinkSync(path), entry));
    if (target.length !== entry.size) {
      throw this.damaged(
        entry,
        `its target should have ${entry.size} bytes, found ${target.length}`,
      );
    }
    return target;
  }

  /** The error that says what is wrong with an entry. */
  damaged(entry: FileEntry | SymlinkEntry, reason: string): DamagedImplementation {
    return new DamagedImplementation(this.#digest, pathOf(entry), reason);
  }

  /** The path of an entry whose directories are real. */
  #pathOf(entry: FileEntry | SymlinkEntry): string {
    this.#checkDirectory(entry.directory, entry);
    return `${this.#root}/${pathOf(entry)}`;
  }

  #lookAt(path: string, entry: FileEntry): Deno.FileInfo {
    const seen = this.#look(() => Deno.lstatSync(path), entry);
    if (!seen.isFile) throw this.damaged(entry, "it should be an ordinary file");
    if (seen.size !== entry.size) {
      throw this.damaged(entry, `it should have ${entry.size} bytes, found ${seen.size}`);
    }
    return seen;
  }

  #checkDirectory(directory: string, entry: FileEntry | SymlinkEntry): void {
    if (this.#directories.has(directory)) return;
    const slash = directory.lastIndexOf("/");
    this.#checkDirectory(slash < 0 ? "" : directory.slice(0, slash), entry);
    const seen = this.#look(() => Deno.lstatSync(`${this.#root}/${directory}`), entry);
    if (!seen.isDirectory) throw this.damaged(entry, `"${directory}" should be a directory`);
    this.#directories.add(directory);
  }

  #look<T>(look: () => T, entry: FileEntry | SymlinkEntry): T {
    try {
      return look();
    } catch (cause) {
      throw this.damaged(entry, cause instanceof Error ? cause.message : String(cause));
    }
  }
}
