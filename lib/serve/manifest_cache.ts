import type { ContentStream } from "../manifest/layout.ts";
import type { Manifest } from "../manifest/manifest.ts";

/** Manifests kept in memory, in bytes; with what finds lines and contents in them a quarter more. */
const ROOM = 32 * 1024 * 1024;

/** So many are kept even so: those that several machines get at once would be read in turns. */
const KEPT_ANYWAY = 4;

/** As far as they take no more than this together, in bytes: four of 200,000 files each. */
const MOST_ROOM = 96 * 1024 * 1024;

/** A manifest that was read, and what follows from it. */
export interface ReadManifest {
  readonly manifestBytes: Uint8Array<ArrayBuffer>;
  readonly manifest: Manifest;
  readonly stream: ContentStream;
}

/** The manifests that were used last. */
export class ManifestCache {
  /** By path of the implementation, least recently used first. */
  readonly #kept = new Map<string, { state: string; read: ReadManifest }>();
  readonly #room: number;
  readonly #mostRoom: number;
  #bytes = 0;

  constructor(options: { room?: number; mostRoom?: number } = {}) {
    this.#room = options.room ?? ROOM;
    this.#mostRoom = options.mostRoom ?? MOST_ROOM;
  }

  /** @param state of the manifest's file: one that was in another is not this one */
  get(path: string, state: string): ReadManifest | undefined {
    const found = this.#kept.get(path);
    if (found === undefined || found.state !== state) return undefined;
    this.#kept.delete(path);
    this.#kept.set(path, found);
    return found.read;
  }

  put(path: string, state: string, read: ReadManifest): void {
    this.delete(path);
    this.#kept.set(path, { state, read });
    this.#bytes += read.manifestBytes.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#fits()) return;
      this.delete(oldest);
    }
  }

  delete(path: string): void {
    this.#bytes -= this.#kept.get(path)?.read.manifestBytes.length ?? 0;
    this.#kept.delete(path);
  }

  #fits(): boolean {
    if (this.#bytes <= this.#room || this.#kept.size === 1) return true;
    return this.#kept.size <= KEPT_ANYWAY && this.#bytes <= this.#mostRoom;
  }
}
