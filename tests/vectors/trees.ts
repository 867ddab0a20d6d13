/**
 * The trees of the vectors, as data: `build.ts` makes them, `make.ts` asks the real Zero Install
 * about them, and the tests compare.
 */

/** Seconds since 1970, here and below. */
export const MTIME = 1_200_000_000;

export interface FileNode {
  readonly kind: "file";
  readonly path: string;
  /** A number is that many NUL bytes, sparse where the file system can. */
  readonly content: string | number;
  readonly mtime: number;
  readonly mode: number;
}

export interface SymlinkNode {
  readonly kind: "symlink";
  readonly path: string;
  readonly target: string;
}

export interface DirectoryNode {
  readonly kind: "directory";
  readonly path: string;
  readonly mtime: number;
}

export type Node = FileNode | SymlinkNode | DirectoryNode;

export interface Tree {
  readonly name: string;
  /** In an order in which they can be made: parents first. */
  readonly nodes: readonly Node[];
  /** Where it can be made: everywhere, where there are x bits and symlinks, where names are bytes. */
  readonly on: "any" | "posix" | "linux";
  /** Whether the format of `sha1` leaves open which directory a file is in, where that matters. */
  readonly ambiguous?: boolean;
  /** Hashing takes long: the tests do it with one algorithm only. */
  readonly large?: boolean;
}

export function file(
  path: string,
  content: string | number = "",
  options: { mtime?: number; mode?: number } = {},
): FileNode {
  return { kind: "file", path, content, mtime: MTIME, mode: 0o644, ...options };
}

export function symlink(path: string, target: string): SymlinkNode {
  return { kind: "symlink", path, target };
}

export function directory(path: string, mtime: number = MTIME): DirectoryNode {
  return { kind: "directory", path, mtime };
}

/** In UTF-8 the second sorts after the first, in UTF-16 before. */
const LATE_BMP = "\uff5e";
const ASTRAL = "\u{1f600}";

const DEEP = Array.from({ length: 12 }, (_, depth) => `level-${depth}-of-a-deep-directory`);

export const TREES: readonly Tree[] = [
  { name: "empty", on: "any", nodes: [] },
  { name: "one file", on: "any", nodes: [file("hello", "Hello World\n")] },
  {
    name: "empty files and directories",
    on: "posix",
    nodes: [
      file("empty"),
      directory("a"),
      directory("a/b"),
      directory("a/b/c", 5),
      directory("d"),
      file("d/empty", "", { mode: 0o755 }),
      directory("e"),
    ],
  },
  {
    name: "every combination of x bits",
    on: "posix",
    nodes: [0o644, 0o744, 0o654, 0o645, 0o755, 0o555, 0o444, 0o400, 0o500, 0o600].map((mode) =>
      file(`mode-${mode.toString(8)}`, "#!/bin/sh\n", { mode })
    ),
  },
  {
    name: "symlinks",
    on: "posix",
    nodes: [
      directory("d"),
      file("d/file", "content"),
      symlink("absolute", "/usr/bin/env"),
      symlink("dangling", "nowhere"),
      symlink("d/up", "../d/file"),
      symlink("outside", "../../.."),
      symlink("self", "self"),
      symlink("spaces", "a b  c "),
      symlink("newline", "two\nlines"),
      symlink("to-directory", "d"),
      symlink("utf-8", `caf\u00e9/${ASTRAL}`),
      symlink("long", "x/".repeat(500)),
    ],
  },
  {
    name: "names with spaces",
    on: "posix",
    nodes: [
      file(" "),
      file(" leading", "1"),
      file("trailing ", "2"),
      file("two  spaces", "3"),
      file("5 6 7", "4"),
      directory(" d "),
      directory(" d /F 0 0 x"),
      file(" d /F 0 0 x/y z", "5"),
    ],
  },
  {
    name: "composed and decomposed",
    on: "linux",
    nodes: ["caf\u00e9", "cafe\u0301", "\ud55c", "\u1112\u1161\u11ab", "\u212b", "\u00c5"].map(
      (name) => file(name, name),
    ),
  },
  {
    name: "names that sort differently elsewhere",
    on: "linux",
    nodes: [
      ...["a", "B", "b", "A", "_", "\u00e9", LATE_BMP, ASTRAL, "\ufeff", "\ue000", "z", "10", "9"]
        .flatMap((name) => [file(name, name), directory(`${name}-d`), file(`${name}-d/${name}`)]),
      file("\u007f"),
      file("\u0001"),
      file("tab\there"),
      file("return\r"),
      file("back\\slash"),
      file("line\u2028separator"),
    ],
  },
  {
    name: "directories that sort differently by path",
    on: "posix",
    nodes: [
      ...["a", "a-b", "a.b", "ab", "a b"].flatMap((name) => [
        directory(name),
        file(`${name}/x`, name),
        directory(`${name}/y`),
        file(`${name}/y/z`, name),
      ]),
      file("a.a", "between"),
    ],
  },
  {
    name: "deep path",
    on: "posix",
    nodes: [
      ...DEEP.map((_, depth) => directory(DEEP.slice(0, depth + 1).join("/"))),
      file(`${DEEP.join("/")}/at the bottom`, "deep"),
      file("n".repeat(255), "long"),
    ],
  },
  {
    name: "modification times",
    on: "any",
    nodes: [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 10 ** 10, 1.999, 1_700_000_000.999].map((mtime) =>
      file(`at ${mtime}`, "x", { mtime })
    ),
  },
  {
    name: "modification times before 1970",
    on: "posix",
    nodes: [
      ...[-0.5, -1, -1.5, -(2 ** 31)].map((mtime) => file(`at ${mtime}`, "x", { mtime })),
      directory("d", -86_400),
    ],
  },
  {
    name: "manifests of its own",
    on: "any",
    nodes: [
      file(".manifest", "left out"),
      file(".manifesto", "listed"),
      directory("d"),
      file("d/.manifest", "listed too"),
    ],
  },
  {
    name: "sizes about a read",
    on: "any",
    nodes: [2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 3 * 2 ** 20, 9 * 2 ** 20].map((size) =>
      file(`size-${size}`, size)
    ),
  },
  {
    name: "equal contents",
    on: "posix",
    nodes: [
      directory("d"),
      file("d/again", "same"),
      file("first", "same"),
      file("other", "emas"),
      symlink("link", "same"),
    ],
  },
  {
    name: "ambiguous in the old format",
    on: "any",
    nodes: [
      directory("a"),
      file("a/x", "1"),
      file("y", "2"),
      directory("z"),
      file("z/zz", "3"),
    ],
    ambiguous: true,
  },
  {
    name: "not ambiguous in the old format",
    on: "any",
    nodes: [
      file("0", "1"),
      directory("b"),
      file("b/a", "2"),
      directory("b/b"),
      file("b/b/a", "3"),
      directory("c"),
      file("c/b", "4"),
    ],
    ambiguous: false,
  },
  {
    name: "many entries",
    on: "any",
    nodes: Array.from({ length: 4000 }, (_, index) => file(`entry-${index}`, `${index % 100}`)),
  },
  { name: "over 4 GiB", on: "any", nodes: [file("large", 2 ** 32 + 1)], large: true },
];

/** An implementation that changed after its manifest was written. */
export interface Change {
  readonly name: string;
  readonly before: readonly Node[];
  readonly after: readonly Node[];
  /** Instead of the manifest of `before`, if anything: null for none. */
  readonly record?: string | null;
}

const BASE: readonly Node[] = [
  directory("d"),
  directory("d/e"),
  file("d/e/deep", "deep"),
  file("d/file", "content"),
  file("first", "1"),
  file("run", "#!/bin/sh\n", { mode: 0o755 }),
  symlink("link", "d/file"),
];

function without(path: string): Node[] {
  return BASE.filter((node) => node.path !== path && !node.path.startsWith(`${path}/`));
}

function replaced(node: Node): Node[] {
  return BASE.map((other) => other.path === node.path ? node : other);
}

export const CHANGES: readonly Change[] = [
  { name: "another content", before: BASE, after: replaced(file("d/file", "CONTENT")) },
  { name: "another time", before: BASE, after: replaced(file("first", "1", { mtime: 7 })) },
  { name: "a lost x bit", before: BASE, after: replaced(file("run", "#!/bin/sh\n")) },
  { name: "another target", before: BASE, after: replaced(symlink("link", "first")) },
  { name: "a file for a symlink", before: BASE, after: replaced(file("link", "content")) },
  { name: "an extra file", before: BASE, after: [...BASE, file("d/e/extra", "extra")] },
  { name: "an extra directory", before: BASE, after: [...BASE, directory("d/f")] },
  { name: "a missing directory", before: BASE, after: without("d") },
  { name: "another directory time", before: BASE, after: replaced(directory("d/e", 9)) },
  {
    name: "everything at once",
    before: BASE,
    after: [file("first", "2"), directory("0"), file("0/new"), symlink("run", "first")],
  },
  { name: "no manifest", before: BASE, after: without("first"), record: null },
  { name: "another manifest", before: BASE, after: BASE, record: "D /x\n" },
  { name: "another manifest and content", before: BASE, after: without("run"), record: "" },
];
