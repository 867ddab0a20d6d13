import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { ManifestMismatch, StoreFailed, VerificationFailed } from "../errors.ts";
import { algorithmOf, hashNameOf } from "../manifest/digest.ts";
import { digestOfParts } from "../manifest/digest_of.ts";
import {
  byDirectory,
  type DirectoryEntry,
  type FileEntry,
  MANIFEST_NAME,
  pathOf,
  type SymlinkEntry,
} from "../manifest/entry.ts";
import { generateManifest, type GenerateOptions } from "../manifest/generate.ts";
import { formatParts, type Manifest } from "../manifest/manifest.ts";
import { verifyTree } from "../manifest/verify.ts";
import { storeError } from "./errors.ts";
import { addWithHelper } from "./helper.ts";
import { FOLDED_NAMES_HINT, matchListing } from "./listing.ts";
import { type Committed, putInPlace } from "./put_in_place.ts";
import { removeTree } from "./remove.ts";
import type { Staging } from "./staging.ts";
import { setMode } from "./store_directory.ts";
import type { Target } from "./target.ts";

declare const proof: unique symbol;

/** A finished tree that is what its digest says. Only `sealTree` and `sealUnpacked` make them. */
export interface VerifiedTree {
  readonly [proof]: true;
  readonly staging: Staging;
}

/**
 * Types are gone when the program runs; this is not. With staging's `resets` when each was sealed.
 */
const verified = new WeakMap<VerifiedTree, number>();

export interface SealOptions extends GenerateOptions {
  /**
   * `"hashed while written"` states that the content of every file had its listed hash as it was
   * written to this tree; `"finished"` that every file also got its mode and time then, so that no
   * single one has to be looked at again. Anything else, and the whole tree is read and hashed.
   */
  readonly contents: "finished" | "hashed while written" | "unknown";
}

/** Times that every file system can hold; others are looked at again after they were set. */
const COMMON_TIMES = { min: -(2 ** 31), max: 2 ** 31 - 1 };

/** After so many entries other tasks get a turn. */
const ENTRIES_PER_TURN = 1000;

/**
 * Gives a file of an implementation its mode, 0444 or 0555, and its modification time. To be called
 * when its content is complete and was found right: that is not looked at here.
 *
 * @throws StoreFailed also when it is not an ordinary file of the listed size, or when the file
 *   system
 *   cannot hold its time
 */
export function finishFile(path: string, entry: FileEntry): void {
  try {
    const info = Deno.lstatSync(path);
    if (!info.isFile || info.size !== entry.size) {
      const found = info.isFile ? `${info.size} bytes` : "something else";
      throw new StoreFailed(
        `Cannot finish ${
          JSON.stringify(path)
        }: expected a file of ${entry.size} bytes, found ${found}`,
      );
    }
    const mode = entry.executable ? 0o555 : 0o444;
    if (info.mode === null || (info.mode & 0o7777) !== mode) setMode(path, mode);
    if (info.mtime?.getTime() !== entry.mtime * 1000) setTime(path, entry.mtime);
  } catch (cause) {
    throw storeError("finish", path, cause);
  }
}

/**
 * Finishes the tree in staging: directories get mode 0555 and, in the old format, their times;
 * files that are not finished yet are; what the manifest does not list is removed; `.manifest` is
 * written.
 *
 * @param manifest the unambiguous manifest of staging's digest
 * @throws ManifestMismatch when it is another digest's
 * @throws VerificationFailed when something is not as listed
 * @throws StoreFailed also when something is missing, or has the manifest's name where case does not
 *   count; the signal's reason
 */
export async function sealTree(
  staging: Staging,
  manifest: Manifest,
  options: SealOptions,
): Promise<VerifiedTree> {
  if (staging.closed || staging.alreadyStored) throw new Error("Staging is not for building");
  if (manifest.ambiguous) throw new Error("The manifest does not say where its files are");
  const { digest, tree } = staging;
  const actual = digestOfParts(algorithmOf(digest), formatParts(manifest));
  if (actual !== digest) throw new ManifestMismatch(digest, actual);
  try {
    await finishEntries(tree, manifest, options);
    writeManifest(tree, formatParts(manifest));
    setMode(tree, 0o555);
  } catch (cause) {
    throw storeError("finish", tree, cause);
  }
  if (options.contents === "unknown") await verifyTree(digest, tree, options);
  const result = { staging } as VerifiedTree;
  verified.set(result, staging.resets);
  return result;
}

/**
 * Verifies and finishes a tree of which there was no manifest beforehand, as it comes out of an
 * archive: executable bits and modification times must be right, other bits of the modes need not
 * be.
 *
 * @throws VerificationFailed when it is not what staging's digest says
 * @throws UnsupportedTree, StoreFailed; the signal's reason
 */
export async function sealUnpacked(
  staging: Staging,
  options: GenerateOptions = {},
): Promise<VerifiedTree> {
  const { digest, tree } = staging;
  try {
    const manifest = await generateManifest(algorithmOf(digest), tree, options);
    if (digestOfParts(algorithmOf(digest), formatParts(manifest)) !== digest) {
      // A manifest that came from another peer lets the explanation say what differs.
      const expected = staging.readManifest();
      if (expected !== undefined) writeManifest(tree, [expected]);
      else removeTree(`${tree}/${MANIFEST_NAME}`);
      const { executables, signal } = options;
      await verifyTree(digest, tree, { executables, signal });
      throw new StoreFailed(`Cannot verify ${JSON.stringify(tree)}: it changes meanwhile`);
    }
    return await sealTree(staging, manifest, { ...options, contents: "hashed while written" });
  } catch (cause) {
    throw storeError("verify", tree, cause);
  }
}

/**
 * Gives a verified tree its final place, under its digest, and ends its staging. If a helper is the
 * target and fails, the tree goes to the user's store, as with Zero Install.
 *
 * Nothing is flushed to the disk, as Zero Install does not either: for thousands of small files
 * that takes longer than fetching them. After a power cut, `verify` finds what was lost.
 *
 * @throws StoreFailed with staging left to be continued; the signal's reason
 */
export async function commit(
  tree: VerifiedTree,
  target: Target,
  options: {
    signal?: AbortSignal | undefined;
    onHelperFailed?: ((error: StoreFailed) => void) | undefined;
  } = {},
): Promise<Committed> {
  const { staging } = tree;
  if (verified.get(tree) !== staging.resets || staging.closed) {
    throw new Error("The tree is not verified");
  }
  if (staging.store !== target.store) throw new Error("The tree is not in the target's store");
  options.signal?.throwIfAborted();
  const committed = target.kind === "helper"
    ? await commitWithHelper(staging, target, options)
    : putInPlace(staging);
  verified.delete(tree);
  try {
    staging.discard();
  } catch {
    // The implementation is there; what is left of staging is swept some day.
  }
  return committed;
}

async function commitWithHelper(
  staging: Staging,
  target: Target & { kind: "helper" },
  options: NonNullable<Parameters<typeof commit>[2]>,
): Promise<Committed> {
  try {
    const { digest, tree } = staging;
    return { ...await addWithHelper(target, digest, tree, options), existed: false };
  } catch (error) {
    if (!(error instanceof StoreFailed)) throw error;
    options.onHelperFailed?.(error);
    return putInPlace(staging);
  }
}

async function finishEntries(
  tree: string,
  manifest: Manifest,
  { contents, signal }: SealOptions,
): Promise<void> {
  const algorithm = hashNameOf(manifest.algorithm);
  const directories: DirectoryEntry[] = [];
  let count = 0;
  for (const [directory, indices] of byDirectory(manifest.entries)) {
    const parent = directory === "" ? tree : `${tree}/${directory}`;
    const entries = () => indices.values().map((index) => manifest.entries.at(index)!);
    matchListing(
      parent,
      new Map(entries().map(({ name, kind }) => [name, kind])),
      directory === "",
    );
    for (const entry of entries()) {
      if (++count % ENTRIES_PER_TURN === 0) {
        await setImmediate();
        signal?.throwIfAborted();
      }
      const path = `${parent}/${entry.name}`;
      if (entry.kind === "symlink") checkSymlink(path, entry, algorithm);
      else if (entry.kind === "directory") directories.push(entry);
      else if (contents !== "finished" || !isCommonTime(entry.mtime)) finishFile(path, entry);
    }
  }
  // What was removed above changed the times, and could not have been removed after this.
  for (const entry of directories) {
    const path = `${tree}/${pathOf(entry)}`;
    if (entry.mtime !== undefined) setTime(path, entry.mtime);
    setMode(path, 0o555);
  }
}

function checkSymlink(path: string, entry: SymlinkEntry, hashName: string): void {
  const actual = createHash(hashName).update(Deno.readLinkSync(path)).digest("hex");
  if (actual === entry.hash) return;
  throw new VerificationFailed(
    path,
    entry.hash,
    actual,
    `Cannot finish the symlink ${JSON.stringify(path)}: ` +
      `its target's hash must be ${entry.hash}, found ${actual}`,
  );
}

function writeManifest(tree: string, parts: Iterable<Uint8Array>): void {
  const path = `${tree}/${MANIFEST_NAME}`;
  checkManifestName(tree, path);
  // One that is there may be read-only, or a symlink.
  removeTree(path);
  using file = Deno.openSync(path, { write: true, createNew: true });
  for (const part of parts) {
    for (let written = 0; written < part.length;) written += file.writeSync(part.subarray(written));
  }
  setMode(path, 0o444);
}

/** Where case does not count, a file that is listed as `.MANIFEST` has the manifest's name. */
function checkManifestName(tree: string, path: string): void {
  try {
    Deno.lstatSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw cause;
  }
  for (const { name } of Deno.readDirSync(tree)) if (name === MANIFEST_NAME) return;
  throw new StoreFailed(
    `Cannot write ${JSON.stringify(path)}: a file of the implementation has that name`,
    { hint: FOLDED_NAMES_HINT },
  );
}

function isCommonTime(seconds: number): boolean {
  return seconds >= COMMON_TIMES.min && seconds <= COMMON_TIMES.max;
}

function setTime(path: string, seconds: number): void {
  Deno.utimeSync(path, seconds, seconds);
  if (isCommonTime(seconds)) return;
  const actual = (Deno.lstatSync(path).mtime?.getTime() ?? NaN) / 1000;
  // Deno 2.6 gives times before 1970 without their sign.
  if (Math.abs(actual) === Math.abs(seconds)) return;
  throw new StoreFailed(
    `Cannot set the time of ${
      JSON.stringify(path)
    }: expected ${seconds}, found ${actual} afterwards`,
    { hint: "choose a store on a file system that holds such times with: --store DIR" },
  );
}
