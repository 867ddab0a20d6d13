export interface FileEntry {
  readonly kind: "file";
  /** Relative to the root, without a leading slash: "" for the root, "a/b" below. */
  readonly directory: string;
  readonly name: string;
  /** Of the content: lower-case hexadecimal, of the manifest's hash function. */
  readonly hash: string;
  /** In bytes. */
  readonly size: number;
  /** In whole seconds since 1970; may be negative. */
  readonly mtime: number;
  readonly executable: boolean;
}

export interface SymlinkEntry {
  readonly kind: "symlink";
  readonly directory: string;
  readonly name: string;
  /** Of the target, the only thing that a manifest knows about it besides its size. */
  readonly hash: string;
  /** Of the target in bytes, never 0. */
  readonly size: number;
}

export interface DirectoryEntry {
  readonly kind: "directory";
  /** The parent. */
  readonly directory: string;
  readonly name: string;
  /** In whole seconds since 1970; only in the format of `sha1`. */
  readonly mtime?: number;
}

export type Entry = FileEntry | SymlinkEntry | DirectoryEntry;

/**
 * The entries of a manifest, in the order of its lines. An array is one; what was read is another, which
 * makes each entry anew whenever it is asked for.
 */
export interface Entries extends Iterable<Entry> {
  readonly length: number;
  /** The manifest that they were read from, if they were: not to be changed. */
  readonly bytes?: Uint8Array | undefined;
  /** Undefined behind the last one. */
  at(index: number): Entry | undefined;
}

/** The file at the root of an implementation that holds its manifest, which does not list it. */
export const MANIFEST_NAME = ".manifest";

/** No system has longer ones; whoever makes a symlink may hold its target in memory. */
export const MAX_SYMLINK_SIZE = 65_535;

/** The manifest's path of an entry: "a/b/name". */
export function pathOf(entry: Entry): string {
  return entry.directory === "" ? entry.name : `${entry.directory}/${entry.name}`;
}

/**
 * What is in each directory, by the directory's path, the root's first: as indices, because there may
 * be hundreds of thousands of entries.
 */
export function byDirectory(entries: Entries): Map<string, number[]> {
  const listed = new Map<string, number[]>([["", []]]);
  let index = 0;
  for (const entry of entries) {
    listed.get(entry.directory)!.push(index++);
    if (entry.kind === "directory") listed.set(pathOf(entry), []);
  }
  return listed;
}
