/** What is fetched in a measurement: real packages of pinned versions, or trees of the user's. */

import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";

import { digestOf } from "../lib/manifest/digest.ts";
import { generateManifest } from "../lib/manifest/generate.ts";
import { formatManifest } from "../lib/manifest/manifest.ts";
import { type PackageName, unpack } from "../tests/e2e/lib/packages.ts";

/** An implementation in a store, made from a tree. */
export interface Load {
  readonly name: string;
  readonly digest: string;
  /** Its directory: `STORE/DIGEST`. */
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
}

function packages(...names: string[]): PackageName[] {
  return names.map((text) => {
    const at = text.lastIndexOf("@");
    return { name: text.slice(0, at), version: text.slice(at + 1) };
  });
}

/** One large file; thousands of small ones; a large one among thousands. */
const PACKAGES: Readonly<Record<string, readonly PackageName[]>> = {
  big: packages("@deno/linux-x64-glibc@2.9.5"),
  small: packages(
    "antd@5.27.6",
    "core-js@3.46.0",
    "date-fns@4.1.0",
    "effect@3.18.4",
    "es-abstract@1.24.0",
    "highlight.js@11.11.1",
    "lodash@4.17.21",
    "lodash-es@4.17.21",
    "mathjs@15.1.0",
    "@mui/material@7.3.4",
    "npm@12.2.0",
    "rxjs@7.8.2",
  ),
  mixed: packages("next@16.4.6", "@next/swc-linux-x64-gnu@16.4.6"),
};

export const TREE_NAMES: readonly string[] = Object.keys(PACKAGES);

/** The tree `name` under `directory`, made there from npm when it is one of ours and missing. */
export async function sourceTree(name: string, directory: string): Promise<string> {
  const path = join(directory, name);
  if (existsSync(path)) return path;
  const wanted = PACKAGES[name];
  if (wanted === undefined) throw new Error(`No tree ${name} in ${directory}`);
  const making = `${path}.making-${Deno.pid}`;
  for (const one of wanted) await unpack(one, join(making, one.name));
  renameSync(making, path);
  return path;
}

/** Copies a tree into `store` as Zero Install would have it there. */
export async function intoStore(name: string, tree: string, store: string): Promise<Load> {
  mkdirSync(store, { recursive: true });
  const copy = join(store, `tmp-${name}`);
  const { success } = await new Deno.Command("cp", { args: ["-a", tree, copy] }).spawn().status;
  if (!success) throw new Error(`Cannot copy ${tree} to ${copy}`);
  return await seal(name, copy, store);
}

/**
 * An implementation of 2 GiB of incompressible bytes, no two of its files alike: one of 1.5 GiB
 * and 2,048 of 256 KiB.
 */
export async function twoGibibytes(store: string): Promise<Load> {
  const tree = join(store, "tmp-2gib");
  mkdirSync(join(tree, "many"), { recursive: true });
  await writeRandom(join(tree, "one"), 1.5 * 2 ** 30);
  for (let i = 0; i < 2048; i++) await writeRandom(join(tree, "many", String(i)), 2 ** 18);
  return await seal("2gib", tree, store);
}

async function writeRandom(path: string, size: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  const block = new Uint8Array(Math.min(size, 2 ** 22));
  for (let written = 0; written < size; written += block.length) {
    for (let at = 0; at < block.length; at += 65_536) {
      crypto.getRandomValues(block.subarray(at, at + 65_536));
    }
    for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
  }
}

/** Gives a finished copy its manifest, its permissions and its name. */
async function seal(name: string, tree: string, store: string): Promise<Load> {
  const manifest = await generateManifest("sha256new", tree);
  const bytes = formatManifest(manifest);
  const digest = digestOf("sha256new", bytes);
  await Deno.writeFile(join(tree, ".manifest"), bytes);
  const path = join(store, digest);
  renameSync(tree, path);
  await new Deno.Command("chmod", { args: ["-R", "a-w,a+rX", path] }).spawn().status;
  const files = manifest.entries.filter((entry) => entry.kind === "file");
  return {
    name,
    digest,
    path,
    files: files.length,
    bytes: files.reduce((sum, entry) => sum + entry.size, 0),
  };
}
