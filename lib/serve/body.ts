import { STALLED_READER_MS } from "../wire/limits.ts";

/** Where the bytes of an answer come from; `close` is called once, however it ends. */
export interface Source {
  /** The next bytes; undefined at the end. What it throws aborts the answer. */
  next(): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  close(): void;
}

/**
 * A response body that is read only as fast as it is sent. An answer whose reader takes nothing
 * for `STALLED_READER_MS` is given up, so that nobody holds a place for ever.
 *
 * @param signal gives the answer up when it is aborted
 * @param over called once in the end: with no error when everything was handed over
 */
export function bodyOf(
  source: Source,
  signal: AbortSignal,
  over: (error: unknown | undefined, bytes: number) => void,
): ReadableStream<Uint8Array> {
  let bytes = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ended = false;
  const end = (error: unknown) => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
    source.close();
    over(error, bytes);
  };
  const giveUp = () => abandon(signal.reason);
  let abandon: (reason: unknown) => void = end;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      abandon = (reason) => {
        end(reason);
        controller.error(reason);
      };
      signal.addEventListener("abort", giveUp);
      if (signal.aborted) giveUp();
    },
    async pull(controller) {
      if (ended) return;
      clearTimeout(timer);
      try {
        const chunk = await source.next();
        if (ended) return;
        if (chunk === undefined) {
          end(undefined);
          controller.close();
          return;
        }
        bytes += chunk.length;
        controller.enqueue(chunk);
        timer = setTimeout(() => {
          abandon(new Error(`its reader took nothing for ${STALLED_READER_MS / 1000} seconds`));
        }, STALLED_READER_MS);
      } catch (error) {
        // Never a short body that looks complete: an error breaks the connection off.
        if (!ended) abandon(error);
      }
    },
    cancel() {
      end(new Error("its reader went away"));
    },
  }, { highWaterMark: 1 });
}
