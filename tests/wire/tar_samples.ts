/** Archives to read, and what was read of them. */

import fc from "fast-check";
import { readTar, type TarEntry } from "../../lib/wire/tar.ts";
import { TAR_END, tarHeader, type TarMember, tarPadding } from "../../lib/wire/tar_writer.ts";

export type Content = Omit<TarEntry, "body"> & { content: Uint8Array };

/** All of an archive that is given in chunks. */
export async function readAll(chunks: readonly Uint8Array[]): Promise<Content[]> {
  const found: Content[] = [];
  for await (const { body, ...entry } of readTar(stream(chunks))) {
    found.push({ ...entry, content: concatenate(await Array.fromAsync(body)) });
  }
  return found;
}

/** An archive of these members. */
export function write(members: readonly (TarMember & { content?: Uint8Array })[]): Uint8Array {
  const parts = members.flatMap(({ content = new Uint8Array(), ...member }) => [
    tarHeader(member),
    content,
    new Uint8Array(tarPadding(content.length)),
  ]);
  return concatenate([...parts, TAR_END]);
}

export function member(path: string, rest: Partial<TarMember> = {}): TarMember {
  return { path, kind: "file", size: 0, executable: false, mtime: 1, linkname: "", ...rest };
}

export async function* stream<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The same bytes in pieces of these sizes, which are used over and over. */
export function split(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = Math.max(0, sizes[index % sizes.length] ?? bytes.length);
    parts.push(bytes.subarray(at, at + size));
    at += size;
    if (size === 0 && sizes.every((size) => size <= 0)) return [bytes];
  }
  return parts;
}

/** Writes the checksum anew into the header block at `at`. */
export function seal(archive: Uint8Array, at = 0): void {
  const block = archive.subarray(at, at + 512);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((sum, byte) => sum + byte, 0);
  new TextEncoder().encodeInto(`${sum.toString(8).padStart(6, "0")}\0 `, block.subarray(148, 156));
}

/** A header block with any fields, which no writer would make. */
export function block(
  name: string,
  typeflag: string,
  fields: { size?: string; linkname?: string; mode?: string; mtime?: string } = {},
): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(512);
  const put = (at: number, text: string) =>
    block.set(Uint8Array.from(text, (char) => char.charCodeAt(0)), at);
  put(0, name);
  put(100, fields.mode ?? "0000644\0");
  put(124, fields.size ?? "00000000000\0");
  put(136, fields.mtime ?? "00000000001\0");
  put(156, typeflag);
  put(157, fields.linkname ?? "");
  put(257, "ustar\x0000");
  seal(block);
  return block;
}

/** A header block for `content`, and that. */
export function withContent(
  name: string,
  typeflag: string,
  content: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const size = `${content.length.toString(8).padStart(11, "0")}\0`;
  const padding = new Uint8Array((512 - content.length % 512) % 512);
  return concatenate([block(name, typeflag, { size }), content, padding]);
}

export const END: Uint8Array<ArrayBuffer> = new Uint8Array(1024);

const name = fc.oneof(
  fc.stringMatching(/^[a-z. -]{1,30}$/),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
  fc.integer({ min: 90, max: 300 }).map((length) => "n".repeat(length)),
).filter((name) => name.isWellFormed() && !/[\0/]/.test(name));

const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));

const mtime = fc.oneof(
  fc.nat(),
  fc.integer({ min: -(2 ** 31), max: -1 }),
  fc.constantFrom(0, 2 ** 31, 8 ** 11 - 1, 8 ** 11, Number.MAX_SAFE_INTEGER),
);

/** Members of an archive with their contents. */
export const members: fc.Arbitrary<(TarMember & { content: Uint8Array })[]> = fc.array(
  fc.oneof(
    fc.record({
      path,
      executable: fc.boolean(),
      mtime,
      content: fc.uint8Array({ maxLength: 1500 }),
    })
      .map(({ content, ...rest }) => ({ ...member("", rest), size: content.length, content })),
    fc.record({ path, mtime }).map((rest) => ({
      ...member("", { ...rest, kind: "directory", executable: true }),
      content: new Uint8Array(),
    })),
    fc.record({ path, mtime, linkname: path }).map((rest) => ({
      ...member("", { ...rest, kind: "symlink" }),
      content: new Uint8Array(),
    })),
  ),
  { maxLength: 6 },
);
