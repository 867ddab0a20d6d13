import type { Digest } from "../manifest/digest.ts";
import { pieceSize } from "../manifest/layout.ts";
import { formatAvailability } from "../wire/availability.ts";
import { encodeBitfield } from "../wire/bitfield.ts";
import {
  AVAILABILITY_POLL_MS,
  MAX_WAIT_SECONDS,
  MAX_WAITS,
  MAX_WAITS_PER_ADDRESS,
} from "../wire/limits.ts";
import type { Route } from "../wire/routes.ts";
import type { Holdings } from "./holdings.ts";
import { notHere } from "./responses.ts";
import { busy, type Call } from "./sender.ts";
import { Transfers } from "./transfers.ts";

/** What is here of an implementation at one moment. */
interface Here {
  readonly size: number;
  readonly pieces: "all" | Uint8Array;
  /** The pieces, as they are said. */
  readonly text: string;
}

/** Says which pieces are here, at once or when that changes. */
export class AvailabilityAnswers {
  readonly #holdings: Holdings;
  readonly #stopping: AbortSignal;
  readonly #waits = new Transfers(MAX_WAITS, MAX_WAITS_PER_ADDRESS);
  /** One look for all who wait for the same. */
  readonly #looks = new Map<Digest, Promise<Here | undefined>>();

  /** @param stopping ends all waiting */
  constructor(holdings: Holdings, stopping: AbortSignal) {
    this.#holdings = holdings;
    this.#stopping = stopping;
  }

  answer(call: Call, route: Route & { kind: "availability" }): Response | Promise<Response> {
    const here = this.#look(route.digest);
    const isNews = route.wait === undefined || call.request.method === "HEAD" ||
      here === undefined || here.text !== (route.known ?? here.text);
    // Of what is complete there will never be news.
    if (isNews || here.pieces === "all") return toResponse(call, here);
    const leave = this.#waits.begin(call.from);
    if (leave === undefined) return busy("Too many are waiting already");
    return this.#changed(call, route.digest, here, route.wait).finally(leave);
  }

  async #changed(call: Call, digest: Digest, old: Here, seconds: number): Promise<Response> {
    const end = performance.now() + Math.min(seconds, MAX_WAIT_SECONDS) * 1000;
    let here: Here | undefined = old;
    // That the client went away is not known before it is answered: the bound on the wait is for that.
    const isOver = () => performance.now() >= end || this.#stopping.aborted;
    while (here?.text === old.text && !isOver()) here = await this.#lookSoon(digest);
    return toResponse(call, here);
  }

  #lookSoon(digest: Digest): Promise<Here | undefined> {
    const running = this.#looks.get(digest);
    if (running !== undefined) return running;
    const look = new Promise<void>((resolve) => setTimeout(resolve, AVAILABILITY_POLL_MS))
      .then(() => {
        this.#looks.delete(digest);
        return this.#look(digest);
      });
    this.#looks.set(digest, look);
    return look;
  }

  #look(digest: Digest): Here | undefined {
    const held = this.#holdings.findAny(digest);
    if (held === undefined) return undefined;
    const { size } = held.stream;
    if (held.piecesHere === undefined) return { size, pieces: "all", text: "all" };
    const pieces = held.piecesHere();
    if (pieces === undefined) return undefined;
    return { size, pieces, text: encodeBitfield(pieces) };
  }
}

function toResponse({ request }: Call, here: Here | undefined): Response {
  if (here === undefined) return notHere({ "cache-control": "no-store" });
  const { size, pieces } = here;
  const text = formatAvailability({ size, pieceSize: pieceSize(size), pieces });
  return new Response(request.method === "HEAD" ? null : text, {
    headers: {
      "content-type": "application/json",
      "content-length": String(text.length),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    },
  });
}
