/**
 * What the system says of a file that becomes another when somebody writes to it, or puts another
 * file in its place. Of a change within the same tick of the file system's clock it says nothing.
 */
export function stateOf(info: Deno.FileInfo): string {
  const { dev, ino, size, mtime, ctime, birthtime } = info;
  // Windows may say no more of a file than when it was made.
  const times = [mtime, ctime, birthtime].map((time) => time?.getTime() ?? "");
  return [dev, ino ?? "", size, ...times].join(" ");
}

/**
 * What the system says of a manifest that can be served from: an ordinary file in a real directory.
 * Undefined if there is none, or if it is larger than `largest`.
 */
export function manifestState(
  directory: string,
  name: string,
  largest: number,
): string | undefined {
  try {
    const info = Deno.lstatSync(`${directory}/${name}`);
    if (!info.isFile || info.size > largest || !Deno.lstatSync(directory).isDirectory) {
      return undefined;
    }
    return stateOf(info);
  } catch {
    return undefined;
  }
}
