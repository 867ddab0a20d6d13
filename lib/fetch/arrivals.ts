/** Things that wait to be taken, each once, and a time when there will be no more. */
export class Arrivals<T> {
  readonly #waiting: T[] = [];
  readonly #seen = new Set<string>();
  readonly #signal: AbortSignal;
  #end = 0;
  #held = 0;
  #wake: () => void = () => {};

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  /** @returns whether nothing with this key was there before */
  add(key: string, value: T): boolean {
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    this.#waiting.push(value);
    this.#wake();
    return true;
  }

  /** @param time of `performance.now()` */
  endAt(time: number): void {
    this.#end = time;
    this.#wake();
  }

  /** There may be more until what this returns is disposed of, whatever the time is. */
  hold(): Disposable {
    this.#held++;
    return {
      [Symbol.dispose]: () => {
        this.#held--;
        this.#wake();
      },
    };
  }

  /** What has come and comes, until the time. @throws the signal's reason */
  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      this.#signal.throwIfAborted();
      const [value] = this.#waiting.splice(0, 1);
      if (value !== undefined) {
        yield value;
        continue;
      }
      const left = this.#end - performance.now();
      if (left <= 0 && this.#held === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = left > 0 ? setTimeout(resolve, left) : undefined;
      await promise;
      clearTimeout(timer);
    }
  }
}
