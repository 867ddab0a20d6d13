/** A torrent of one file (BEP 3). */

import { createHash } from "node:crypto";
import { basename } from "node:path";

/** The usual size of a piece for some hundred megabytes, and the same as 0share's smallest. */
const PIECE = 256 * 1024;

/** The metainfo of the file at `path`, whose tracker is at `announce`. */
export async function torrentOf(path: string, announce: string): Promise<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  const digests: Uint8Array[] = [];
  const piece = new Uint8Array(PIECE);
  for (let offset = 0; offset < size; offset += PIECE) {
    const length = Math.min(PIECE, size - offset);
    for (let at = 0; at < length;) {
      const read = await file.read(piece.subarray(at, length));
      if (read === null) throw new Error(`${path} became shorter`);
      at += read;
    }
    digests.push(createHash("sha1").update(piece.subarray(0, length)).digest());
  }
  return bencode({
    announce,
    info: {
      length: size,
      name: basename(path),
      "piece length": PIECE,
      pieces: concatenated(digests),
    },
  });
}

export type Bencodable = string | number | Uint8Array | { readonly [key: string]: Bencodable };

/** Keys are sorted as BEP 3 wants it; strings are UTF-8. */
export function bencode(value: Bencodable): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder();
  if (typeof value === "number") return bytes.encode(`i${value}e`);
  if (typeof value === "string") return bencode(bytes.encode(value));
  if (value instanceof Uint8Array) {
    return concatenated([bytes.encode(`${value.length}:`), value]);
  }
  const keys = Object.keys(value).sort();
  const items = keys.flatMap((key) => [bencode(key), bencode(value[key]!)]);
  return concatenated([bytes.encode("d"), ...items, bytes.encode("e")]);
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
