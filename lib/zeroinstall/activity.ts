/** What a download of 0install has to move in `ORIGIN_STALLED_MS` to count as going on, in bytes. */
export const ORIGIN_PROGRESS_BYTES = 16_384;

/** How long it may move less, in milliseconds: others need not wait for it any longer. */
export const ORIGIN_STALLED_MS = 4000;

/**
 * How much a process and its children have read and written so far, in bytes: whoever downloads
 * writes what comes, then reads and writes it when he unpacks, and reads it when he verifies. Counts
 * what the system knows of those that still run; undefined where it does not tell.
 */
export function bytesMoved(pid: number): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const io = read(`/proc/${pid}/io`);
  if (io === undefined) return undefined;
  let sum = 0;
  for (const [, bytes] of io.matchAll(/^[rw]char: (\d+)$/gm)) sum += Number(bytes);
  const children = read(`/proc/${pid}/task/${pid}/children`) ?? "";
  for (const child of children.split(" ").filter((text) => text !== "")) {
    sum += bytesMoved(Number(child)) ?? 0;
  }
  return sum;
}

/** Whether something that moves bytes goes on. A bar that is drawn again and again is no progress. */
export class Progress {
  #moved: number | undefined;
  #since: number;

  constructor(now: number) {
    this.#since = now;
  }

  /** @param moved so far; less than before when a child has ended; undefined where that is not known */
  goesOn(moved: number | undefined, now: number): boolean {
    const before = this.#moved;
    if (
      moved === undefined || before === undefined || moved < before ||
      moved - before >= ORIGIN_PROGRESS_BYTES
    ) {
      this.#moved = moved;
      this.#since = now;
    }
    return now - this.#since < ORIGIN_STALLED_MS;
  }
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // It has ended, or is somebody else's.
    return undefined;
  }
}
