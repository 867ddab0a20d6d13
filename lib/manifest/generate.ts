import { UnsupportedTree } from "../errors.ts";
import { type Algorithm, hashNameOf } from "./digest.ts";
import { type Entry, MANIFEST_NAME } from "./entry.ts";
import { FileHasher } from "./hash_file.ts";
import { listDirectory, lookAt } from "./list_directory.ts";
import type { Manifest } from "./manifest.ts";

export interface GenerateOptions {
  /** Looked at whenever the event loop gets a turn; its reason is thrown. */
  signal?: AbortSignal | undefined;
  /** Told how many more bytes of files were read, at least once a mebibyte. */
  onBytes?: ((count: number) => void) | undefined;
  /**
   * The manifest's paths of the files that are executable, for a system that does not keep that, as
   * Windows; where it is left out, the files' modes tell.
   */
  executables?: ReadonlySet<string> | undefined;
}

/**
 * Makes the manifest of a directory tree by Zero Install's manifest specification.
 *
 * The root may be reached through a symlink; in the tree no symlink is followed. An ordinary file
 * `.manifest` at the root is left out. A file's modification time is cut to whole seconds, towards
 * 1970; Deno 2.6 gives times before 1970 without their sign.
 *
 * @returns a manifest that is not ambiguous: each entry has its true directory
 * @throws UnsupportedTree when there is something that a manifest cannot hold: a device, a pipe, a
 *   socket, a name with a newline or that is not UTF-8
 * @throws TreeChanged when a file changes meanwhile
 * @throws Deno.errors.NotFound, Deno.errors.PermissionDenied and others when it cannot be read
 */
export async function generateManifest(
  algorithm: Algorithm,
  root: string,
  options: GenerateOptions = {},
): Promise<Manifest> {
  options.signal?.throwIfAborted();
  if (!Deno.statSync(root).isDirectory) throw new UnsupportedTree(root, "it is not a directory");
  const generator = new Generator(algorithm, root, options);
  await generator.addDirectory("");
  return { algorithm, entries: generator.entries, ambiguous: false };
}

class Generator {
  readonly entries: Entry[] = [];
  readonly #root: string;
  readonly #old: boolean;
  readonly #hasher: FileHasher;
  readonly #executables: ReadonlySet<string> | undefined;

  constructor(algorithm: Algorithm, root: string, options: GenerateOptions) {
    this.#executables = options.executables;
    this.#root = root;
    this.#old = algorithm === "sha1";
    this.#hasher = new FileHasher(hashNameOf(algorithm), options);
  }

  /** Adds all that is in a directory, in the order of the format. */
  async addDirectory(directory: string): Promise<void> {
    const path = directory === "" ? this.#root : `${this.#root}/${directory}`;
    const later: string[] = [];
    for (const { name } of listDirectory(path)) {
      await this.#hasher.step();
      const info = lookAt(path, name);
      if (info.isDirectory) {
        if (this.#old) await this.#addSubdirectory(directory, name, info);
        else later.push(name);
      } else if (info.isSymlink) {
        this.#addSymlink(directory, name);
      } else if (!info.isFile) {
        throw new UnsupportedTree(
          `${path}/${name}`,
          "it is neither an ordinary file nor a directory nor a symlink",
        );
      } else if (directory !== "" || name !== MANIFEST_NAME) {
        await this.#addFile(directory, name, info);
      }
    }
    for (const name of later) await this.#addSubdirectory(directory, name);
  }

  async #addSubdirectory(directory: string, name: string, info?: Deno.FileInfo): Promise<void> {
    const path = join(directory, name);
    const mtime = info === undefined ? {} : { mtime: secondsOf(info, path) };
    this.entries.push({ kind: "directory", directory, name, ...mtime });
    await this.addDirectory(path);
  }

  #addSymlink(directory: string, name: string): void {
    const path = `${this.#root}/${join(directory, name)}`;
    const target = new TextEncoder().encode(readTarget(path));
    const hash = this.#hasher.hashText(target);
    this.entries.push({ kind: "symlink", directory, name, hash, size: target.length });
  }

  async #addFile(directory: string, name: string, info: Deno.FileInfo): Promise<void> {
    const inside = join(directory, name);
    const path = `${this.#root}/${inside}`;
    const hash = await this.#hasher.hash(path, info);
    this.entries.push({
      kind: "file",
      directory,
      name,
      hash,
      size: info.size,
      mtime: secondsOf(info, path),
      executable: this.#executables?.has(inside) ?? ((info.mode ?? 0) & 0o111) !== 0,
    });
  }
}

function join(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}

function readTarget(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.InvalidData)) throw cause;
    throw new UnsupportedTree(path, "the symlink's target is not UTF-8");
  }
}

function secondsOf(info: Deno.FileInfo, path: string): number {
  const seconds = Math.trunc((info.mtime ?? new Date(NaN)).getTime() / 1000);
  if (Number.isNaN(seconds)) {
    throw new UnsupportedTree(path, "its modification time is out of range");
  }
  // Half a second before 1970 is 0 and not -0, which would be a different manifest.
  return seconds === 0 ? 0 : seconds;
}
