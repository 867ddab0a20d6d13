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
    this.#checkDirectory(entry.directory, entry);
    const path = `${this.#root}/${pathOf(entry)}`;
    const seen = this.#look(() => Deno.lstatSync(path), entry);
    if (!seen.isFile) throw this.damaged(entry, "it should be an ordinary file");
    if (seen.size !== entry.size) {
      throw this.damaged(entry, `it should have ${entry.size} bytes, found ${seen.size}`);
    }
    const file = this.#look(() => Deno.openSync(path), entry);
    const opened = file.statSync();
    if (opened.dev !== seen.dev || opened.ino !== seen.ino || opened.size !== entry.size) {
      file.close();
      throw this.damaged(entry, "it changed while it was opened");
    }
    return file;
  }

  /**
   * The bytes of a symlink's target.
   *
   * @throws DamagedImplementation when there is no symlink with a target of the listed size
   */
  readLink(entry: SymlinkEntry): Uint8Array {
    this.#checkDirectory(entry.directory, entry);
    const path = `${this.#root}/${pathOf(entry)}`;
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
