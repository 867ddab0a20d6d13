import { PeerBusy, PeerFailed, PeerLied } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { MAX_BUSY_ANSWERS } from "../wire/limits.ts";
import type { Assembly } from "./assembly/assembly.ts";
import type { PieceCheck } from "./assembly/piece_check.ts";
import type { Pieces } from "./assembly/pieces.ts";
import type { Crowd } from "./crowd.ts";
import type { Member } from "./member.ts";
import { pause } from "./peer/pause.ts";
import { TakingTurns } from "./taking_turns.ts";

/** What a seed may take to give piece digests: it reads everything before, maybe for others first. */
const DIGESTS_MS = { least: 20_000, perByte: 1 / 20_000 };

/** After this, in milliseconds, a seed that failed is asked once more, when all others were asked. */
const AGAIN_MS = 300;

export interface AdoptionOptions {
  readonly digest: Digest;
  readonly crowd: Crowd;
  readonly assembly: Assembly;
  readonly pieces: Pieces;
  readonly check: PieceCheck;
  readonly signal: AbortSignal;
  /** How long a seed may take, in milliseconds (default: as long as reading all of it slowly takes). */
  readonly patience?: number;
  /** A seed's answer contradicts itself. */
  readonly lied: (member: Member, error: PeerLied) => void;
}

/** Gets piece digests from a seed that is trusted so far, and looks at what is here by them. */
export class Adoption {
  readonly #options: AdoptionOptions;
  #running: Promise<void> | undefined;

  constructor(options: AdoptionOptions) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Settles when there are piece digests to go by, or nobody gives any. @throws StoreFailed */
  run(): Promise<void> {
    if (this.#options.check.source !== undefined) return Promise.resolve();
    return this.#running ??= this.#adopt().finally(() => this.#running = undefined);
  }

  async #adopt(): Promise<void> {
    const { check, crowd, lied, signal } = this.#options;
    /** How often each failed, or had no place, and how long it is to be left alone, in milliseconds. */
    const setbacks = new Map<Member, { times: number; pause: number }>();
    const timesOf = (member: Member) => setbacks.get(member)?.times ?? 0;
    for (;;) {
      const [source] = crowd.usable
        .filter(({ name, state }) => state === "seed" && check.trusts(name))
        .sort((a, b) => timesOf(a) - timesOf(b));
      if (source === undefined || signal.aborted) return;
      try {
        await pause(setbacks.get(source)?.pause ?? 0, signal);
        if (await this.#adoptOf(source)) return;
        check.distrust(source.name);
      } catch (error) {
        if (signal.aborted) return;
        const times = timesOf(source) + 1;
        if (error instanceof PeerBusy) {
          setbacks.set(source, { times, pause: error.retryAfterSeconds * 1000 });
          if (times > MAX_BUSY_ANSWERS) check.distrust(source.name);
        } else if (error instanceof PeerFailed) {
          // Whether it is of no use at all shows when it is asked for content.
          setbacks.set(source, { times, pause: AGAIN_MS });
          if (times > 1) check.distrust(source.name);
        } else if (error instanceof PeerLied) {
          check.distrust(source.name);
          lied(source, error);
        } else throw error;
      }
    }
  }

  /** Goes by the piece digests of a seed, and looks at what is here. Returns false if it gives none. */
  async #adoptOf(source: Member): Promise<boolean> {
    const { assembly, check, pieces, signal } = this.#options;
    const digests = await this.#digestsOf(source);
    if (digests === undefined) return false;
    await assembly.expose();
    // It was given up, or set aside, while it was asked.
    if (source.state !== "seed") return false;
    check.adopt(source.name, digests);
    pieces.digestSource = source.name;
    const turns = new TakingTurns();
    for (let piece = 0; piece < pieces.map.count; piece++) {
      if (!pieces.map.isHere(piece) || pieces.isShared(piece)) continue;
      const { start, end } = pieces.map.rangeOf(piece);
      const bytes = assembly.readBack(start, end);
      if (bytes !== undefined && check.matches(piece, bytes)) pieces.match(piece);
      await turns.after(end - start);
      if (signal.aborted || check.source !== source.name) break;
    }
    return true;
  }

  /** The piece digests of a seed; undefined if it has none to give, not all of the content, or no time. */
  async #digestsOf({ peer }: Member): Promise<Uint8Array | undefined> {
    const { assembly: { stream }, digest, pieces, signal } = this.#options;
    const { patience = DIGESTS_MS.least + DIGESTS_MS.perByte * stream.size } = this.#options;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), patience);
    try {
      const either = AbortSignal.any([signal, late.signal]);
      return await peer.pieceDigests(digest, pieces.map.count, either);
    } catch (error) {
      if (late.signal.aborted) return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
