import { NoWritableStore } from "../errors.ts";
import { algorithmOf, type Digest } from "../manifest/digest.ts";
import { reasonOf } from "./errors.ts";
import type { Environment } from "./locations.ts";
import { pathIn } from "./lookup.ts";
import { makeStoreDirectory } from "./store_directory.ts";

/** Where an implementation is to be put. The tree is built in `store` in either case. */
export type Target =
  | { readonly kind: "store"; readonly store: string }
  | {
    readonly kind: "helper";
    /** The helper's absolute path. */
    readonly command: string;
    /** Writable: where the tree is built, and stays if the helper fails. */
    readonly store: string;
    /** Where the helper's work is to be found. */
    readonly system: readonly string[];
  };

const HELPER = "0store-secure-add-helper";
const PROBE = "tmp-0share-probe";

/** Each round that fails means that another process probed at the same moment. */
const MAX_ROUNDS = 100;

/**
 * Chooses the store to write to, as Zero Install does: the second one, which is the system's, if it
 * can be written; else the helper, if there is one and it takes such a digest; else the first,
 * which is the user's. Further stores are never written. A single store is the only choice.
 *
 * Makes the directory of the store that it chooses. Ask only when there is something to put there.
 *
 * @param stores as from `storeLocations`, or one that was named on the command line
 * @param options.digest what is to be stored: the helper takes no `sha1=`
 * @throws NoWritableStore which says of each store why
 */
export function chooseTarget(
  env: Environment,
  stores: readonly string[],
  options: { digest?: Digest | undefined } = {},
): Target {
  const [user, system] = stores;
  if (user === undefined) {
    throw new NoWritableStore("Cannot choose a store: none is configured", {
      hint: "name one with: --store DIR",
    });
  }
  const refused = new Map<string, unknown>();
  if (system !== undefined) {
    if (isWritable(system, refused)) return { kind: "store", store: system };
    const command = findHelper(env, options.digest);
    if (command !== undefined && isWritable(user, refused)) {
      return { kind: "helper", command, store: user, system: stores.slice(1) };
    }
  }
  if (isWritable(user, refused)) return { kind: "store", store: user };
  const lines = Array.from(
    refused,
    ([store, cause]) => `${JSON.stringify(store)}: ${reasonOf(cause)}`,
  );
  throw new NoWritableStore(`Cannot write to any store: ${lines.join("; ")}`, {
    hint: "choose a directory that can be written with: --store DIR",
    cause: refused.get(user),
  });
}

/**
 * Found out by making a directory in it: mode bits say nothing about root, read-only file systems,
 * access control lists or quotas. The name is fixed, so that a killed process leaves at most one.
 */
function isWritable(store: string, refused: Map<string, unknown>): boolean {
  if (refused.has(store)) return false;
  try {
    makeStoreDirectory(store);
    probe(pathIn(store, PROBE));
    return true;
  } catch (cause) {
    refused.set(store, cause instanceof Error && cause.cause !== undefined ? cause.cause : cause);
    return false;
  }
}

function probe(path: string): void {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    try {
      Deno.mkdirSync(path);
    } catch (cause) {
      if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    }
    try {
      // Removing one that was there already proves as much as making it.
      Deno.removeSync(path);
      return;
    } catch (cause) {
      if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    }
  }
}

/** Relative directories on the PATH are passed over: the helper may become root. */
function findHelper(env: Environment, digest: Digest | undefined): string | undefined {
  if (env.get("ZEROINSTALL_PORTABLE_BASE") !== undefined) return undefined;
  if (digest !== undefined && algorithmOf(digest) === "sha1") return undefined;
  const windows = env.os === "windows";
  const name = windows ? `${HELPER}.exe` : HELPER;
  for (const directory of (env.get("PATH") ?? "/usr/bin:/bin").split(windows ? ";" : ":")) {
    if (!(windows ? /^[a-z]:[\\/]/i : /^\//).test(directory)) continue;
    const path = pathIn(directory, name);
    if (isFile(path)) return path;
  }
  return undefined;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
