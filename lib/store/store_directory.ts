import { dirname } from "node:path";
import { storeError } from "./errors.ts";

/**
 * Makes the directory of a store if it is missing, readable for everybody whatever the umask, as
 * Zero Install does: other users and the helper read from it. One that is there is left as it is.
 *
 * @throws StoreFailed
 */
export function makeStoreDirectory(store: string): void {
  try {
    if (isDirectory(store)) return;
    Deno.mkdirSync(dirname(store), { recursive: true, mode: 0o755 });
    try {
      Deno.mkdirSync(store);
    } catch (cause) {
      // Another process may have been faster; a symlink to nothing is not a directory even so.
      if (isDirectory(store)) return;
      throw cause;
    }
    setMode(store, 0o755);
  } catch (cause) {
    throw storeError("make the store", store, cause);
  }
}

/**
 * Makes a directory with exactly this mode, or takes the one that is there.
 *
 * @returns whether it was made
 * @throws an operating system's error; also when something else has that name, a symlink for
 *   example
 */
export function ensureRealDirectory(path: string, mode: number): boolean {
  try {
    Deno.mkdirSync(path);
    setMode(path, mode);
    return true;
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists) || !Deno.lstatSync(path).isDirectory) {
      throw cause;
    }
    return false;
  }
}

/** Sets a mode whatever the umask. Windows has none that would mean anything here. */
export function setMode(path: string, mode: number): void {
  if (Deno.build.os !== "windows") Deno.chmodSync(path, mode);
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw cause;
  }
}
