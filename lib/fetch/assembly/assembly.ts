import { hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { hashNameOf } from "../../manifest/digest.ts";
import { pathOf } from "../../manifest/entry.ts";
import {
  type ContentStream,
  contentStream,
  type Extent,
  extentIndexAt,
} from "../../manifest/layout.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { BLOCK_SIZE } from "../../wire/limits.ts";
import type { ByteRange } from "../../wire/range.ts";
import { PartialBuffer, PartialFile } from "./partial.ts";
import { Places } from "./places.ts";
import { type Read, Testimonies } from "./testimony.ts";

/** What is read back and hashed without a pause, in bytes: under 50 ms. */
const HASHED_AT_ONCE = 64 * 1024 * 1024;

/** Who bytes are said to come from that come from no peer. */
export const THIS_MACHINE = "this machine";
const EARLIER_RUN = "an earlier run";

/** From so many on it takes clearly longer to create them than to start a thread that does it. */
const MANY_FILES = 10_000;

const MISSING = 0;
const PARTIAL = 1;
const DONE = 2;

/** What an assembly tells while bytes come. None of these may write to the assembly. */
export interface AssemblyObserver {
  /** Bytes `start` to `end` (exclusive) of the stream are here, from `from`, not necessarily right. */
  received(start: number, end: number, from: string): void;
  /** A content is right, and where it belongs. All of it was received before. */
  verified(extent: Extent): void;
  /** Bytes that were received are missing again. */
  lost(start: number, end: number): void;
  /**
   * A content is wrong, and who sent it cannot be blamed for sure: `forget` or `reject` has to say what
   * becomes of it.
   */
  doubted(index: number): void;
  /** Whether a peer that sent all of a wrong content is to blame for that. */
  isToBlame(peer: string): boolean;
}

/**
 * An implementation being put together in staging from bytes of its content stream.
 *
 * Bytes may come in any order and from any peer. Each file is hashed while it is written and counts
 * only when its hash is right; otherwise its bytes are missing again, and `liars` names who sent
 * them. When several peers contributed to a wrong file nobody is blamed yet: it stays as it is, for
 * whoever has a way to tell which part of it is wrong. If it is given up as a whole, what each sent is
 * remembered, and compared with what is right in the end.
 */
export class Assembly {
  readonly stream: ContentStream;
  /** Peers that sent wrong bytes, and what they sent. */
  readonly liars = new Map<string, string>();
  readonly #places: Places;
  readonly #hashName: string;
  readonly #observer: AssemblyObserver | undefined;
  readonly #state: Uint8Array;
  readonly #partials = new Map<number, PartialBuffer | PartialFile>();
  /** Large contents of which all is here, and whose hash is not known yet. */
  readonly #unsettled = new Set<number>();
  readonly #testimonies = new Testimonies();
  #exposing = false;
  #received = 0;
  #taken = 0;

  /**
   * @param manifest an unambiguous manifest that hashes to the wanted digest
   * @param root a directory that has the manifest's directories in it already
   * @param observer without one, a doubted content is rejected
   */
  constructor(manifest: Manifest, root: string, observer?: AssemblyObserver) {
    this.stream = contentStream(manifest);
    this.#observer = observer;
    this.#hashName = hashNameOf(manifest.algorithm);
    this.#places = new Places(root, this.#hashName);
    this.#state = new Uint8Array(this.stream.extents.length);
  }

  /** Bytes of the stream that are here, verified or on the way to it. */
  get received(): number {
    return this.#received;
  }

  /** Bytes of the stream that were received so far, those included that are missing again. */
  get taken(): number {
    return this.#taken;
  }

  /** Whether everything is here, and right; not whether it is in its place, see `placed`. */
  get complete(): boolean {
    return this.#received === this.stream.size && this.#partials.size === 0;
  }

  /** Whether so many small files are missing that it pays to share the writing. */
  get lacksManyFiles(): boolean {
    let count = 0;
    for (const { index, size } of this.stream.extents) {
      if (size <= BLOCK_SIZE && this.#state[index] === MISSING) count++;
    }
    return count >= MANY_FILES;
  }

  /** What of a range is not here, in ascending order. */
  missing({ start: from, end: to }: ByteRange = { start: 0, end: this.stream.size }): ByteRange[] {
    const ranges: { start: number; end: number }[] = [];
    const add = (first: number, behind: number) => {
      const start = Math.max(from, first);
      const end = Math.min(to, behind);
      if (start >= end) return;
      const last = ranges.at(-1);
      if (last !== undefined && last.end === start) last.end = end;
      else ranges.push({ start, end });
    };
    if (from >= to) return ranges;
    const { extents } = this.stream;
    for (let index = extentIndexAt(this.stream, from); index < extents.length; index++) {
      const offset = extents.offsetOf(index);
      if (offset >= to) break;
      const size = extents.offsetOf(index + 1) - offset;
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
    const { offset, size } = this.stream.extents.at(extentIndexAt(this.stream, end));
    return offset > start && size <= BLOCK_SIZE ? offset : end;
  }

  /** Takes bytes of the stream that a peer sent; `from` names the peer. */
  write(offset: number, bytes: Uint8Array, from: string): void {
    let index = extentIndexAt(this.stream, offset);
    for (let at = 0; at < bytes.length; index++) {
      const extent = this.stream.extents.at(index);
      const within = offset + at - extent.offset;
      const part = bytes.subarray(at, at + extent.size - within);
      at += part.length;
      if (this.#state[index] === DONE) continue;
      if (part.length === extent.size && this.#state[index] === MISSING) {
        const found = hash(this.#hashName, part, "hex");
        if (found !== extent.hash) this.#accuse(from, extent, found);
        else {
          this.#convict(index, (within, into) => {
            into.set(part.subarray(within, within + into.length));
            return true;
          });
          // In its place before it is told of: others may read there at once.
          const filled = this.#places.fill(extent, part);
          this.#state[index] = DONE;
          this.#count(extent.offset, extent.offset + extent.size, from);
          if (filled) this.#observer?.verified(extent);
        }
      } else {
        this.#writePart(index, extent, within, part, from);
      }
    }
    this.#places.send();
  }

  /**
   * From now on, and until others are to read here, another thread creates small files: they come to
   * their places a little later than they are received.
   *
   * @returns what settles when the other thread begins; nobody has to wait for it
   */
  shareWriting(): Promise<void> {
    return this.#places.shareWriting((extent) => this.#observer?.verified(extent));
  }

  /** Settles when everything that was written is in its place. @throws StoreFailed */
  async placed(): Promise<void> {
    await this.#places.settled();
  }

  /** Takes over a content that is in its place as a whole, and whose hash was found right. */
  keep(index: number): void {
    const extent = this.stream.extents.at(index);
    this.#state[index] = DONE;
    this.#count(extent.offset, extent.offset + extent.size, THIS_MACHINE);
    this.#places.finish(extent);
    this.#observer?.verified(extent);
  }

  /**
   * Takes over parts of a large content that an earlier run left at its place, unchecked.
   *
   * @param ranges what is there, in bytes from the content's beginning
   */
  keepParts(index: number, ranges: readonly ByteRange[]): void {
    const extent = this.stream.extents.at(index);
    const path = this.#places.pathOf(extent);
    const partial = new PartialFile(path, extent.size, this.#hashName, { resume: true });
    this.#partials.set(index, partial);
    this.#state[index] = PARTIAL;
    for (const { start, end } of ranges) {
      partial.resume({ start, end }, EARLIER_RUN);
      this.#count(extent.offset + start, extent.offset + end, EARLIER_RUN);
    }
    if (partial.received.size === extent.size) this.#unsettled.add(index);
  }

  /** Whether `settle` has something to find out. */
  get unsettled(): boolean {
    return this.#unsettled.size > 0;
  }

  /**
   * Finds out whether the large contents that are here as a whole are right, in turns that leave
   * others their time.
   */
  async settle(signal: AbortSignal): Promise<void> {
    for (const index of this.#unsettled) {
      const partial = this.#partials.get(index);
      while (partial instanceof PartialFile && partial.hashSome()) {
        await setImmediate();
        signal.throwIfAborted();
        if (!this.#unsettled.has(index)) break;
      }
      if (this.#unsettled.delete(index)) this.#settle(index);
    }
  }

  /**
   * The bytes of the stream that are here, verified or not; undefined if some of them are not. Not
   * before `placed`, while another thread shares the writing.
   *
   * @throws StoreFailed
   */
  readBack(start: number, end: number): Uint8Array<ArrayBuffer> | undefined {
    const bytes = new Uint8Array(end - start);
    if (bytes.length === 0) return bytes;
    for (let index = extentIndexAt(this.stream, start), at = start; at < end; index++) {
      const extent = this.stream.extents.at(index);
      const within = at - extent.offset;
      const into = bytes.subarray(at - start, Math.min(end, extent.offset + extent.size) - start);
      const partial = this.#partials.get(index);
      if (partial !== undefined) {
        if (!partial.read(within, into)) return undefined;
      } else if (this.#state[index] !== DONE || !this.#places.read(extent, within, into)) {
        return undefined;
      }
      at += into.length;
    }
    return bytes;
  }

  /**
   * Takes some bytes of a doubted content that is large for missing again.
   *
   * @param index one for which `isLarge`
   * @param ranges received ones, at least one, in bytes from the content's beginning
   */
  forget(index: number, ranges: readonly ByteRange[]): void {
    const { offset } = this.stream.extents.at(index);
    const partial = this.#partials.get(index) as PartialFile;
    this.#unsettled.delete(index);
    const before = partial.received.size;
    partial.forget(ranges);
    this.#received -= before - partial.received.size;
    for (const { start, end } of ranges) this.#observer?.lost(offset + start, offset + end);
  }

  /** Whether a content is kept in a file of its own while it comes. */
  isLarge(index: number): boolean {
    return this.#partials.get(index) instanceof PartialFile;
  }

  /** Takes all of a doubted content for missing again, and remembers who contributed to it. */
  reject(index: number): void {
    const extent = this.stream.extents.at(index);
    const partial = this.#partials.get(index)!;
    this.#testimonies.remember(index, partial);
    this.#unsettled.delete(index);
    this.#partials.delete(index);
    this.#received -= partial.received.size;
    partial.close();
    if (partial instanceof PartialFile) this.#places.remove(extent);
    else this.#places.conceal(extent);
    this.#state[index] = MISSING;
    this.#observer?.lost(extent.offset, extent.offset + extent.size);
  }

  /**
   * Settles when what is here of a small file is in its place in the tree as well, so that others can
   * read there what they are told is here, now and from then on. @throws StoreFailed
   */
  async expose(): Promise<void> {
    if (this.#exposing) return;
    await this.#places.writeAlone();
    this.#exposing = true;
    for (const [index, partial] of this.#partials) {
      if (!(partial instanceof PartialBuffer)) continue;
      this.#places.expose(this.stream.extents.at(index), partial.bytes, partial.received.ranges);
    }
  }

  /** Makes the symlinks; only when all is complete and placed. */
  finish(): void {
    if (!this.complete || !this.#places.isSettled) throw new Error("The tree lacks content");
    this.#places.makeSymlinks();
  }

  /** Closes the files that are still open; what they have stays for the next run. */
  close(): void {
    for (const partial of this.#partials.values()) partial.close();
    this.#partials.clear();
    this.#places.close();
  }

  #writePart(index: number, extent: Extent, within: number, part: Uint8Array, from: string): void {
    let partial = this.#partials.get(index);
    if (partial === undefined) {
      partial = extent.first.kind === "symlink" || extent.size <= BLOCK_SIZE
        ? new PartialBuffer(extent.size, this.#hashName)
        : new PartialFile(this.#places.pathOf(extent), extent.size, this.#hashName, {
          resume: false,
        });
      this.#partials.set(index, partial);
      this.#state[index] = PARTIAL;
    }
    const fresh = partial.write(within, part, from);
    if (this.#exposing && partial instanceof PartialBuffer) {
      this.#places.expose(extent, partial.bytes, fresh);
    }
    for (const { start, end } of fresh) {
      this.#count(extent.offset + start, extent.offset + end, from);
    }
    // What all came before, and is doubted, is no more doubtful for coming again.
    if (fresh.length === 0 || partial.received.size < extent.size) return;
    if (partial instanceof PartialFile && partial.unhashed > HASHED_AT_ONCE) {
      this.#unsettled.add(index);
    } else this.#settle(index);
  }

  /** All of a content that came in parts is here: is it right? */
  #settle(index: number): void {
    const extent = this.stream.extents.at(index);
    const partial = this.#partials.get(index)!;
    const found = partial.digest();
    if (found === extent.hash) {
      this.#convict(index, (within, into) => partial.read(within, into));
      partial.close();
      this.#place(index, extent, partial instanceof PartialBuffer ? partial.bytes : undefined);
      return;
    }
    const [only, ...others] = partial.contributors;
    if (others.length === 0 && this.#observer?.isToBlame(only!) !== false) {
      this.#accuse(only!, extent, found);
      this.reject(index);
    } else if (this.#observer !== undefined) this.#observer.doubted(index);
    else this.reject(index);
  }

  /** A content is right: who had sent something else of it before has lied. */
  #convict(index: number, read: Read): void {
    for (const liar of this.#testimonies.liars(index, read)) {
      const path = pathOf(this.stream.extents.at(index).first);
      if (!this.liars.has(liar)) this.liars.set(liar, `wrong bytes for "${path}"`);
    }
  }

  #accuse(peer: string, extent: Extent, found: string): void {
    const path = pathOf(extent.first);
    const reason = `wrong bytes for "${path}": expected ${extent.hash}, found ${found}`;
    this.liars.set(peer, reason);
  }

  /** A content is right; it is in `bytes`, or else in the file of its first entry. */
  #place(index: number, extent: Extent, bytes: Uint8Array | undefined): void {
    const filled = bytes === undefined || this.#places.fill(extent, bytes);
    if (bytes === undefined) this.#places.finish(extent);
    // Not before: what could not be put into its place is not complete.
    this.#partials.delete(index);
    this.#state[index] = DONE;
    if (filled) this.#observer?.verified(extent);
  }

  #count(start: number, end: number, from: string): void {
    this.#received += end - start;
    this.#taken += end - start;
    this.#observer?.received(start, end, from);
  }
}
