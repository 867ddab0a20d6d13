/** Implementations made of real files, and what their content stream is told without the program. */

import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import { type Algorithm, type Digest } from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import { pathOf } from "../../lib/manifest/entry.ts";
import { generateManifest } from "../../lib/manifest/generate.ts";
import { formatManifest, type Manifest } from "../../lib/manifest/manifest.ts";
import { buildTree } from "../vectors/build.ts";
import { directory, file, type Node, symlink } from "../vectors/trees.ts";

export interface Implementation {
  readonly digest: Digest;
  /** Its directory, named by the digest. */
  readonly path: string;
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array<ArrayBuffer>;
}

/** Puts an implementation into a store, writable, so that a test can damage it. */
export function addImplementation(
  store: string,
  nodes: readonly Node[],
  algorithm: Algorithm = "sha256new",
): Promise<Implementation> {
  return addTree(store, (building) => buildTree(building, nodes), algorithm);
}

/** The same of a tree that `build` makes in a directory. */
export async function addTree(
  store: string,
  build: (building: string) => void,
  algorithm: Algorithm = "sha256new",
): Promise<Implementation> {
  const building = Deno.makeTempDirSync({ dir: store });
  Deno.chmodSync(building, 0o755);
  build(building);
  const manifest = await generateManifest(algorithm, building);
  const manifestBytes = formatManifest(manifest);
  const digest = digestOf(algorithm, manifestBytes);
  const path = `${store}/${digest}`;
  Deno.renameSync(building, path);
  Deno.writeFileSync(`${path}/.manifest`, manifestBytes);
  return { digest, path, manifest, manifestBytes };
}

/** The content stream, read from the files of an unambiguous manifest's tree. */
export function streamOf({ path, manifest }: Implementation): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const seen = new Set<string>();
  for (const entry of manifest.entries) {
    if (entry.kind === "directory" || entry.size === 0) continue;
    const key = `${entry.hash} ${entry.size}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const place = `${path}/${pathOf(entry)}`;
    parts.push(
      entry.kind === "file"
        ? Deno.readFileSync(place)
        : new TextEncoder().encode(Deno.readLinkSync(place)),
    );
  }
  return concatenate(parts);
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Bytes that no coding makes fewer. */
export function incompressible(seed: number, size: number): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv("aes-128-ctr", new Uint8Array(16).fill(seed), new Uint8Array(16));
  const bytes = new Uint8Array(cipher.update(new Uint8Array(size)));
  // It is kept until then; nothing follows.
  cipher.final();
  return bytes;
}

/** Letters in which no part looks like another. */
export function noise(seed: number, size: number): string {
  const codes = new Uint8Array(size);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let index = 0; index < size; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    codes[index] = 97 + (state >>> 24) % 26;
  }
  return new TextDecoder().decode(codes);
}

const DIRECTORIES = ["d", "d/e", "d/e/f", "g"];
const PLACES = ["a", "b", "z", "d/a", "d/\u00e4 b", "d/e/a", "d/e/f/x", "g/y"];

/** Around what is read and written at once, which is 256 KiB; small ones are the most. */
const SIZES = [0, 1, 2, 7, 100, 1000, 262_143, 262_144, 262_145, 700_000];

const CONTENT = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.nat(5), fc.constantFrom(...SIZES.slice(0, 6))) },
  { weight: 1, arbitrary: fc.tuple(fc.nat(5), fc.constantFrom(...SIZES.slice(6))) },
).map(([seed, size]) => noise(seed, size));

/** Trees with equal contents, symlinks, empty files and directories; the seeds are few on purpose. */
export const TREES: fc.Arbitrary<Node[]> = fc.tuple(
  fc.subarray(DIRECTORIES),
  fc.uniqueArray(
    fc.record({
      path: fc.constantFrom(...PLACES),
      content: CONTENT,
      link: fc.nat(4).map((n) => n === 0),
      mode: fc.constantFrom(0o644, 0o755),
      mtime: fc.nat(2 ** 31 - 1),
    }),
    { selector: ({ path }) => path, maxLength: PLACES.length },
  ),
).map(([empty, items]) => {
  const directories = new Set<string>();
  for (const path of [...empty, ...items.map((item) => item.path.replace(/\/?[^/]*$/, ""))]) {
    const names = path.split("/").filter((name) => name !== "");
    names.forEach((_, depth) => directories.add(names.slice(0, depth + 1).join("/")));
  }
  return [
    ...[...directories].sort().map((path) => directory(path)),
    ...items.map(({ path, content, link, mode, mtime }) =>
      link && content.length > 0 && content.length <= 1000
        ? symlink(path, content)
        : file(path, content, { mode, mtime })
    ),
  ];
});
