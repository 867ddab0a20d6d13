import type { Digest } from "../../manifest/digest.ts";
import { AskSockets, waysOf } from "../../net/ask.ts";
import type { NetworkInterface } from "../../net/interfaces.ts";
import { randomHex } from "../../wire/identifiers.ts";
import { ASK_AGAIN_MS, QUERY_REPEATS_MS } from "../../wire/limits.ts";
import { encodeQuery } from "../../wire/query.ts";
import { decodeReply, type OfferState } from "../../wire/reply.ts";

/** What a machine answers of one digest. */
export interface Answer {
  readonly address: string;
  readonly digest: Digest;
  readonly state: OfferState;
}

export interface AskingOptions {
  readonly interfaces: readonly NetworkInterface[];
  /** The UDP port that peers listen on. */
  readonly port: number;
  /** The id of this process's own server, whose answers are passed over. */
  readonly id: string;
  /** Whether this machine is going to download what is asked for, if it is its turn. */
  readonly claims: boolean;
  /** Told of every answer, also of those that say the same again. */
  readonly heard: (answer: Answer) => void;
}

/**
 * Asks the local network again and again, until it is disposed of, who has some implementations or
 * is downloading them. A search asks for a second; who waits wants to know what becomes of it.
 */
export class Asking implements AsyncDisposable {
  readonly #options: AskingOptions;
  readonly #sockets: AskSockets;
  readonly #nonce = randomHex();
  readonly #received: Promise<void>;
  readonly #timers: ReturnType<typeof setTimeout>[];
  #digests: readonly Digest[];

  /** Asks at once. */
  constructor(digests: readonly Digest[], options: AskingOptions) {
    this.#digests = digests;
    this.#options = options;
    this.#sockets = new AskSockets(waysOf(options.interfaces));
    this.#received = this.#receive();
    this.ask();
    this.#timers = [
      ...QUERY_REPEATS_MS.map((delay) => setTimeout(() => this.ask(), delay)),
      setInterval(() => this.ask(), ASK_AGAIN_MS),
    ];
  }

  /** From now on asks for these; nothing is asked for none. */
  only(digests: readonly Digest[]): void {
    this.#digests = digests;
  }

  /** Asks now, besides. */
  ask(): void {
    const { claims, id, port } = this.#options;
    const queries = encodeQuery({ digests: this.#digests, id, claims, nonce: this.#nonce });
    // What cannot be sent now may be sent the next time.
    for (const query of queries) void this.#sockets.send(query, port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One function clears both kinds.
    this.#timers.forEach(clearTimeout);
    this.#sockets[Symbol.dispose]();
    await this.#received;
  }

  async #receive(): Promise<void> {
    for await (const { bytes, from } of this.#sockets.messages()) {
      const reply = decodeReply(bytes);
      if (reply === undefined || reply.nonce !== this.#nonce) continue;
      if (reply.id === this.#options.id) continue;
      for (const { digest, state } of reply.offers) {
        if (!this.#digests.includes(digest)) continue;
        this.#options.heard({ address: from.address, digest, state });
      }
    }
  }
}
