import { MAX_UNSENT, MAX_UNSENT_PER_ADDRESS, STALLED_READER_MS } from "../wire/limits.ts";
import { Transfers } from "./transfers.ts";

/** Who is answered, and when he has got the answer. */
export interface Reader {
  /** The address that the request came from. */
  readonly from: string;
  /** Settles when the answer has left, or cannot leave any more. */
  readonly completed?: Promise<void> | undefined;
}

/** A place that was taken; call it once, when the body is over, with the error if there was one. */
export type Place = (error: unknown | undefined) => void;

/**
 * The places for answers with a body.
 *
 * What was handed over is not sent yet: the last chunk of an answer, which is all of a small one,
 * waits in memory for as long as its reader takes nothing, and so does what was under way when an
 * answer was given up. An answer that nobody takes loses its place to others after a while; how
 * many wait like that is bounded all the same.
 */
export class Places {
  readonly #transfers = new Transfers();
  readonly #unsent = new Transfers(MAX_UNSENT, MAX_UNSENT_PER_ADDRESS);

  /** A place for something large; undefined when there is none. */
  forTransfer(reader: Reader): Place | undefined {
    const sent = this.#unsent.begin(reader.from);
    if (sent === undefined) return undefined;
    const leave = this.#transfers.begin(reader.from);
    if (leave === undefined) {
      sent();
      return undefined;
    }
    return (error) => {
      whenSent(reader, sent);
      if (error !== undefined) leave();
      else whenSent(reader, leave, STALLED_READER_MS);
    };
  }

  /** A place for what is in memory already: as many as machines in a room ask for at a moment. */
  forBytes(reader: Reader): Place | undefined {
    const sent = this.#unsent.begin(reader.from);
    return sent && (() => whenSent(reader, sent));
  }
}

/** Calls back when the answer has left, or after this many milliseconds. */
function whenSent({ completed }: Reader, call: () => void, atMost?: number): void {
  if (completed === undefined) return call();
  if (atMost === undefined) return void completed.then(call, call);
  const timer = setTimeout(call, atMost);
  // A reader that takes nothing must not keep a server from ending that was told to stop.
  Deno.unrefTimer(timer);
  const settled = () => {
    clearTimeout(timer);
    call();
  };
  completed.then(settled, settled);
}
