import { basename, dirname, join, resolve } from "node:path";

/** A chain of symlinks longer than any that a system follows. */
const MAX_SYMLINKS = 40;

/**
 * The paths that a thread has to be permitted to read so that it can serve this store: as it is
 * given, and where it really is. Deno looks at the first when a file is opened, and at the second
 * when an open file is asked about.
 *
 * A store that does not exist yet is where it would be made. Never prompts: what this process may
 * not look at is taken as it is given.
 */
export function pathsOfStore(store: string): string[] {
  return [...new Set([store, realPathOf(store, MAX_SYMLINKS)])];
}

/** Whether this process may read the path. Never prompts. */
export function isReadable(path: string): boolean {
  return Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

/** The path without symlinks on the way, also of what does not exist. */
function realPathOf(path: string, links: number): string {
  if (!isReadable(path)) return path;
  try {
    return Deno.realPathSync(path);
  } catch {
    const parent = dirname(path);
    if (parent === path || links === 0) return path;
    const target = targetOf(path);
    return target === undefined
      ? join(realPathOf(parent, links), basename(path))
      : realPathOf(resolve(parent, target), links - 1);
  }
}

function targetOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}
