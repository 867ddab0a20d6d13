import { Buffer } from "node:buffer";
import { InvalidArchive, InvalidManifest, StoreFailed } from "../errors.ts";
import { MANIFEST_NAME, MAX_SYMLINK_SIZE } from "../manifest/entry.ts";
import { checkName } from "../manifest/safe_path.ts";
import { storeError } from "../store/errors.ts";
import { FOLDED_NAMES_HINT } from "../store/listing.ts";
import {
  MAX_UNPACKED_ENTRIES,
  MAX_UNPACKED_NAMES_SIZE,
  MAX_UNPACKED_SIZE,
} from "../wire/limits.ts";
import { readTar, type TarEntry } from "../wire/tar.ts";

/**
 * Unpacks an archive of a whole tree into an empty directory: for peers that know nothing better,
 * and for trees that their manifest does not determine. Whether it is the right tree is not
 * looked at here.
 *
 * Only directories and files are made at first, each under a directory that was made here, and
 * never over something that is there; symlinks come last, so that nothing goes through one.
 *
 * @param root an empty directory
 * @param onBytes called with the number of content bytes after each write
 * @returns the paths of its executable files
 * @throws InvalidArchive when it says what no archive of an implementation may say
 * @throws StoreFailed when it cannot be written; what `archive` throws; the signal's reason
 */
export async function unpackArchive(
  archive: AsyncIterable<Uint8Array>,
  root: string,
  options: { signal: AbortSignal; onBytes: (count: number) => void },
): Promise<Set<string>> {
  const unpacking = new Unpacking(root, options.onBytes);
  for await (const entry of readTar(archive)) {
    options.signal.throwIfAborted();
    await unpacking.take(entry);
  }
  unpacking.finish();
  return unpacking.executables;
}

class Unpacking {
  readonly executables = new Set<string>();
  readonly #root: string;
  readonly #onBytes: (count: number) => void;
  /** Directories that were made here, and the modification times they get in the end. */
  readonly #directories = new Map<string, number | undefined>([["", undefined]]);
  readonly #symlinks: [path: string, target: string][] = [];
  #entries = 0;
  #bytes = 0;
  /** What is held of directories, symlinks and executable files, in characters. */
  #names = 0;

  constructor(root: string, onBytes: (count: number) => void) {
    this.#root = root;
    this.#onBytes = onBytes;
  }

  async take(entry: TarEntry): Promise<void> {
    if (++this.#entries > MAX_UNPACKED_ENTRIES) {
      throw new InvalidArchive(`it has more than ${MAX_UNPACKED_ENTRIES} entries`);
    }
    const names = namesOf(entry.path);
    const path = names.join("/");
    if (names[0] === MANIFEST_NAME) {
      // A program that packs its store's directory as it is sends the manifest along.
      if (entry.kind === "file" && names.length === 1) return;
      throw new InvalidArchive(`${JSON.stringify(entry.path)} is not a manifest`);
    }
    switch (entry.kind) {
      case "directory":
        this.#makeDirectories(names);
        this.#directories.set(path, entry.mtime);
        return;
      case "file":
        if (names.length === 0) break;
        this.#makeDirectories(names.slice(0, -1));
        await this.#writeFile(path, entry);
        if (entry.executable) {
          this.#hold(path.length);
          this.executables.add(path);
        }
        return;
      case "symlink":
        if (names.length === 0) break;
        if (entry.linkname === "") {
          throw new InvalidArchive(`the symlink ${JSON.stringify(entry.path)} leads nowhere`);
        }
        if (Buffer.byteLength(entry.linkname) > MAX_SYMLINK_SIZE) {
          const what = `the target of the symlink ${JSON.stringify(entry.path)}`;
          throw new InvalidArchive(`${what} has more than ${MAX_SYMLINK_SIZE} bytes`);
        }
        this.#makeDirectories(names.slice(0, -1));
        if (this.#directories.has(path)) break;
        this.#hold(path.length + entry.linkname.length);
        this.#symlinks.push([path, entry.linkname]);
        return;
      case "other":
        break;
    }
    throw new InvalidArchive(`${JSON.stringify(entry.path)} is not a file, directory or symlink`);
  }

  finish(): void {
    for (const [path, target] of this.#symlinks) {
      this.#change("make the symlink", path, (place) => Deno.symlinkSync(target, place));
    }
    // Deepest first: making something in a directory changes the time of that directory.
    for (const [path, mtime] of [...this.#directories].reverse()) {
      if (mtime === undefined) continue;
      this.#change("set the time of", path, (place) => Deno.utimeSync(place, mtime, mtime));
    }
  }

  #makeDirectories(names: readonly string[]): void {
    let path = "";
    for (const name of names) {
      path = path === "" ? name : `${path}/${name}`;
      if (this.#directories.has(path)) continue;
      this.#hold(path.length);
      this.#change("make the directory", path, (place) => Deno.mkdirSync(place, { mode: 0o755 }));
      this.#directories.set(path, undefined);
    }
  }

  #hold(characters: number): void {
    this.#names += characters;
    if (this.#names <= MAX_UNPACKED_NAMES_SIZE) return;
    throw new InvalidArchive(`its names are longer than ${MAX_UNPACKED_NAMES_SIZE} together`);
  }

  async #writeFile(path: string, entry: TarEntry): Promise<void> {
    const target = `${this.#root}/${path}`;
    try {
      using file = Deno.openSync(target, {
        write: true,
        createNew: true,
        mode: entry.executable ? 0o755 : 0o644,
      });
      for await (const part of entry.body) {
        this.#bytes += part.length;
        if (this.#bytes > MAX_UNPACKED_SIZE) {
          throw new InvalidArchive(`it has more than ${MAX_UNPACKED_SIZE} bytes`);
        }
        for (let at = 0; at < part.length;) at += file.writeSync(part.subarray(at));
        this.#onBytes(part.length);
      }
      file.utimeSync(entry.mtime, entry.mtime);
    } catch (cause) {
      throw this.#failure("write", path, cause);
    }
  }

  #change(action: string, path: string, change: (place: string) => void): void {
    try {
      change(`${this.#root}/${path}`);
    } catch (cause) {
      throw this.#failure(action, path, cause);
    }
  }

  /** What a failed change means: something was there already, or the store or the peer failed. */
  #failure(action: string, path: string, cause: unknown): unknown {
    if (cause instanceof Deno.errors.AlreadyExists && !isThere(`${this.#root}/${path}`)) {
      const target = JSON.stringify(`${this.#root}/${path}`);
      return new StoreFailed(`Cannot ${action} ${target}: another name leads there`, {
        hint: FOLDED_NAMES_HINT,
        cause,
      });
    }
    if (cause instanceof Deno.errors.AlreadyExists || cause instanceof Deno.errors.NotADirectory) {
      const reason = `it has more than one entry for ${JSON.stringify(path)}`;
      return new InvalidArchive(reason, { cause });
    }
    return storeError(action, `${this.#root}/${path}`, cause);
  }
}

/** Whether a directory has something of exactly this name: a file system may take others for the same. */
function isThere(path: string): boolean {
  const end = path.lastIndexOf("/");
  const name = path.slice(end + 1);
  return Array.from(Deno.readDirSync(path.slice(0, end))).some((entry) => entry.name === name);
}

/** The names along a path of an archive, none of which climbs out; `./` in front is common. */
function namesOf(path: string): string[] {
  const names = path.replace(/^(\.\/)+/, "").replace(/\/+$/, "").split("/");
  if (names.length === 1 && (names[0] === "" || names[0] === ".") && !path.startsWith("/")) {
    return [];
  }
  for (const name of names) {
    try {
      checkName(name);
    } catch (cause) {
      if (!(cause instanceof InvalidManifest)) throw cause;
      throw new InvalidArchive(`${JSON.stringify(path)} is not a path inside the tree`, { cause });
    }
  }
  return names;
}
