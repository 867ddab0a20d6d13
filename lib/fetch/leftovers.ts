import { hashNameOf } from "../manifest/digest.ts";
import { type Manifest, pathOf } from "../manifest/manifest.ts";
import { storeError } from "../store/errors.ts";
import { removeTree } from "../store/remove.ts";
import { ensureRealDirectory } from "../store/store_directory.ts";
import { BLOCK_SIZE } from "../wire/limits.ts";
import type { Assembly } from "./assembly.ts";
import { createFile, hashOfFile } from "./place.ts";

/**
 * Makes a staging tree ready for an assembly: its directories are there, and of what an earlier run
 * left, whatever is still right is kept and the rest is removed.
 *
 * Nothing is believed: a complete file is hashed again, the beginning of a large one counts only
 * until the whole is hashed, and what the manifest does not list goes.
 *
 * @throws StoreFailed
 */
export function prepareTree(manifest: Manifest, root: string, assembly: Assembly): void {
  try {
    const fresh = Deno.readDirSync(root)[Symbol.iterator]().next().done === true;
    if (!fresh) clean(manifest, root);
    for (const entry of manifest.entries) {
      if (entry.kind !== "directory") continue;
      if (fresh) Deno.mkdirSync(`${root}/${pathOf(entry)}`);
      else ensureRealDirectory(`${root}/${pathOf(entry)}`, 0o755);
    }
    if (!fresh) keep(manifest, root, assembly);
    createEmptyFiles(manifest, root);
  } catch (cause) {
    throw storeError("prepare", root, cause);
  }
}

/** Removes everything that is not listed, or not of the listed kind, or a symlink. */
function clean(manifest: Manifest, root: string): void {
  const listed = new Map(manifest.entries.map((entry) => [pathOf(entry), entry]));
  const visit = (directory: string) => {
    Deno.chmodSync(`${root}/${directory}`, 0o755);
    for (const found of [...Deno.readDirSync(`${root}/${directory}`)]) {
      const path = directory === "" ? found.name : `${directory}/${found.name}`;
      const entry = listed.get(path);
      if (found.isDirectory && entry?.kind === "directory") visit(path);
      else if (!(found.isFile && entry?.kind === "file" && entry.size > 0)) {
        removeTree(`${root}/${path}`);
      }
    }
  };
  visit("");
}

function keep(manifest: Manifest, root: string, assembly: Assembly): void {
  const hashName = hashNameOf(manifest.algorithm);
  for (const [index, extent] of assembly.stream.extents.entries()) {
    const [first, ...others] = extent.entries;
    // The other places of the same content are filled again from the first one.
    for (const other of others) removeTree(`${root}/${pathOf(other)}`);
    const path = `${root}/${pathOf(first!)}`;
    const size = fileSize(path);
    if (first!.kind !== "file" || size === undefined) continue;
    if (hashOfFile(path, hashName, extent.size) === extent.hash) {
      assembly.keep(index, true, size);
    } else if (size > BLOCK_SIZE && size < extent.size) {
      Deno.chmodSync(path, 0o644);
      assembly.keep(index, false, size);
    } else {
      Deno.removeSync(path);
    }
  }
}

function fileSize(path: string): number | undefined {
  try {
    return Deno.lstatSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function createEmptyFiles(manifest: Manifest, root: string): void {
  for (const entry of manifest.entries) {
    if (entry.kind !== "file" || entry.size > 0) continue;
    createFile(`${root}/${pathOf(entry)}`, entry, new Uint8Array());
  }
}
