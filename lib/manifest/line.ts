import { type Entry, pathOf } from "./entry.ts";

/** The line of an entry, by Zero Install's manifest specification, with the newline at its end. */
export function formatLine(entry: Entry): string {
  switch (entry.kind) {
    case "file": {
      const letter = entry.executable ? "X" : "F";
      return `${letter} ${entry.hash} ${entry.mtime} ${entry.size} ${entry.name}\n`;
    }
    case "symlink":
      return `S ${entry.hash} ${entry.size} ${entry.name}\n`;
    case "directory": {
      const mtime = entry.mtime === undefined ? "" : ` ${entry.mtime}`;
      return `D${mtime} /${pathOf(entry)}\n`;
    }
  }
}

/**
 * The entry of a line that was found right before; without its newline.
 *
 * @param directory where the entry is, which no line but that of a directory says
 */
export function entryOf(line: string, directory: string): Entry {
  switch (line[0]) {
    case "D": {
      const name = line.slice(line.lastIndexOf("/") + 1);
      const mtimeEnd = line.indexOf("/") - 1;
      if (mtimeEnd < 2) return { kind: "directory", directory, name };
      return { kind: "directory", directory, name, mtime: Number(line.slice(2, mtimeEnd)) };
    }
    case "S": {
      const { hash, size, name } = cutSymlink(line)!;
      return { kind: "symlink", directory, name, hash, size: Number(size) };
    }
    default: {
      const { hash, mtime, size, name } = cutFile(line)!;
      return {
        kind: "file",
        directory,
        name,
        hash,
        size: Number(size),
        mtime: Number(mtime),
        executable: line[0] === "X",
      };
    }
  }
}

/** Cuts the line of a file at its spaces; undefined if there are too few. What the parts say is not looked at. */
export function cutFile(
  line: string,
): { hash: string; mtime: string; size: string; name: string } | undefined {
  // Not with a pattern for the whole line, which takes three times as long.
  const hashEnd = line.indexOf(" ", 2);
  const mtimeEnd = line.indexOf(" ", hashEnd + 1);
  const sizeEnd = line.indexOf(" ", mtimeEnd + 1);
  if (hashEnd < 0 || mtimeEnd < 0 || sizeEnd < 0) return undefined;
  return {
    hash: line.slice(2, hashEnd),
    mtime: line.slice(hashEnd + 1, mtimeEnd),
    size: line.slice(mtimeEnd + 1, sizeEnd),
    name: line.slice(sizeEnd + 1),
  };
}

/** The same for the line of a symlink. */
export function cutSymlink(
  line: string,
): { hash: string; size: string; name: string } | undefined {
  const hashEnd = line.indexOf(" ", 2);
  const sizeEnd = line.indexOf(" ", hashEnd + 1);
  if (hashEnd < 0 || sizeEnd < 0) return undefined;
  return {
    hash: line.slice(2, hashEnd),
    size: line.slice(hashEnd + 1, sizeEnd),
    name: line.slice(sizeEnd + 1),
  };
}
