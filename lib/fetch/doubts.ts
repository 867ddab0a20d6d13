import { PeerBusy, PeerFailed, PeerLied } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import type { Extent } from "../manifest/layout.ts";
import { MAX_BUSY_ANSWERS } from "../wire/limits.ts";
import type { ByteRange } from "../wire/range.ts";
import type { Assembly } from "./assembly/assembly.ts";
import type { PieceCheck } from "./assembly/piece_check.ts";
import type { Pieces } from "./assembly/pieces.ts";
import { type Crowd, isPeerFault } from "./crowd.ts";
import type { Member } from "./member.ts";
import { pause } from "./pause.ts";

/** So often a content may be wrong although it came from one peer alone each time, or from several. */
const MAX_ATTEMPTS = 20;

export interface DoubtsOptions {
  readonly digest: Digest;
  readonly crowd: Crowd;
  readonly assembly: Assembly;
  readonly pieces: Pieces;
  readonly check: PieceCheck;
  readonly signal: AbortSignal;
  /** Asks nothing more of a peer. */
  readonly leave: (member: Member) => void;
  /** A peer that was set aside may be asked again. */
  readonly readmit: (member: Member) => void;
  /** There may be something else to ask now. */
  readonly changed: () => void;
}

/**
 * Finds out who is wrong when bytes are, and several peers may have sent them.
 *
 * Piece digests of a seed tell which piece of a file is wrong, and so who sent it. They may be wrong
 * themselves: so who is accused by them is only set aside, and comes back when the digests turn out
 * to be the lie, which they are when a file is wrong although all of its pieces match. Where nobody
 * gives digests, one peer alone is asked for what was wrong: then there is no doubt.
 */
export class Doubts {
  readonly #options: DoubtsOptions;
  /** By extent: contents that one peer alone is asked for, and how often each was wrong. */
  readonly #disputed = new Map<number, number>();
  #alone: Member | undefined;
  #adopting: Promise<void> | undefined;
  #resolving = 0;

  constructor(options: DoubtsOptions) {
    this.#options = options;
  }

  /** The only peer that may be asked now; undefined when all may. */
  get alone(): Member | undefined {
    return this.#alone;
  }

  /** Whether something is being found out. */
  get busy(): boolean {
    return this.#resolving > 0 || this.#adopting !== undefined;
  }

  /** Gets piece digests from a seed, if none are there, and looks at what is here by them. */
  adoptDigests(): Promise<void> {
    if (this.#options.check.source !== undefined) return Promise.resolve();
    return this.#adopting ??= this.#adopt().finally(() => this.#adopting = undefined);
  }

  /** A peer sent a piece that is not what the piece digests say. */
  suspect(member: Member, piece: number): void {
    const { check, crowd, leave } = this.#options;
    const reason = `piece ${piece} is not what the piece digests of ${check.source} say`;
    leave(member);
    member.state = "suspect";
    member.reason = new PeerLied(member.name, reason);
    this.left(member);
    // The one whose word is all there is against it may be all that is left.
    if (crowd.usable.length === 0) this.discardDigests();
  }

  /** The piece digests are not to be relied on; who was set aside because of them comes back. */
  discardDigests(): void {
    const { check, crowd, pieces, readmit } = this.#options;
    check.discard();
    pieces.digestSource = undefined;
    pieces.unmatch();
    for (const member of crowd.suspects) {
      member.reason = undefined;
      member.state = member.passing ? "partial" : "seed";
      readmit(member);
    }
  }

  /** A content that several peers contributed to is wrong. */
  async resolve(index: number): Promise<void> {
    this.#resolving++;
    try {
      await this.#resolve(index);
    } finally {
      this.#resolving--;
      this.#options.changed();
    }
  }

  /** A content is right. */
  settled({ index }: Extent): void {
    if (!this.#disputed.delete(index) || this.#disputed.size > 0) return;
    this.#alone = undefined;
    // Others may be asked again; not at once, in the middle of what is being written.
    queueMicrotask(() => this.#options.changed());
  }

  /** A peer was given up: another one has to be asked alone. */
  left(member: Member): void {
    if (this.#alone !== member) return;
    this.#alone = undefined;
    this.#chooseAlone();
  }

  async #resolve(index: number): Promise<void> {
    const { assembly, check, crowd, signal } = this.#options;
    while (assembly.isLarge(index)) {
      await this.adoptDigests();
      // It stays for the next run, which hashes it again.
      if (signal.aborted) return;
      if (check.source === undefined) break;
      if (this.#forgetWrongPieces(index)) return;
      // All of its pieces match, and it is wrong: so are the digests.
      const source = crowd.members.get(check.source);
      this.discardDigests();
      if (source !== undefined) this.#drop(source, "piece digests of other content");
    }
    const attempts = (this.#disputed.get(index) ?? 0) + 1;
    this.#disputed.set(index, attempts);
    assembly.reject(index);
    if (attempts > MAX_ATTEMPTS) this.#giveUp();
    else this.#chooseAlone();
  }

  /** Returns whether some pieces of a content were wrong; these are missing again. */
  #forgetWrongPieces(index: number): boolean {
    const { assembly, check, crowd, pieces } = this.#options;
    const { offset, size } = assembly.stream.extents.at(index);
    const wrong: ByteRange[] = [];
    const suspected = new Map<Member, number>();
    const last = Math.floor((offset + size - 1) / pieces.map.pieceSize);
    for (let piece = Math.floor(offset / pieces.map.pieceSize); piece <= last; piece++) {
      const { start, end } = pieces.map.rangeOf(piece);
      const bytes = assembly.readBack(start, end);
      if (bytes !== undefined && check.matches(piece, bytes)) continue;
      const [supplier, ...others] = pieces.suppliersOf(piece);
      const member = crowd.members.get(supplier ?? "");
      if (bytes !== undefined && member !== undefined && others.length === 0) {
        suspected.set(member, piece);
      }
      wrong.push({
        start: Math.max(0, start - offset),
        end: Math.min(size, end - offset),
      });
    }
    if (wrong.length === 0) return false;
    assembly.forget(index, wrong);
    for (const [member, piece] of suspected) {
      if (member.state !== "seed" && member.state !== "partial") continue;
      if (member.name !== check.source) this.suspect(member, piece);
      else {
        this.discardDigests();
        this.#drop(member, `piece ${piece} is not what its own piece digests say`);
      }
      if (check.source === undefined) break;
    }
    return true;
  }

  #drop(liar: Member, lie: string): void {
    this.#options.leave(liar);
    this.#options.crowd.drop(liar, new PeerLied(liar.name, lie));
    this.left(liar);
  }

  async #adopt(): Promise<void> {
    const { assembly, check, crowd, digest, leave, pieces, signal } = this.#options;
    const busy = new Map<Member, number>();
    for (;;) {
      const [source] = crowd.usable.filter(({ name, state }) =>
        state === "seed" && check.trusts(name)
      );
      if (source === undefined || signal.aborted) return;
      try {
        const digests = await source.peer.pieceDigests(digest, pieces.map.count, signal);
        if (digests === undefined) {
          // It has no digests to give, or not all of the content.
          check.distrust(source.name);
          continue;
        }
        await assembly.expose();
        // It was given up, or set aside, while it was asked.
        if (source.state !== "seed") {
          check.distrust(source.name);
          continue;
        }
        check.adopt(source.name, digests);
        pieces.digestSource = source.name;
        for (let piece = 0; piece < pieces.map.count; piece++) {
          if (!pieces.map.isHere(piece) || pieces.isShared(piece)) continue;
          const { start, end } = pieces.map.rangeOf(piece);
          const bytes = assembly.readBack(start, end);
          if (bytes !== undefined && check.matches(piece, bytes)) pieces.match(piece);
        }
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof PeerBusy) {
          const times = (busy.get(source) ?? 0) + 1;
          busy.set(source, times);
          if (times >= MAX_BUSY_ANSWERS) check.distrust(source.name);
          await pause(error.retryAfterSeconds * 1000, signal).catch(() => {});
          continue;
        }
        check.distrust(source.name);
        if (!isPeerFault(error)) throw error;
        leave(source);
        crowd.drop(source, error);
        this.left(source);
      }
    }
  }

  /** Seeds have what is missing; of partial peers the first one that is there. */
  #chooseAlone(): void {
    if (this.#disputed.size === 0 || this.#alone !== undefined) return;
    const { crowd } = this.#options;
    this.#alone = crowd.usable.find(({ state }) => state === "seed");
  }

  /** Somebody sends wrong bytes, in ways that leave no trace: nobody who was there is used on. */
  #giveUp(): void {
    const { crowd, leave } = this.#options;
    for (const member of crowd.usable) {
      leave(member);
      crowd.drop(member, new PeerFailed(member.name, "it is one of those that send wrong bytes"));
    }
  }
}
