/** Downloads under way, as a fetching process leaves them in a store for others to see. */

import { pieceCount } from "../../lib/wire/availability.ts";
import { pathOf } from "../../lib/manifest/entry.ts";
import { contentStream } from "../../lib/manifest/layout.ts";
import { PieceFile, type PieceState } from "../../lib/store/piece_file.ts";
import { STAGING_PREFIX, TREE_SUFFIX } from "../../lib/store/staging.ts";
import type { Implementation } from "./implementations.ts";

/** What one download has so far. Its tree has the final bytes, whatever its pieces' states are. */
export class Download implements Disposable {
  readonly control: string;
  readonly tree: string;
  readonly count: number;
  readonly #store: string;
  readonly #implementation: Implementation;
  readonly #pieces: PieceFile;

  /** Begins a download of an implementation, which is in another store, without any piece. */
  constructor(store: string, implementation: Implementation) {
    this.#store = store;
    this.#implementation = implementation;
    this.control = `${store}/${STAGING_PREFIX}${implementation.digest}`;
    this.tree = this.control + TREE_SUFFIX;
    Deno.mkdirSync(this.control);
    Deno.mkdirSync(this.tree);
    for (const entry of implementation.manifest.entries) {
      const path = `${this.tree}/${pathOf(entry)}`;
      if (entry.kind === "directory") Deno.mkdirSync(path);
      if (entry.kind !== "file") continue;
      Deno.copyFileSync(`${implementation.path}/${pathOf(entry)}`, path);
    }
    Deno.writeFileSync(`${this.control}/manifest`, implementation.manifestBytes);
    this.count = pieceCount(contentStream(implementation.manifest).size);
    this.#pieces = new PieceFile(store, implementation.digest, new Uint8Array(this.count));
  }

  set(state: PieceState, ...pieces: number[]): void {
    for (const piece of pieces) this.#pieces.set(piece, state);
  }

  makeSymlinks(): void {
    for (const entry of this.#implementation.manifest.entries) {
      if (entry.kind !== "symlink") continue;
      const target = Deno.readLinkSync(`${this.#implementation.path}/${pathOf(entry)}`);
      Deno.symlinkSync(target, `${this.tree}/${pathOf(entry)}`);
    }
  }

  /** Puts the finished tree in its place, as the end of a fetch does. */
  commit(): void {
    Deno.writeFileSync(`${this.tree}/.manifest`, this.#implementation.manifestBytes);
    Deno.renameSync(this.tree, `${this.#store}/${this.#implementation.digest}`);
    this.abandon();
  }

  /** Removes it without a trace. */
  abandon(): void {
    this[Symbol.dispose]();
    Deno.removeSync(this.control, { recursive: true });
    try {
      Deno.removeSync(this.tree, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #closed = false;

  [Symbol.dispose](): void {
    if (!this.#closed) this.#pieces[Symbol.dispose]();
    this.#closed = true;
  }
}
