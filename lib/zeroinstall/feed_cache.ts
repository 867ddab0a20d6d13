import { MAX_XML_BYTES } from "./xml.ts";

/** A directory of cached feeds, one file each. */
export interface FeedDirectory {
  readonly path: string;
  /**
   * Whose files count; undefined for everybody's. Root reads other people's caches: what somebody
   * linked there, a device or another one's secret, shall not be opened.
   */
  readonly owner: number | undefined;
}

/** Looked at in one directory; a person's cache has hundreds. */
const MAX_FEEDS = 5_000;

/** Read from one directory, in bytes: whoever fills theirs shall not keep root's server busy. */
const MAX_BYTES = 256 * 1024 * 1024;

/**
 * Where feeds are cached: the user's own first, then the machine's, then other people's. Whoever
 * comes first is believed when two feeds name one digest.
 *
 * @param caches Zero Install's cache directories of this user and machine
 * @param passwd the text of `/etc/passwd`, which says where other people's homes are; "" for none
 */
export function feedDirectories(caches: readonly string[], passwd: string): FeedDirectory[] {
  const found = new Map<string, FeedDirectory>();
  const add = (cache: string, owner: number | undefined) => {
    const path = `${cache.replace(/\/+$/, "")}/interfaces`;
    if (!found.has(path)) found.set(path, { path, owner });
  };
  for (const cache of caches) add(cache, undefined);
  for (const line of passwd.split("\n")) {
    const [, , uid, , , home] = line.split(":");
    if (uid === undefined || !/^\d{1,10}$/.test(uid) || !home?.startsWith("/")) continue;
    add(`${home.replace(/\/+$/, "")}/.cache/0install.net`, Number(uid));
  }
  return [...found.values()];
}

/**
 * The feeds in these directories, as bytes that may be anything. Lazy: a file is read when it is
 * asked for. What is missing or cannot be read is skipped, and so is what is no feed for certain:
 * another kind of file, hidden, empty, or too large.
 *
 * The bytes are good until the next feed is asked for: their memory is used again.
 */
export function* cachedFeeds(directories: Iterable<FeedDirectory>): Generator<Uint8Array> {
  let memory = new Uint8Array(64 * 1024);
  for (const { path, owner } of directories) {
    let bytes = 0;
    for (const name of namesIn(path)) {
      const size = sizeOf(`${path}/${name}`, owner);
      if (size === undefined) continue;
      bytes += size;
      if (bytes > MAX_BYTES) break;
      if (size > memory.length) memory = new Uint8Array(2 * size);
      const feed = readInto(memory, `${path}/${name}`, size);
      if (feed !== undefined) yield feed;
    }
  }
}

function namesIn(directory: string): string[] {
  const names: string[] = [];
  try {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      if (isDirectory || name.startsWith(".")) continue;
      names.push(name);
      if (names.length === MAX_FEEDS) break;
    }
  } catch {
    return [];
  }
  // In whatever order the system has them, another feed would come first each time.
  return names.sort();
}

function sizeOf(path: string, owner: number | undefined): number | undefined {
  try {
    // A person may have made their own feeds links to elsewhere.
    const { isFile, size, uid } = owner === undefined ? Deno.statSync(path) : Deno.lstatSync(path);
    const wanted = isFile && size > 0 && size <= MAX_XML_BYTES &&
      (owner === undefined || uid === owner);
    return wanted ? size : undefined;
  } catch {
    return undefined;
  }
}

/** The first `size` bytes of a file, or all if it has become shorter. */
function readInto(memory: Uint8Array, path: string, size: number): Uint8Array | undefined {
  try {
    using file = Deno.openSync(path);
    let length = 0;
    while (length < size) {
      const count = file.readSync(memory.subarray(length, size));
      if (count === null) break;
      length += count;
    }
    return memory.subarray(0, length);
  } catch {
    return undefined;
  }
}
