import { UnsupportedTree } from "../errors.ts";
import type { Entry } from "./entry.ts";
import { compareNames } from "./name_order.ts";
import { nameProblem } from "./safe_path.ts";

/** What the runtime puts for bytes that are not UTF-8, so that the true name is lost. */
const REPLACEMENT = "\ufffd";

/**
 * What is in a directory, sorted as manifests are; symlinks are not followed.
 *
 * Names that are not UTF-8 come with replacement characters, except in Deno 2.6, which leaves them
 * out: nothing can be done about those here.
 *
 * @throws UnsupportedTree when a manifest cannot hold one of the names
 * @throws Deno.errors.NotFound and others when the directory cannot be read
 */
export function listDirectory(path: string): Deno.DirEntry[] {
  const entries = [...Deno.readDirSync(path)].sort((a, b) => compareNames(a.name, b.name));
  for (const [index, { name }] of entries.entries()) {
    const problem = nameProblem(name);
    if (problem !== undefined) throw new UnsupportedTree(path, problem);
    // Only replacement characters can make two names of one directory equal.
    if (index > 0 && name === entries[index - 1]!.name) throw notUnicode(path, name);
  }
  return entries;
}

/** What a manifest could list it as; undefined for a device, a pipe or a socket. */
export function kindOf(found: Deno.DirEntry): Entry["kind"] | undefined {
  if (found.isFile) return "file";
  if (found.isDirectory) return "directory";
  return found.isSymlink ? "symlink" : undefined;
}

/**
 * Looks at something that `listDirectory` gave, without following it if it is a symlink.
 *
 * @throws UnsupportedTree when it is not there under its name because that is not UTF-8
 */
export function lookAt(directory: string, name: string): Deno.FileInfo {
  try {
    return Deno.lstatSync(`${directory}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && name.includes(REPLACEMENT)) {
      throw notUnicode(directory, name);
    }
    throw error;
  }
}

function notUnicode(directory: string, name: string): UnsupportedTree {
  return new UnsupportedTree(directory, `the name ${JSON.stringify(name)} is not UTF-8`);
}
