import { hash } from "node:crypto";
import { DamagedImplementation } from "../../errors.ts";
import { algorithmOf, type Digest, hashNameOf } from "../../manifest/digest.ts";
import { type FileEntry, pathOf } from "../../manifest/entry.ts";
import { FileHasher } from "../../manifest/hash_file.ts";
import { type Extent, extentIndexAt } from "../../manifest/layout.ts";
import { reasonOf, storeError } from "../../store/errors.ts";
import { findLocalFiles } from "../../store/file_index.ts";
import { ListedTree } from "../../store/listed_tree.ts";
import { listImplementations } from "../../store/lookup.ts";
import { BLOCK_SIZE } from "../../wire/limits.ts";
import { type Assembly, THIS_MACHINE } from "./assembly.ts";

/** What re-using local files tells about itself. */
export type ReuseEvent =
  /** Contents of the stream that came from this machine, and their bytes; duplicates count once. */
  | { kind: "reused"; digest: Digest; files: number; bytes: number }
  /** A local file that could not be used: it is not what its implementation's manifest lists. */
  | { kind: "unusable"; digest: Digest; path: string; reason: string };

export interface ReuseOptions {
  readonly signal: AbortSignal;
  readonly report: (event: ReuseEvent) => void;
}

/**
 * Takes from the implementations in local stores what an assembly lacks, as far as they have files
 * of the same hash and size.
 *
 * Nothing local is believed: what was written is hashed, and a file that is not what it is listed as
 * is passed over, for another one that should be the same or for the network. Large files are copied
 * as copy-on-write clones where the file system can; never as hard links, through which the owner of
 * the source could change the copy. Contents that are here in part are left to the network.
 *
 * @param staging the implementation that is wanted, and the directory that the assembly builds it in
 * @returns contents and bytes of the stream that came from this machine; the event is reported too,
 *   unless there were none
 * @throws StoreFailed when staging cannot be written; the signal's reason
 */
export async function reuseLocalFiles(
  assembly: Pick<Assembly, "stream" | "missing" | "write" | "keep">,
  staging: { readonly digest: Digest; readonly tree: string },
  stores: readonly string[],
  options: ReuseOptions,
): Promise<{ files: number; bytes: number }> {
  const { digest } = staging;
  const { report, signal } = options;
  // The first implementation of a machine: nothing to look through, and so nothing to look for.
  if (!listImplementations(stores).some((other) => other.digest !== digest)) {
    return { files: 0, bytes: 0 };
  }
  const hashName = hashNameOf(algorithmOf(digest));
  const wanted = missingContents(assembly);
  const copier = new Copier(assembly, staging.tree, hashName, signal);
  let files = 0;
  let bytes = 0;
  for await (
    const found of findLocalFiles(stores, wanted, { hashName, except: [digest], signal })
  ) {
    const { digest: source, path } = found.implementation;
    const tree = new ListedTree(source, path);
    for (const file of found.files) {
      const extent = wanted.get(file.hash);
      if (extent === undefined) continue;
      const problem = await copier.take(extent, tree, file, `${path}/${pathOf(file)}`);
      if (problem !== undefined) {
        report({ kind: "unusable", digest, path: `${path}/${pathOf(file)}`, reason: problem });
        continue;
      }
      wanted.delete(file.hash);
      files++;
      bytes += file.size;
    }
  }
  if (files > 0) report({ kind: "reused", digest, files, bytes });
  return { files, bytes };
}

/** By hash, what no byte is here of. Texts of symlinks are too short to be worth a search. */
function missingContents(assembly: Pick<Assembly, "stream" | "missing">): Map<string, Extent> {
  const wanted = new Map<string, Extent>();
  const ranges = assembly.missing();
  let next = 0;
  for (const extent of assembly.stream.extents) {
    const end = extent.offset + extent.size;
    while (next < ranges.length && ranges[next]!.end < end) next++;
    if (next === ranges.length) break;
    if (ranges[next]!.start > extent.offset) continue;
    if (extent.entries.some(({ kind }) => kind === "file")) wanted.set(extent.hash, extent);
  }
  return wanted;
}

/** Brings contents from files into an assembly. */
class Copier {
  readonly #assembly: Pick<Assembly, "stream" | "write" | "keep">;
  readonly #root: string;
  readonly #hashName: "sha1" | "sha256";
  readonly #hasher: FileHasher;

  constructor(
    assembly: Pick<Assembly, "stream" | "write" | "keep">,
    root: string,
    hashName: "sha1" | "sha256",
    signal: AbortSignal,
  ) {
    this.#assembly = assembly;
    this.#root = root;
    this.#hashName = hashName;
    this.#hasher = new FileHasher(hashName, { signal });
  }

  /** @returns what is wrong with the file; undefined if the content is in the assembly now */
  async take(
    extent: Extent,
    tree: ListedTree,
    file: FileEntry,
    path: string,
  ): Promise<string | undefined> {
    await this.#hasher.step();
    try {
      using opened = tree.open(file);
      if (file.size <= BLOCK_SIZE) return this.#takeSmall(extent, opened);
    } catch (error) {
      if (error instanceof DamagedImplementation) return error.message;
      throw error;
    }
    return await this.#takeLarge(extent, path);
  }

  /** For few bytes, the calls that make a clone and read it back take longer than writing them. */
  #takeSmall(extent: Extent, opened: Deno.FsFile): string | undefined {
    const bytes = new Uint8Array(extent.size);
    for (let filled = 0; filled < bytes.length;) {
      const count = readSome(opened, bytes.subarray(filled));
      if (typeof count !== "number") return count.problem;
      filled += count;
    }
    // The assembly would name a liar.
    const found = hash(this.#hashName, bytes, "hex");
    if (found !== extent.hash) return wrongHash(extent, found);
    this.#assembly.write(extent.offset, bytes, THIS_MACHINE);
    return undefined;
  }

  /** The system opens the source by its path once more: whatever it finds there, the hash decides. */
  async #takeLarge(extent: Extent, source: string): Promise<string | undefined> {
    const path = `${this.#root}/${pathOf(extent.first)}`;
    let problem: string | undefined;
    try {
      await Deno.copyFile(source, path);
      problem = await this.#check(path, extent);
    } catch (cause) {
      // The beginning of a copy is not to be taken for that of a download.
      removeIfThere(path);
      if (!isFaultOfSource(cause)) throw storeError("write", path, cause);
      return reasonOf(cause);
    }
    if (problem === undefined) {
      const index = extentIndexAt(this.#assembly.stream, extent.offset);
      this.#assembly.keep(index);
    } else removeIfThere(path);
    return problem;
  }

  async #check(path: string, extent: Extent): Promise<string | undefined> {
    const info = Deno.lstatSync(path);
    if (info.size !== extent.size) return `it should have ${extent.size} bytes, found ${info.size}`;
    const found = await this.#hasher.hash(path, info);
    return found === extent.hash ? undefined : wrongHash(extent, found);
  }
}

function wrongHash(extent: Extent, found: string): string {
  return `its hash should be ${extent.hash}, found ${found}`;
}

function readSome(file: Deno.FsFile, into: Uint8Array): number | { problem: string } {
  try {
    return file.readSync(into) ?? { problem: "it shrank while it was read" };
  } catch (cause) {
    return { problem: reasonOf(cause) };
  }
}

/** It could be opened just before: it was removed, or its disk fails. Other faults are staging's. */
function isFaultOfSource(cause: unknown): boolean {
  return cause instanceof Deno.errors.NotFound ||
    cause instanceof Error && "code" in cause && cause.code === "EIO";
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw storeError("remove", path, cause);
  }
}
