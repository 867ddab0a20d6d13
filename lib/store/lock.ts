import { setTimeout as elapse } from "node:timers/promises";

/** How long between two looks at a lock that another process has. */
const POLL_MS = 100;

/** Where there is no `tryLock`: a lock that is free is got well within this time. */
const PATIENCE_MS = 200;

/** Deno 2.6 has no `tryLock`. */
interface Lockable {
  lock(exclusive: boolean): Promise<void>;
  tryLock?(exclusive: boolean): Promise<boolean>;
}

/**
 * Takes an exclusive advisory lock (flock) on an open file. The system gives it back when the file
 * is closed, also by the death of the process. Two handles in one process exclude each other as
 * well.
 *
 * @param options.wait whether to wait while another has it; `onWait` is called once if that happens
 * @returns whether the lock was taken; always true with `wait`
 * @throws the signal's reason; an operating system's error where files cannot be locked
 */
export async function acquireLock(
  file: Deno.FsFile,
  options: {
    wait: boolean;
    onWait?: (() => void) | undefined;
    signal?: AbortSignal | undefined;
  },
): Promise<boolean> {
  options.signal?.throwIfAborted();
  const attempt = attempts(file);
  if (await attempt()) return true;
  if (!options.wait) return false;
  options.onWait?.();
  do await pause(POLL_MS, options.signal); while (!(await attempt()));
  return true;
}

/** Whether the open file is still what the path leads to: it may have been removed or replaced. */
export function isStillAt(file: Deno.FsFile, path: string): boolean {
  const mine = file.statSync();
  try {
    const there = Deno.lstatSync(path);
    // Some systems give no numbers of files; there the time of creation has to tell.
    return mine.ino === null || there.ino === null
      ? mine.birthtime?.getTime() === there.birthtime?.getTime()
      : mine.ino === there.ino && mine.dev === there.dev;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw cause;
  }
}

function attempts(file: Lockable): () => Promise<boolean> {
  if (file.tryLock !== undefined) return () => file.tryLock!(true);
  // This call cannot be cancelled. If it is given up, it lets go of the lock when it gets it,
  // because the caller has closed the file by then.
  const locked = file.lock(true).then(() => true);
  locked.catch(() => {});
  return () => within(PATIENCE_MS, locked);
}

async function within(milliseconds: number, promise: Promise<boolean>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await elapse(milliseconds, undefined, signal && { signal }).catch(() => {});
  signal?.throwIfAborted();
}
