import type { Digest } from "../manifest/digest.ts";
import { storeError } from "./errors.ts";
import { pathIn } from "./lookup.ts";
import { PIECES, STAGING_PREFIX } from "./staging.ts";

/**
 * Not here; all of it that belongs to large files is on the disk; verified, so that it may be given
 * to others. What belongs to small files is on the disk when these are, and only their hashes tell.
 */
export type PieceState = 0 | 1 | 2;

const NEW_NAME = `${PIECES}.new`;

/**
 * How far a download is, for whoever continues it and for a server on this machine: a file in staging
 * with one byte a piece, changed in place. What it says of a piece becomes true before it says so.
 */
export class PieceFile implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #path: string;

  /**
   * Begins the file anew with these states.
   *
   * @param states one `PieceState` a piece
   * @throws StoreFailed
   */
  constructor(store: string, digest: Digest, states: Uint8Array) {
    this.#path = pathOf(store, digest, PIECES);
    const path = pathOf(store, digest, NEW_NAME);
    let file: Deno.FsFile | undefined;
    try {
      this.#file = file = Deno.openSync(path, { write: true, create: true, truncate: true });
      file.writeSync(states);
      // A run that is killed just now leaves the old states or the new ones, never none.
      Deno.renameSync(path, this.#path);
    } catch (cause) {
      file?.close();
      throw storeError("write", this.#path, cause);
    }
  }

  /** @throws StoreFailed */
  set(piece: number, state: PieceState): void {
    try {
      this.#file.seekSync(piece, Deno.SeekMode.Start);
      this.#file.writeSync(Uint8Array.of(state));
    } catch (cause) {
      throw storeError("write", this.#path, cause);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * What a download, running or interrupted, has of its pieces; undefined if there is none.
 *
 * @param options.within only if something has changed in the last so many milliseconds: what was
 *   interrupted long ago may have been cut off by the machine itself, and hold what never was there
 */
export function readPieceStates(
  store: string,
  digest: Digest,
  options: { within?: number } = {},
): Uint8Array | undefined {
  try {
    const path = pathOf(store, digest, PIECES);
    const { isFile, mtime } = Deno.lstatSync(path);
    const age = Date.now() - (mtime?.getTime() ?? 0);
    if (!isFile || age > (options.within ?? Infinity)) return undefined;
    return Deno.readFileSync(path);
  } catch {
    return undefined;
  }
}

function pathOf(store: string, digest: Digest, name: string): string {
  return `${pathIn(store, STAGING_PREFIX + digest)}/${name}`;
}
