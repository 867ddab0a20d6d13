import { StoreFailed } from "../../errors.ts";
import { BLOCK_SIZE } from "../../wire/limits.ts";
import { type NewFile, processUmask } from "./create_file.ts";
import type { FromFileWriter, ToFileWriter } from "./file_writer_thread.ts";

/** Files that go to the thread at once: no content is told of before all of them are there. */
const MAX_FILES = 256;

/**
 * How often that may wait: enough to even out what takes longer now and then, and so little that who
 * is interrupted does not wait long for what cannot be stopped.
 */
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

/** Files that are to be created together, and what each of their contents was given with. */
interface Batch<T> {
  readonly buffer: ArrayBuffer;
  readonly files: ToFileWriter["files"][number][];
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
  readonly #masked: number;
  readonly #loaded = Promise.withResolvers<void>();
  /** What the thread was given, and has not done. */
  readonly #waiting: Batch<T>[] = [];
  readonly #spare: ArrayBuffer[] = [];
  #next: Batch<T> | undefined;
  #ready = false;
  #failure: unknown;
  #settled: PromiseWithResolvers<void> | undefined;
  #disposed = false;

  /**
   * @param created called with what a content was given with, when all its files are there; what it
   *   throws is told
   */
  constructor(created: (token: T) => void) {
    this.#created = created;
    this.#masked = processUmask();
    // It may do what this thread may: Deno would look at every part of every path otherwise.
    this.#worker = new Worker(MODULE, { type: "module", name: "file writer" });
    running++;
    this.#worker.onmessage = ({ data }: MessageEvent<FromFileWriter>) => this.#take(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      // One that cannot even be loaded is done without.
      if (this.#ready) this.#stop(new StoreFailed(`Cannot write files: ${event.message}`));
    };
  }

  /** Settles when it begins to take files; never, where the thread cannot be had. */
  get ready(): Promise<void> {
    return this.#loaded.promise;
  }

  /** Whether all that was taken is there. */
  get isSettled(): boolean {
    return this.#waiting.length === 0 && this.#next === undefined && this.#failure === undefined;
  }

  /**
   * Takes files of one content, to be created as `createFile` does.
   *
   * @param bytes the content, which is copied
   * @returns whether they were taken, all of them
   * @throws StoreFailed when one that was taken before could not be created
   */
  add(files: readonly NewFile[], bytes: Uint8Array, token: T): boolean {
    this.#check();
    if (!this.#ready || bytes.length > BLOCK_SIZE || files.length > MAX_FILES) return false;
    if (this.#next !== undefined) {
      const { files: { length }, size } = this.#next;
      if (length + files.length > MAX_FILES || size + bytes.length > BLOCK_SIZE) this.#post();
    }
    if (this.#waiting.length >= MAX_WAITING) return false;
    const batch = this.#next ??= {
      buffer: this.#spare.pop() ?? new ArrayBuffer(BLOCK_SIZE),
      files: [],
      tokens: [],
      size: 0,
    };
    const start = batch.size;
    new Uint8Array(batch.buffer).set(bytes, start);
    batch.size += bytes.length;
    for (const { path, executable, mtime } of files) {
      batch.files.push({ path, executable, mtime, start, size: bytes.length });
    }
    batch.tokens.push(token);
    return true;
  }

  /**
   * Lets the thread begin with what was taken so far.
   *
   * @throws StoreFailed as `add` does
   */
  send(): void {
    this.#check();
    this.#post();
  }

  /** Settles when nothing is under way. @throws StoreFailed when some of it could not be created */
  async settled(): Promise<void> {
    this.#post();
    if (this.#waiting.length > 0) await (this.#settled ??= Promise.withResolvers()).promise;
    this.#check();
  }

  /** Ends the thread, wherever it is: nothing should be under way. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    running--;
    this.#worker.terminate();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #post(): void {
    const batch = this.#next;
    this.#next = undefined;
    if (batch === undefined || this.#failure !== undefined) return;
    this.#waiting.push(batch);
    const { buffer, files } = batch;
    const message: ToFileWriter = { buffer, files, masked: this.#masked };
    this.#worker.postMessage(message, [buffer]);
  }

  #take(message: FromFileWriter): void {
    switch (message.kind) {
      case "ready":
        this.#ready = true;
        this.#loaded.resolve();
        break;
      case "created":
        this.#spare.push(message.buffer);
        this.#tell(this.#waiting.shift()!.tokens);
        if (this.#waiting.length === 0) this.#settle();
        break;
      case "failed":
        this.#stop(new StoreFailed(message.message, { hint: message.hint }));
    }
  }

  /** Whoever is told may fail to write that down; the thread goes on with what it was given. */
  #tell(tokens: readonly T[]): void {
    if (this.#failure !== undefined) return;
    try {
      tokens.forEach(this.#created);
    } catch (error) {
      this.#failure = error;
    }
  }

  /** The thread has ended. */
  #stop(failure: StoreFailed): void {
    this.#failure ??= failure;
    this.#waiting.length = 0;
    this.#settle();
  }

  #settle(): void {
    this.#settled?.resolve();
    this.#settled = undefined;
  }
}
