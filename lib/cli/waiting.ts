import { pause } from "../fetch/peer/pause.ts";
import { type Answer, Asking } from "../fetch/search/asking.ts";
import { Turns } from "../fetch/search/turns.ts";
import type { Digest } from "../manifest/digest.ts";
import { networkInterfaces } from "../net/interfaces.ts";
import type { ServeEvent } from "../serve/events.ts";
import type { Server } from "../serve/server.ts";
import {
  ASK_AGAIN_MS,
  CLAIM_AGAIN_MS,
  CLAIM_SETTLES_MS,
  CONTENDED_CLAIM_SETTLES_MS,
  MAX_CLAIMS,
} from "../wire/limits.ts";

type Names = readonly Digest[];

/** How often an implementation is fetched from those who offer it, until it is as if nobody did. */
const MAX_TRIES = 3;

/**
 * What this machine and others that lack the same tell each other, while nobody has it: who claims
 * to download it, who does, and who has got it.
 */
export class Waiting implements AsyncDisposable {
  readonly #server: Server;
  readonly #wanted: ReadonlySet<Digest>;
  readonly #turns: Turns;
  readonly #asking: Asking;
  readonly #since = performance.now();
  readonly #offered = new Map<Digest, number>();
  readonly #downloaders = new Map<Digest, string>();
  readonly #tries = new Map<Digest, number>();
  readonly #rivals = new Set<string>();
  #again: ReturnType<typeof setTimeout> | undefined;

  /** Claims at once. @param server that hears what others claim */
  constructor(server: Server, wanted: readonly Names[], discoveryPort: number) {
    this.#server = server;
    this.#wanted = new Set(wanted.flat());
    this.#turns = new Turns(server.id);
    this.#asking = new Asking(wanted.flat(), {
      interfaces: networkInterfaces(),
      port: discoveryPort,
      id: server.id,
      claims: true,
      heard: (answer) => this.#hear(answer),
    });
  }

  /** What happened at the server. */
  take(event: ServeEvent): void {
    if (event.kind !== "claim") return;
    const { digest, id } = event;
    if (!this.#wanted.has(digest)) return;
    this.#turns.claimed(digest, id, performance.now());
    if (this.#rivals.has(id)) return;
    if (this.#rivals.size >= MAX_CLAIMS) this.#rivals.clear();
    this.#rivals.add(id);
    if (id < this.#server.id) return;
    // Who begins now has not heard that somebody else goes first; those who begin at once hear it at once.
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      this.#asking.ask();
    }, CLAIM_AGAIN_MS);
  }

  /** Waits until those that are there have had the time to object. */
  async settle(signal: AbortSignal): Promise<void> {
    await this.#until(CLAIM_SETTLES_MS, signal);
    if (this.#rivals.size > 0) await this.#until(CONTENDED_CLAIM_SETTLES_MS, signal);
  }

  /** From now on claims these and nothing else. */
  claim(wanted: readonly Names[]): void {
    this.#asking.only(wanted.flat());
  }

  /** Whether it is this machine's turn to download an implementation. */
  isMine(names: Names): boolean {
    return !this.isOffered(names) && this.#turns.isMine(names, performance.now());
  }

  /** Whether others want it as well. */
  isWanted(names: Names): boolean {
    return this.#turns.isWanted(names, performance.now());
  }

  /** Whether somebody has it, or some of it, by now, from whom it has not been tried too often. */
  isOffered(names: Names): boolean {
    const now = performance.now();
    return names.some((digest) =>
      now - (this.#offered.get(digest) ?? -Infinity) < 3 * ASK_AGAIN_MS &&
      (this.#tries.get(digest) ?? 0) < MAX_TRIES
    );
  }

  /** It is being fetched from those who offer it. */
  tries(names: Names): void {
    for (const digest of names) this.#tries.set(digest, (this.#tries.get(digest) ?? 0) + 1);
  }

  /** The address of a machine that has said that it is downloading it. */
  downloaderOf(names: Names): string | undefined {
    return names.map((digest) => this.#downloaders.get(digest)).find((one) => one !== undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#again);
    await this.#asking[Symbol.asyncDispose]();
  }

  async #until(milliseconds: number, signal: AbortSignal): Promise<void> {
    await pause(Math.max(0, this.#since + milliseconds - performance.now()), signal);
  }

  #hear({ address, digest, state }: Answer): void {
    const now = performance.now();
    if (state === "pending") {
      this.#turns.pending(digest, now);
      this.#downloaders.set(digest, address);
    } else this.#offered.set(digest, now);
  }
}
