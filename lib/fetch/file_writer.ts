import { StoreFailed } from "../errors.ts";
import type { FileEntry } from "../manifest/manifest.ts";
import { BLOCK_SIZE } from "../wire/limits.ts";
import type { FromFileWriter, ToFileWriter } from "./file_writer_thread.ts";

/** What waits to be written, in blocks: enough to even out what takes longer now and then. */
const MAX_WAITING = 16;

const MODULE = new URL("./file_writer_thread.ts", import.meta.url);

/** How many there are in this process. */
let running = 0;

/**
 * Whether another writer can be had, and would have a processor. Never prompts.
 *
 * @param busy processors that are taken by something else
 */
export function canHaveWriter(busy: number): boolean {
  if (navigator.hardwareConcurrency <= busy + running) return false;
  // From source, a process may have been told to read less than its own modules.
  return Deno.permissions.querySync({ name: "read", path: MODULE }).state === "granted";
}

/** Files that are to be created together, and what each was given with. */
interface Batch<T> {
  readonly buffer: ArrayBuffer;
  readonly paths: string[];
  readonly entries: ToFileWriter["entries"][number][];
  readonly tokens: T[];
  size: number;
}

/**
 * Creates small files in a thread of its own: where there are many, the system takes as long to create
 * them as everything else that is done with them takes together.
 *
 * It takes no more than it gets done: what it does not take is for the caller to create.
 */
export class FileWriter<T> implements Disposable {
  readonly #created: (token: T) => void;
  readonly #worker: Worker;
  readonly #waiting: Batch<T>[] = [];
  readonly #spare: ArrayBuffer[] = [];
  readonly #loaded = Promise.withResolvers<void>();
  #next: Batch<T> | undefined;
  #ready = false;
  #failure: Error | undefined;
  #disposed = false;
  #settled: PromiseWithResolvers<void> | undefined;

  /** @param created called with what a file was given with, when it is there */
  constructor(created: (token: T) => void) {
    this.#created = created;
    running++;
    // It may do what this thread may: Deno would look at every part of every path otherwise.
    this.#worker = new Worker(MODULE, { type: "module", name: "file writer" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromFileWriter>) => this.#take(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      // One that cannot even be loaded is done without.
      if (this.#ready) this.#fail(new StoreFailed(`Cannot write files: ${event.message}`));
    };
  }

  /** Settles when it begins to take files; never, where the thread cannot be had. */
  get ready(): Promise<void> {
    return this.#loaded.promise;
  }

  /**
   * Takes a file to be created as `createFile` does.
   *
   * @param bytes its content, which is copied
   * @returns whether it was taken
   * @throws StoreFailed when one that was taken before could not be created
   */
  add(path: string, entry: FileEntry, bytes: Uint8Array, token: T): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#ready || bytes.length > BLOCK_SIZE) return false;
    if (this.#next !== undefined && this.#next.size + bytes.length > BLOCK_SIZE) this.send();
    if (this.#waiting.length >= MAX_WAITING) return false;
    const batch = this.#next ??= {
      buffer: this.#spare.pop() ?? new ArrayBuffer(BLOCK_SIZE),
      paths: [],
      entries: [],
      tokens: [],
      size: 0,
    };
    new Uint8Array(batch.buffer).set(bytes, batch.size);
    batch.size += bytes.length;
    batch.paths.push(path);
    const { size, executable, mtime } = entry;
    batch.entries.push({ size, executable, mtime });
    batch.tokens.push(token);
    return true;
  }

  /** Lets the thread begin with what was taken so far. */
  send(): void {
    const batch = this.#next;
    if (batch === undefined) return;
    this.#next = undefined;
    this.#waiting.push(batch);
    const { buffer, paths, entries } = batch;
    this.#worker.postMessage({ buffer, paths, entries } satisfies ToFileWriter, [buffer]);
  }

  /** Settles when all that was taken is there. @throws StoreFailed when some of it cannot be created */
  async settled(): Promise<void> {
    this.send();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#waiting.length === 0) return;
    this.#settled ??= Promise.withResolvers();
    await this.#settled.promise;
  }

  /** Ends the thread, wherever it is: nothing should be under way. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    running--;
    this.#worker.terminate();
  }

  #take(message: FromFileWriter): void {
    switch (message.kind) {
      case "ready":
        this.#ready = true;
        this.#loaded.resolve();
        break;
      case "created": {
        const { tokens } = this.#waiting.shift()!;
        this.#spare.push(message.buffer);
        tokens.forEach(this.#created);
        if (this.#waiting.length > 0) break;
        this.#settled?.resolve();
        this.#settled = undefined;
        break;
      }
      case "failed":
        this.#fail(new StoreFailed(message.message, { hint: message.hint }));
    }
  }

  #fail(failure: Error): void {
    this.#failure = failure;
    this.#waiting.length = 0;
    this.#settled?.reject(failure);
    this.#settled = undefined;
  }
}
