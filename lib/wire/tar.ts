import { InvalidArchive } from "../errors.ts";
import { ByteSource } from "./byte_source.ts";
import { MAX_TAR_RECORD_SIZE } from "./limits.ts";
import { decodePax, type PaxRecords } from "./pax.ts";
import { BLOCK, decodeHeader, type HeaderBlock, readText } from "./tar_header.ts";
import { tarPadding } from "./tar_writer.ts";

/** One entry of an archive, as the archive has it: whether its path is a good one is not looked at. */
export interface TarEntry {
  readonly path: string;
  /** Hard links, devices and everything else that is no part of an implementation are "other". */
  readonly kind: "file" | "directory" | "symlink" | "other";
  /** Of a file, in bytes. */
  readonly size: number;
  /** Whether anybody may execute it. */
  readonly executable: boolean;
  /** In whole seconds. */
  readonly mtime: number;
  /** Where a symlink leads. */
  readonly linkname: string;
  /** The content of a file: to be read, as far as it is wanted, before the next entry is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
}

const KINDS: Readonly<Record<string, TarEntry["kind"]>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "2": "symlink",
  "5": "directory",
};

/** Links, devices and pipes: what stands in their size field is no content. */
const WITHOUT_CONTENT = /^[13456]$/;

/** What may follow the end of an archive, in bytes: programs fill up to a tape's record. */
const MAX_FILLING = 1024 * 1024;

/**
 * Reads an archive in the format of POSIX (ustar and pax), GNU or older tar, as it comes: nothing is
 * read ahead of what is asked for, and no more is held than one chunk and one entry's names.
 *
 * Global extended headers are passed over.
 *
 * @throws InvalidArchive when it is none, is cut off, or goes on after its end; and what `source` throws
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  await using bytes = new ByteSource(source);
  let described: Description = { size: 0, gnu: {}, pax: {} };
  for (;;) {
    const block = await bytes.exactly(BLOCK);
    if (block.every((byte) => byte === 0)) break;
    const header = decodeHeader(block);
    if (header.size < 0) throw new InvalidArchive("the size of an entry is negative");
    if (/^[xgLK]$/.test(header.typeflag)) {
      await describe(described, header, bytes);
      continue;
    }
    const entry = entryOf(header, { ...described.gnu, ...described.pax });
    described = { size: 0, gnu: {}, pax: {} };
    const body = new Body(bytes, WITHOUT_CONTENT.test(header.typeflag) ? 0 : entry.size);
    if (entry.kind === "symlink") {
      yield { ...entry, size: 0, body, linkname: await targetOf(entry, body) };
    } else {
      yield { ...entry, size: entry.kind === "file" ? entry.size : 0, body };
    }
    await body.skip();
  }
  if (described.size > 0) throw new InvalidArchive("an extended header describes no entry");
  await readFilling(bytes);
}

/** What came before an entry to describe it. */
interface Description {
  /** In bytes, with the blocks that hold it. */
  size: number;
  gnu: PaxRecords;
  pax: PaxRecords;
}

async function describe(
  described: Description,
  header: HeaderBlock,
  bytes: ByteSource,
): Promise<void> {
  described.size += BLOCK + header.size;
  if (described.size > MAX_TAR_RECORD_SIZE) {
    throw new InvalidArchive(`the names of an entry take over ${MAX_TAR_RECORD_SIZE} bytes`);
  }
  const content = await bytes.exactly(header.size);
  await bytes.exactly(tarPadding(header.size));
  if (header.typeflag === "L") described.gnu.path = readText(content);
  if (header.typeflag === "K") described.gnu.linkpath = readText(content);
  if (header.typeflag === "x") described.pax = decodePax(content);
}

function entryOf(header: HeaderBlock, records: PaxRecords): Omit<TarEntry, "body"> {
  const path = records.path ?? header.name;
  const linkname = records.linkpath ?? header.linkname;
  if (path.includes("\0") || linkname.includes("\0")) {
    throw new InvalidArchive("a name contains NUL");
  }
  const kind = KINDS[header.typeflag] ?? "other";
  return {
    path,
    // Before POSIX, a directory was a file whose name ends so.
    kind: kind === "file" && path.endsWith("/") ? "directory" : kind,
    size: records.size ?? header.size,
    executable: (header.mode & 0o111) !== 0,
    mtime: records.mtime ?? header.mtime,
    linkname,
  };
}

/**
 * Where a symlink leads. Zero Install for .NET writes that as the content of the entry, like that of
 * a file, and leaves its field empty.
 */
async function targetOf(entry: Omit<TarEntry, "body">, body: Body): Promise<string> {
  if (entry.size === 0) return entry.linkname;
  if (entry.linkname !== "" || entry.size > MAX_TAR_RECORD_SIZE) {
    throw new InvalidArchive(`the symlink ${JSON.stringify(entry.path)} has content`);
  }
  const target = readText(await body.whole());
  if (target === "") throw new InvalidArchive(`the symlink ${JSON.stringify(entry.path)} is empty`);
  return target;
}

/** The content of one entry, of which any part may be left unread. */
class Body implements AsyncIterable<Uint8Array> {
  readonly #bytes: ByteSource;
  readonly #padding: number;
  #left: number;
  #over = false;

  constructor(bytes: ByteSource, size: number) {
    this.#bytes = bytes;
    this.#left = size;
    this.#padding = tarPadding(size);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      if (this.#over) throw new TypeError("Cannot read an entry after the next one was asked for");
      const part = await this.#bytes.some(this.#left);
      this.#left -= part.length;
      yield part;
    }
  }

  async whole(): Promise<Uint8Array> {
    const whole = await this.#bytes.exactly(this.#left);
    this.#left = 0;
    return whole;
  }

  async skip(): Promise<void> {
    this.#over = true;
    let left = this.#left + this.#padding;
    while (left > 0) left -= (await this.#bytes.some(left)).length;
  }
}

/** Reads on to the end, for only then is it known that nothing was cut off on the way. */
async function readFilling(bytes: ByteSource): Promise<void> {
  let size = 0;
  for await (const part of bytes.rest()) {
    size += part.length;
    if (size > MAX_FILLING || part.some((byte) => byte !== 0)) {
      throw new InvalidArchive("it goes on after its end");
    }
  }
}
