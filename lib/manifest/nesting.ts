import { InvalidManifest } from "../errors.ts";
import { compareNames } from "./name_order.ts";

/** Follows the lines of a manifest through its tree, and refuses any order but the right one. */
export interface Nesting {
  /** Whether some file could have been in more than one directory; see `InterleavedNesting`. */
  readonly ambiguous: boolean;

  /**
   * Takes the name of a file or symlink and gives the directory it is in.
   *
   * @throws InvalidManifest
   */
  addFile(name: string, line: number): string;

  /**
   * Takes a directory's path with its leading slash and gives the directory it is in. Looks at
   * everything before the path's last slash only as the path of a directory that came before.
   *
   * @throws InvalidManifest
   */
  addDirectory(path: string, line: number): string;
}

/**
 * The order of all formats but the first: a directory's files and symlinks, sorted, then its
 * sub-directories, sorted, each with all that is in it.
 */
export class GroupedNesting implements Nesting {
  readonly ambiguous = false;
  /** From the root to where we are. */
  readonly #chain: { readonly path: string; readonly files: string[]; lastDirectory: string }[] = [
    { path: "", files: [], lastDirectory: "" },
  ];

  addFile(name: string, line: number): string {
    const { path, files } = this.#chain.at(-1)!;
    const last = files.at(-1);
    if (last !== undefined) checkOrder(last, name, line);
    files.push(name);
    return path;
  }

  addDirectory(path: string, line: number): string {
    const parent = parentOf(path);
    const name = path.slice(path.lastIndexOf("/") + 1);
    while (this.#chain.length > 1 && this.#chain.at(-1)!.path !== parent) this.#chain.pop();
    const frame = this.#chain.at(-1)!;
    if (frame.path !== parent) throw orphan(path, line);
    checkOrder(frame.lastDirectory, name, line);
    if (includesSorted(frame.files, name)) {
      throw new InvalidManifest(`${JSON.stringify(path)} is a file and a directory`, line);
    }
    frame.lastDirectory = name;
    this.#chain.push({ path: path.slice(1), files: [], lastDirectory: "" });
    return frame.path;
  }
}

/**
 * The order of the first format: all that is in a directory sorted together, with a
 * sub-directory's content right after the sub-directory's line.
 *
 * Nothing says where that content ends, so that a file may belong to the last directory or to one
 * that it is in. It is given to the deepest that takes it in ascending order: whatever order the
 * true tree has, is accepted so, and what is accepted is the order of some tree. When there is more
 * than one such directory, `ambiguous` says that the answers cannot be relied on.
 */
export class InterleavedNesting implements Nesting {
  /** From the root to where we are; `barrier` is the lowest `last` of the directories before. */
  readonly #chain: { readonly path: string; last: string; readonly barrier: string | undefined }[] =
    [{ path: "", last: "", barrier: undefined }];
  #ambiguous = false;

  get ambiguous(): boolean {
    return this.#ambiguous;
  }

  addFile(name: string, line: number): string {
    while (this.#chain.length > 1 && compareNames(name, this.#chain.at(-1)!.last) <= 0) {
      this.#chain.pop();
    }
    const frame = this.#chain.at(-1)!;
    checkOrder(frame.last, name, line);
    if (frame.barrier !== undefined && compareNames(name, frame.barrier) > 0) {
      this.#ambiguous = true;
    }
    frame.last = name;
    return frame.path;
  }

  addDirectory(path: string, line: number): string {
    const parent = parentOf(path);
    const name = path.slice(path.lastIndexOf("/") + 1);
    while (this.#chain.length > 1 && this.#chain.at(-1)!.path !== parent) this.#chain.pop();
    const frame = this.#chain.at(-1)!;
    if (frame.path !== parent) throw orphan(path, line);
    checkOrder(frame.last, name, line);
    frame.last = name;
    const barrier = frame.barrier === undefined || compareNames(name, frame.barrier) < 0
      ? name
      : frame.barrier;
    this.#chain.push({ path: path.slice(1), last: "", barrier });
    return frame.path;
  }
}

/** No directory's path begins with a slash, so that of "//name" is never found. */
function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === 1 ? "/" : path.slice(1, Math.max(1, slash));
}

function orphan(path: string, line: number): InvalidManifest {
  return new InvalidManifest(
    `the directory that ${JSON.stringify(path)} is in does not come before it`,
    line,
  );
}

function checkOrder(last: string, name: string, line: number): void {
  const order = compareNames(last, name);
  if (order < 0) return;
  throw new InvalidManifest(
    order === 0
      ? `the name ${JSON.stringify(name)} comes twice in one directory`
      : `${JSON.stringify(name)} must come before ${JSON.stringify(last)}`,
    line,
  );
}

function includesSorted(names: readonly string[], name: string): boolean {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareNames(names[middle]!, name) < 0) low = middle + 1;
    else high = middle;
  }
  return names[low] === name;
}
