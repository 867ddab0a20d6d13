/** Implementations to be fetched: a tree that has its manifest and its digest as its name. */

import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";

import { parseDigest } from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import { generateManifest } from "../../lib/manifest/generate.ts";
import { formatManifest, type Manifest } from "../../lib/manifest/manifest.ts";
import { verifyTree } from "../../lib/manifest/verify.ts";
import { must } from "./processes.ts";

export interface Load {
  readonly name: string;
  readonly digest: string;
  /** The store that it is in. */
  readonly store: string;
  /** Its directory: `STORE/DIGEST`. */
  readonly path: string;
  readonly manifest: Manifest;
  /** Of `.manifest`, in bytes. */
  readonly manifestSize: number;
  readonly files: number;
  /** Of all files together. */
  readonly bytes: number;
}

/** Copies a tree into `store` as Zero Install would have it there. */
export async function intoStore(name: string, tree: string, store: string): Promise<Load> {
  mkdirSync(store, { recursive: true });
  const copy = join(store, `tmp-${name}`);
  await must("cp", "-a", tree, copy);
  return await seal(name, copy, store);
}

/** Gives a finished tree in `store` its manifest, its permissions and its name. */
export async function seal(name: string, tree: string, store: string): Promise<Load> {
  const manifest = await generateManifest("sha256new", tree);
  const bytes = formatManifest(manifest);
  const digest = digestOf("sha256new", bytes);
  await Deno.writeFile(join(tree, ".manifest"), bytes);
  const path = join(store, digest);
  renameSync(tree, path);
  await must("chmod", "-R", "a-w,a+rX", path);
  const files = [...manifest.entries].filter((entry) => entry.kind === "file");
  return {
    name,
    digest,
    store,
    path,
    manifest,
    manifestSize: bytes.length,
    files: files.length,
    bytes: files.reduce((sum, entry) => sum + entry.size, 0),
  };
}

/** Throws unless the tree at `path` is the load, to the last bit, mode and second. */
export async function check(load: Load, path: string): Promise<void> {
  await verifyTree(parseDigest(load.digest), path);
}
