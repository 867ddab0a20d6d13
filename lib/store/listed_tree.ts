import { DamagedImplementation } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { type FileEntry, pathOf, type SymlinkEntry } from "../manifest/entry.ts";

/**
 * How long a directory's listing is relied on, in milliseconds. What the owner of the store puts into
 * a file's place within it is opened; it is not given on, as its hash is another one. A pipe keeps the
 * server waiting until somebody writes to it: Deno opens nothing without waiting, and looking at each
 * file first would take as long as opening it.
 */
const LISTING_MS = 1000;

/** Which names in a directory are ordinary files. */
interface Listing {
  readonly directory: string;
  readonly files: ReadonlySet<string>;
  readonly since: number;
}

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
  readonly #many: boolean;
  /** Of the directory that the last file was in. */
  #listing: Listing | undefined;
  #lastDirectory: string | undefined;

  /**
   * @param root the implementation's directory
   * @param options.many whether most files of a directory are going to be read, so that listing it
   *   takes less time than looking at each of them
   */
  constructor(digest: Digest, root: string, options: { many?: boolean } = {}) {
    this.#digest = digest;
    this.#root = root;
    this.#many = options.many ?? false;
  }

  /**
   * Opens a file for reading, for who goes without it if that fails, for whatever reason; the caller
   * closes it. Its bytes are to be used only if they have the listed hash: directories are not looked
   * at again.
   *
   * @throws DamagedImplementation when it is not as the manifest lists it, or cannot be opened
   */
  open(entry: FileEntry): Deno.FsFile {
    try {
      return this.#open(entry).file;
    } catch (cause) {
      if (cause instanceof DamagedImplementation) throw cause;
      throw this.damaged(entry, cause instanceof Error ? cause.message : String(cause));
    }
  }

  /**
   * Opens a file whose bytes may be given on before their hash is known, or without one, and says what
   * was opened; the caller closes it. All directories on the way are looked at again: one may have
   * become a symlink since this answer began.
   *
   * @throws DamagedImplementation when it is not as the manifest lists it; the system's error when it
   *   cannot be opened for another reason
   */
  openAndLook(entry: FileEntry): { file: Deno.FsFile; info: Deno.FileInfo } {
    const opened = this.#open(entry);
    try {
      // Once it is open: what they become from now on makes no difference to it.
      this.#checkDirectory(entry.directory, entry, new Set());
      return opened;
    } catch (error) {
      opened.file.close();
      throw error;
    }
  }

  #open(entry: FileEntry): { file: Deno.FsFile; info: Deno.FileInfo } {
    const path = this.#pathOf(entry);
    const seen = this.#lookAt(path, entry);
    const file = this.#look(() => Deno.openSync(path), entry);
    try {
      const info = file.statSync();
      if (info.dev === seen.dev && info.ino === seen.ino && info.size === entry.size) {
        return { file, info };
      }
      throw this.damaged(entry, "it changed while it was opened");
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /**
   * Fills `into`, which has the listed size, with a file's content. Whether what was opened is what
   * was looked at, and whether more follows, is left out: the bytes may be given on only if they have
   * the listed hash.
   *
   * @throws DamagedImplementation when it is not as the manifest lists it; the system's error when it
   *   cannot be opened for another reason
   */
  readToHash(entry: FileEntry, into: Uint8Array): void {
    const path = this.#pathOf(entry);
    const listed = this.#many && this.#isListed(entry);
    if (!listed) this.#lookAt(path, entry);
    using file = this.#look(() => Deno.openSync(path), entry);
    try {
      this.fill(entry, file, into);
    } catch (error) {
      // It may have been shorter all along, which nobody has looked at then.
      if (listed) this.#lookAt(path, entry);
      throw error;
    }
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
   * @throws DamagedImplementation when there is no symlink with a target of the listed size; the
   *   system's error when it cannot be read for another reason
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
    this.#checkDirectory(entry.directory, entry, this.#directories);
    return `${this.#root}/${pathOf(entry)}`;
  }

  /**
   * Whether the listing of its directory says that it is an ordinary file. A directory is listed for
   * the second of its files: for one alone looking at it is cheaper.
   */
  #isListed({ directory, name }: FileEntry): boolean {
    const isFirst = this.#lastDirectory !== directory;
    this.#lastDirectory = directory;
    const now = performance.now();
    let listing = this.#listing;
    if (listing?.directory !== directory || now - listing.since > LISTING_MS) {
      if (isFirst) return false;
      this.#listing = listing = { directory, files: this.#list(directory), since: now };
    }
    return listing.files.has(name);
  }

  #list(directory: string): Set<string> {
    const files = new Set<string>();
    try {
      for (const found of Deno.readDirSync(`${this.#root}/${directory}`)) {
        if (found.isFile) files.add(found.name);
        else if (found.isDirectory) {
          this.#directories.add(directory === "" ? found.name : `${directory}/${found.name}`);
        }
      }
    } catch {
      // A directory that may be searched, but not read: what is in it is looked at.
    }
    return files;
  }

  #lookAt(path: string, entry: FileEntry): Deno.FileInfo {
    const seen = this.#look(() => Deno.lstatSync(path), entry);
    if (!seen.isFile) throw this.damaged(entry, "it should be an ordinary file");
    if (seen.size !== entry.size) {
      throw this.damaged(entry, `it should have ${entry.size} bytes, found ${seen.size}`);
    }
    return seen;
  }

  /** @param known those that need not be looked at; others are added */
  #checkDirectory(directory: string, entry: FileEntry | SymlinkEntry, known: Set<string>): void {
    if (known.has(directory)) return;
    let path = this.#root;
    if (directory !== "") {
      const slash = directory.lastIndexOf("/");
      this.#checkDirectory(slash < 0 ? "" : directory.slice(0, slash), entry, known);
      path += `/${directory}`;
    }
    const seen = this.#look(() => Deno.lstatSync(path), entry);
    if (!seen.isDirectory) throw this.damaged(entry, `"${directory}" should be a directory`);
    known.add(directory);
  }

  #look<T>(look: () => T, entry: FileEntry | SymlinkEntry): T {
    try {
      return look();
    } catch (cause) {
      if (!isOfTheTree(cause)) throw cause;
      throw this.damaged(entry, cause.message);
    }
  }
}

const OF_THE_TREE = [
  Deno.errors.NotFound,
  Deno.errors.NotADirectory,
  Deno.errors.IsADirectory,
  Deno.errors.PermissionDenied,
  Deno.errors.FilesystemLoop,
  Deno.errors.InvalidData,
];

/** Deno gives these without a class: not a symlink, where one is read; a name that is too long. */
const CODES_OF_THE_TREE = new Set<unknown>(["EINVAL", "ENAMETOOLONG"]);

/** Whether what failed says something of the tree: too many open files or a failing disk do not. */
function isOfTheTree(cause: unknown): cause is Error {
  if (!(cause instanceof Error)) return false;
  return OF_THE_TREE.some((type) => cause instanceof type) ||
    "code" in cause && CODES_OF_THE_TREE.has(cause.code);
}
