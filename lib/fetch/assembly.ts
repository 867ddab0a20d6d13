import { hash } from "node:crypto";
import { StoreFailed } from "../errors.ts";
import { hashNameOf } from "../manifest/digest.ts";
import {
  type ContentStream,
  contentStream,
  type Extent,
  extentIndexAt,
} from "../manifest/layout.ts";
import { type FileEntry, type Manifest, pathOf } from "../manifest/manifest.ts";
import { BLOCK_SIZE } from "../wire/limits.ts";
import { finishFile } from "../store/commit.ts";
import { copyVerified, createFile, createSymlink } from "./place.ts";
import { type Partial, PartialBuffer, PartialFile } from "./partial.ts";
import type { ByteRange } from "../wire/range.ts";

const MISSING = 0;
const PARTIAL = 1;
const DONE = 2;

/**
 * An implementation being put together in staging from bytes of its content stream.
 *
 * Bytes may come in any order and from any peer. Each file is hashed while it is written and counts
 * only when its hash is right; otherwise its bytes are missing again, and `liars` names who sent
 * them. When several peers contributed to a wrong file nobody is blamed yet: whoever then
 * delivers all of it alone is either right, and who had been alone with him is blamed, or is blamed
 * himself.
 */
export class Assembly {
  readonly stream: ContentStream;
  /** Peers that sent wrong bytes, and what they sent. */
  readonly liars = new Map<string, string>();
  readonly #root: string;
  readonly #hashName: string;
  readonly #state: Uint8Array;
  readonly #partials = new Map<number, Partial>();
  /** By extent: who contributed to each attempt that went wrong. */
  readonly #doubts = new Map<number, ReadonlySet<string>[]>();
  /** Targets by path: symlinks are made last, so that nothing is ever written through one. */
  readonly #symlinks: [path: string, target: string][] = [];
  #received = 0;

  /**
   * @param manifest an unambiguous manifest that hashes to the wanted digest
   * @param root a directory that has the manifest's directories in it already
   */
  constructor(manifest: Manifest, root: string) {
    this.stream = contentStream(manifest);
    this.#root = root;
    this.#hashName = hashNameOf(manifest.algorithm);
    this.#state = new Uint8Array(this.stream.extents.length);
  }

  /** Bytes of the stream that are here, verified or on the way to it. */
  get received(): number {
    return this.#received;
  }

  get complete(): boolean {
    return this.#received === this.stream.size && this.#partials.size === 0;
  }

  /** What is not here, in ascending order. */
  missing(): ByteRange[] {
    const ranges: { start: number; end: number }[] = [];
    const add = (start: number, end: number) => {
      const last = ranges.at(-1);
      if (last !== undefined && last.end === start) last.end = end;
      else ranges.push({ start, end });
    };
    for (const [index, { offset, size }] of this.stream.extents.entries()) {
      if (this.#state[index] === MISSING) add(offset, offset + size);
      else if (this.#state[index] === PARTIAL) {
        const gaps = this.#partials.get(index)!.received.missing({ start: 0, end: size });
        for (const gap of gaps) add(offset + gap.start, offset + gap.end);
      }
    }
    return ranges;
  }

  /**
   * Where to cut bytes `start` to `end` so that a file which would fit into a block as a whole
   * is not cut: at the beginning of the last such file, or at `end`.
   */
  wholeFilesEnd(start: number, end: number): number {
    if (end === this.stream.size) return end;
    const { offset, size } = this.stream.extents[extentIndexAt(this.stream, end)]!;
    return offset > start && size <= BLOCK_SIZE ? offset : end;
  }

  /** Takes bytes of the stream that a peer sent; `from` names the peer. */
  write(offset: number, bytes: Uint8Array, from: string): void {
    let index = extentIndexAt(this.stream, offset);
    for (let at = 0; at < bytes.length; index++) {
      const extent = this.stream.extents[index]!;
      const within = offset + at - extent.offset;
      const part = bytes.subarray(at, at + extent.size - within);
      at += part.length;
      if (this.#state[index] === DONE) continue;
      if (part.length === extent.size && this.#state[index] === MISSING) {
        this.#received += part.length;
        this.#settle(index, extent, hash(this.#hashName, part, "hex"), new Set([from]), part);
      } else {
        this.#writePart(index, extent, within, part, from);
      }
    }
  }

  /**
   * Takes over what an earlier run left at an extent's place.
   *
   * @param complete the file is there as a whole and its hash was found right
   * @param size otherwise, how many bytes of its beginning are there
   */
  keep(index: number, complete: boolean, size: number): void {
    const extent = this.stream.extents[index]!;
    const entry = extent.entries[0] as FileEntry;
    if (complete) {
      this.#state[index] = DONE;
      this.#received += extent.size;
      this.#finishFrom(extent, entry);
      return;
    }
    const partial = new PartialFile(this.#path(entry), this.#hashName, { resume: true });
    partial.resume(size, "an earlier run");
    this.#partials.set(index, partial);
    this.#state[index] = PARTIAL;
    this.#received += size;
  }

  /** Makes the symlinks; only when all is complete. */
  finish(): void {
    if (!this.complete) throw new Error("Cannot finish a tree that lacks content");
    for (const [path, target] of this.#symlinks) createSymlink(target, path);
    this.#symlinks.length = 0;
  }

  /** Closes the files that are still open; what they have stays for the next run. */
  close(): void {
    for (const partial of this.#partials.values()) partial.close();
    this.#partials.clear();
  }

  #writePart(index: number, extent: Extent, within: number, part: Uint8Array, from: string): void {
    let partial = this.#partials.get(index);
    if (partial === undefined) {
      const entry = extent.entries[0]!;
      partial = entry.kind === "symlink" || extent.size <= BLOCK_SIZE
        ? new PartialBuffer(extent.size, this.#hashName)
        : new PartialFile(this.#path(entry), this.#hashName, { resume: false });
      this.#partials.set(index, partial);
      this.#state[index] = PARTIAL;
    }
    const before = partial.received.size;
    partial.write(within, part, from);
    this.#received += partial.received.size - before;
    if (partial.received.size < extent.size) return;
    this.#partials.delete(index);
    const found = partial.digest();
    partial.close();
    const bytes = partial instanceof PartialBuffer ? partial.bytes : undefined;
    this.#settle(index, extent, found, partial.contributors, bytes);
  }

  /** All of an extent is here, in `bytes` or else in the file of its first entry: is it right? */
  #settle(
    index: number,
    extent: Extent,
    found: string,
    contributors: ReadonlySet<string>,
    bytes: Uint8Array | undefined,
  ): void {
    const first = extent.entries[0]!;
    if (found !== extent.hash) {
      this.#reject(index, extent, found, contributors, bytes === undefined);
      return;
    }
    this.#state[index] = DONE;
    for (const attempt of contributors.size === 1 ? this.#doubts.get(index) ?? [] : []) {
      // Of two others, one may have been right.
      const [other, ...more] = attempt.difference(contributors);
      if (more.length === 0) this.liars.set(other!, `wrong bytes for "${pathOf(first)}"`);
    }
    this.#doubts.delete(index);
    if (bytes === undefined) {
      this.#finishFrom(extent, first as FileEntry);
      return;
    }
    let target: string | undefined;
    for (const entry of extent.entries) {
      if (entry.kind === "file") createFile(this.#path(entry), entry, bytes);
      else {
        target ??= decodeTarget(this.#path(entry), bytes);
        this.#symlinks.push([this.#path(entry), target]);
      }
    }
  }

  #reject(
    index: number,
    extent: Extent,
    found: string,
    contributors: ReadonlySet<string>,
    inFile: boolean,
  ): void {
    const first = extent.entries[0]!;
    if (inFile) Deno.removeSync(this.#path(first));
    this.#state[index] = MISSING;
    this.#received -= extent.size;
    if (contributors.size === 1) {
      const [peer] = contributors;
      this.liars.set(
        peer!,
        `wrong bytes for "${pathOf(first)}": expected ${extent.hash}, found ${found}`,
      );
    } else {
      this.#doubts.set(index, [...this.#doubts.get(index) ?? [], contributors]);
    }
  }

  /** The content is in the file of `first`: finishes that and makes the other entries from it. */
  #finishFrom(extent: Extent, first: FileEntry): void {
    const source = this.#path(first);
    for (const entry of extent.entries) {
      if (entry === first) {
        finishFile(source, entry);
        continue;
      }
      if (entry.kind === "symlink") {
        const target = decodeTarget(this.#path(entry), Deno.readFileSync(source));
        this.#symlinks.push([this.#path(entry), target]);
      } else if (!copyVerified(source, this.#path(entry), entry, this.#hashName)) {
        throw new StoreFailed(
          `Cannot copy "${source}": the copy has other bytes than were written`,
        );
      }
    }
  }

  #path(entry: Parameters<typeof pathOf>[0]): string {
    return `${this.#root}/${pathOf(entry)}`;
  }
}

/** Zero Install takes any bytes for a target; what is no text cannot be said to the system here. */
function decodeTarget(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new StoreFailed(
      `Cannot make the symlink ${JSON.stringify(path)}: its target is not UTF-8`,
      {
        cause,
      },
    );
  }
}
