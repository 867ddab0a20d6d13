/** What is to happen when; what is due at the same time happens in the order of its entry. */
export class Agenda {
  readonly #heap: { time: number; order: number; act: () => void }[] = [];
  #entered = 0;

  /** When the next thing is due; Infinity when there is none. */
  get next(): number {
    return this.#heap[0]?.time ?? Infinity;
  }

  /** Enters something that is to happen at a time. */
  at(time: number, act: () => void): void {
    const heap = this.#heap;
    heap.push({ time, order: this.#entered++, act });
    for (let child = heap.length - 1; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!this.#before(child, parent)) break;
      [heap[child], heap[parent]] = [heap[parent]!, heap[child]!];
      child = parent;
    }
  }

  /** Does what is due, and what that enters in turn. */
  runUntil(time: number): void {
    while (this.next <= time) this.#take().act();
  }

  #take(): { act: () => void } {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) heap[0] = last;
    for (let parent = 0;;) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < heap.length && this.#before(child, least)) least = child;
      }
      if (least === parent) return first;
      [heap[least], heap[parent]] = [heap[parent]!, heap[least]!];
      parent = least;
    }
  }

  #before(a: number, b: number): boolean {
    const one = this.#heap[a]!;
    const other = this.#heap[b]!;
    return one.time < other.time || (one.time === other.time && one.order < other.order);
  }
}
