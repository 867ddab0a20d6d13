import { DamagedImplementation } from "../errors.ts";
import { digestOfParts } from "./digest_of.ts";
import { type Entries, type Entry, MANIFEST_NAME } from "./entry.ts";
import { kindOf, listDirectory } from "./list_directory.ts";
import { formatParts, type Manifest } from "./manifest.ts";

/**
 * Finds the true directories of an ambiguous manifest's entries in the tree that it describes.
 *
 * The manifest lists the tree in one order, so that the tree, walked in that order, must give the
 * same names; only kinds and names are compared, no file is looked into.
 *
 * @param root the tree
 * @returns the same manifest, not ambiguous; `manifest` itself if that is not
 * @throws DamagedImplementation when the tree has not what the manifest lists
 * @throws UnsupportedTree and errors of reading as `generateManifest` does
 */
export function resolveEntries(manifest: Manifest, root: string): Manifest {
  if (!manifest.ambiguous) return manifest;
  const directories: string[] = [];
  const walk = (directory: string) => {
    for (const found of listDirectory(directory === "" ? root : `${root}/${directory}`)) {
      if (directory === "" && found.name === MANIFEST_NAME && found.isFile) continue;
      const listed = manifest.entries.at(directories.length);
      const path = directory === "" ? found.name : `${directory}/${found.name}`;
      if (listed === undefined) throw damaged(manifest, path, "the manifest does not list it");
      if (found.name !== listed.name || kindOf(found) !== listed.kind) {
        throw damaged(
          manifest,
          path,
          `the manifest lists the ${listed.kind} ${JSON.stringify(listed.name)} in this place`,
        );
      }
      if (path === MANIFEST_NAME) throw damaged(manifest, path, "it should be an ordinary file");
      if (listed.kind === "directory" && listed.directory !== directory) {
        throw damaged(manifest, path, `the manifest lists it in "/${listed.directory}"`);
      }
      directories.push(directory);
      if (listed.kind === "directory") walk(path);
    }
  };
  walk("");
  const missing = manifest.entries.at(directories.length);
  if (missing !== undefined) throw damaged(manifest, missing.name, "it is not there");
  const entries = new Resolved(manifest.entries, directories);
  return { algorithm: manifest.algorithm, entries, ambiguous: false };
}

/** The same entries in other directories. */
class Resolved implements Entries {
  readonly #entries: Entries;
  /** By entry; many share the same text. */
  readonly #directories: readonly string[];

  constructor(entries: Entries, directories: readonly string[]) {
    this.#entries = entries;
    this.#directories = directories;
  }

  get length(): number {
    return this.#entries.length;
  }

  get bytes(): Uint8Array | undefined {
    return this.#entries.bytes;
  }

  at(index: number): Entry | undefined {
    const entry = this.#entries.at(index);
    return entry === undefined ? undefined : { ...entry, directory: this.#directories[index]! };
  }

  *[Symbol.iterator](): Generator<Entry> {
    for (let index = 0; index < this.length; index++) yield this.at(index)!;
  }
}

function damaged(manifest: Manifest, path: string, reason: string): DamagedImplementation {
  const digest = digestOfParts(manifest.algorithm, formatParts(manifest));
  return new DamagedImplementation(digest, path, reason);
}
