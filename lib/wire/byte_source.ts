import { InvalidArchive } from "../errors.ts";

const NOTHING = new Uint8Array();

/** Cuts chunks of any sizes into the pieces that a reader wants, copying only where it must. */
export class ByteSource implements AsyncDisposable {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = NOTHING;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** The next bytes: at least one, at most `most`. @throws InvalidArchive at the end */
  async some(most: number): Promise<Uint8Array> {
    if (!await this.#more()) throw new InvalidArchive("it is cut off");
    const part = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }

  /** Exactly so many bytes, held in memory. @throws InvalidArchive when there are fewer */
  async exactly(count: number): Promise<Uint8Array> {
    if (count === 0) return NOTHING;
    const first = await this.some(count);
    if (first.length === count) return first;
    const whole = new Uint8Array(count);
    whole.set(first);
    for (let filled = first.length; filled < count;) {
      const part = await this.some(count - filled);
      whole.set(part, filled);
      filled += part.length;
    }
    return whole;
  }

  /** All that is left, as it comes. */
  async *rest(): AsyncGenerator<Uint8Array> {
    while (await this.#more()) yield await this.some(Infinity);
  }

  /** Tells the source that no more is wanted. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.();
  }

  async #more(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return false;
      this.#chunk = value;
    }
    return true;
  }
}
