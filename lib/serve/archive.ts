import { createHash, hash } from "node:crypto";
import { pipeline, Readable } from "node:stream";
import { createGzip, createZstdCompress } from "node:zlib";
import { hashNameOf } from "../manifest/digest.ts";
import { type Entry, type FileEntry, pathOf, type SymlinkEntry } from "../manifest/entry.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { CHUNK_SIZE } from "../wire/limits.ts";
import { TAR_END, tarHeader, type TarMember, tarPadding, tarSize } from "../wire/tar_writer.ts";
import { hasZstd } from "../wire/zstd.ts";
import type { Source } from "./body.ts";
import type { Held } from "./held.ts";
import { ListedTree } from "../store/listed_tree.ts";

export type Coding = "identity" | "gzip" | "zstd";

/** The coding that an `Accept-Encoding` header (RFC 9110, section 12.5.3) lets us use; zstd is faster. */
export function chooseCoding(header: string | null): Coding {
  const accepted = new Set<string>();
  for (const part of (header ?? "").toLowerCase().split(",")) {
    const [name, ...parameters] = part.split(";").map((text) => text.trim());
    if (!parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))) accepted.add(name!);
  }
  return accepted.has("zstd") && hasZstd() ? "zstd" : accepted.has("gzip") ? "gzip" : "identity";
}

/** What tars take, in bytes: to know it, every entry and every symlink has to be looked at. */
const sizes = new WeakMap<Manifest, number>();

/**
 * The size in bytes of an implementation's tar.
 *
 * @throws DamagedImplementation when a symlink is not as the manifest lists it
 */
export function archiveSize(held: Held): number {
  let size = sizes.get(held.manifest);
  if (size === undefined) {
    size = tarSize(membersOf(held));
    sizes.set(held.manifest, size);
  }
  return size;
}

/** A whole implementation as a tar: every file is hashed, and its last bytes wait for its hash. */
export class ArchiveSource implements Source {
  readonly #held: Held;
  readonly #tree: ListedTree;
  readonly #coding: Coding;
  #parts: AsyncIterator<Uint8Array> | Iterator<Uint8Array> | undefined;

  constructor(held: Held, coding: Coding) {
    this.#held = held;
    this.#tree = new ListedTree(held.digest, held.path, { many: true });
    this.#coding = coding;
  }

  async next(): Promise<Uint8Array | undefined> {
    // Not before it is wanted: a compressor opens files as soon as there is one.
    this.#parts ??= compressed(gathered(this.#archive()), this.#coding);
    const { done, value } = await this.#parts.next();
    return done ? undefined : value;
  }

  close(): void {
    void this.#parts?.return?.();
  }

  *#archive(): Generator<Uint8Array> {
    for (const entry of this.#held.manifest.entries) {
      yield tarHeader(memberOf(entry, this.#held, this.#tree));
      if (entry.kind !== "file") continue;
      yield* this.#content(entry);
      yield new Uint8Array(tarPadding(entry.size));
    }
    yield TAR_END;
  }

  *#content(entry: FileEntry): Generator<Uint8Array> {
    const hashName = hashNameOf(this.#held.manifest.algorithm);
    if (entry.size <= CHUNK_SIZE) {
      const whole = new Uint8Array(entry.size);
      this.#tree.readToHash(entry, whole);
      this.#check(entry, hash(hashName, whole, "hex"));
      yield whole;
      return;
    }
    using file = this.#tree.openAndLook(entry).file;
    const hashing = createHash(hashName);
    for (let left = entry.size; left > 0;) {
      const part = new Uint8Array(Math.min(CHUNK_SIZE, left));
      this.#tree.fill(entry, file, part);
      hashing.update(part);
      left -= part.length;
      if (left === 0) this.#check(entry, hashing.digest("hex"));
      yield part;
    }
  }

  #check(entry: FileEntry, found: string): void {
    if (found !== entry.hash) throw this.#tree.damaged(entry, "its hash is not the listed one");
  }
}

function* membersOf(held: Held): Generator<TarMember> {
  const tree = new ListedTree(held.digest, held.path);
  for (const entry of held.manifest.entries) yield memberOf(entry, held, tree);
}

function memberOf(entry: Entry, held: Held, tree: ListedTree): TarMember {
  const file = entry.kind === "file";
  return {
    path: pathOf(entry),
    kind: entry.kind,
    size: file ? entry.size : 0,
    executable: file && entry.executable,
    mtime: entry.kind === "symlink" ? 0 : entry.mtime ?? 0,
    linkname: entry.kind === "symlink" ? targetOf(entry, held, tree) : "",
  };
}

function targetOf(entry: SymlinkEntry, held: Held, tree: ListedTree): string {
  const target = tree.readLink(entry);
  if (hash(hashNameOf(held.manifest.algorithm), target, "hex") !== entry.hash) {
    throw tree.damaged(entry, "its target is not the listed one");
  }
  return new TextDecoder().decode(target);
}

/** The same bytes in larger parts: thousands of small ones cost more than their content. */
function* gathered(parts: Iterable<Uint8Array>): Generator<Uint8Array> {
  let buffer = new Uint8Array(CHUNK_SIZE);
  let filled = 0;
  for (const part of parts) {
    if (filled + part.length > buffer.length) {
      yield buffer.subarray(0, filled);
      buffer = new Uint8Array(CHUNK_SIZE);
      filled = 0;
    }
    buffer.set(part, filled);
    filled += part.length;
  }
  yield buffer.subarray(0, filled);
}

function compressed(
  parts: Iterable<Uint8Array>,
  coding: Coding,
): Iterator<Uint8Array> | AsyncIterator<Uint8Array> {
  if (coding === "identity") return parts[Symbol.iterator]();
  const compressor = coding === "gzip" ? createGzip() : createZstdCompress();
  // An error of the source destroys the compressor with it, and so reaches whoever iterates.
  pipeline(Readable.from(parts, { objectMode: false }), compressor, () => {});
  return compressor[Symbol.asyncIterator]();
}
