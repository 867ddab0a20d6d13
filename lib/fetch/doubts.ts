import { PeerFailed, PeerLied } from "../errors.ts";
import type { Extent } from "../manifest/layout.ts";
import type { ByteRange } from "../wire/range.ts";
import { Adoption, type AdoptionOptions } from "./adoption.ts";
import type { Member } from "./member.ts";
import { TakingTurns } from "./taking_turns.ts";

/** How long one peer alone is waited for at first, in milliseconds: each time twice as long, up to a point. */
const ALONE_MS = 10_000;
const LONGEST_TURN = 64;

/** So often a content may be wrong although it came from one peer alone each time, or from several. */
const MAX_ATTEMPTS = 20;

/** A piece of a content that is wrong, the range of the stream, and who sent it, if that was one alone. */
interface Wrong {
  readonly piece: number;
  readonly range: ByteRange;
  readonly from: Member | undefined;
}

export interface DoubtsOptions extends Omit<AdoptionOptions, "lied"> {
  /** Asks nothing more of a peer. */
  readonly leave: (member: Member) => void;
  /** How long one peer alone is waited for at first, in milliseconds (default ALONE_MS). */
  readonly turn?: number;
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
export class Doubts implements Disposable {
  readonly #options: DoubtsOptions;
  readonly #adoption: Adoption;
  /** By extent: contents that one peer alone is asked for, and how often each was wrong. */
  readonly #disputed = new Map<number, number>();
  #alone: Member | undefined;
  /** How often each was asked alone, and was not done in its time. */
  readonly #turns = new Map<Member, number>();
  #turn: ReturnType<typeof setTimeout> | undefined;
  /** By extent: how often pieces of it were wrong. */
  readonly #rounds = new Map<number, number>();
  #resolving = 0;

  constructor(options: DoubtsOptions) {
    this.#options = options;
    this.#adoption = new Adoption({
      ...options,
      lied: (member, error) => this.#drop(member, error),
    });
  }

  /** The only peer that may be asked now; undefined when all may. */
  get alone(): Member | undefined {
    return this.#alone;
  }

  /** Whether something is being found out. */
  get busy(): boolean {
    return this.#resolving > 0 || this.#adoption.running;
  }

  /** Gets piece digests from a seed, if none are there, and looks at what is here by them. */
  adoptDigests(): Promise<void> {
    return this.#adoption.run();
  }

  /** A peer sent a piece that is not what the piece digests say. */
  suspect(member: Member, piece: number): void {
    const { check, crowd, leave } = this.#options;
    const reason = `piece ${piece} is not what the piece digests of ${check.source} say`;
    leave(member);
    member.state = "suspect";
    member.reason = member.wrong(reason);
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
    clearTimeout(this.#turn);
    // Others may be asked again; not at once, in the middle of what is being written.
    queueMicrotask(() => this.#options.changed());
  }

  /** A peer was given up: another one has to be asked alone. */
  left(member: Member): void {
    if (this.#alone !== member) return;
    this.#alone = undefined;
    this.#chooseAlone();
  }

  /** A peer is left alone for a while: if it was to deliver alone, it is another one's turn. */
  paused(member: Member): void {
    if (this.#alone === member) this.#nextTurn(member);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#turn);
  }

  async #resolve(index: number): Promise<void> {
    const { assembly, check, crowd, signal } = this.#options;
    while (assembly.isLarge(index)) {
      await this.adoptDigests();
      // It stays for the next run, which hashes it again.
      if (signal.aborted) return;
      if (check.source === undefined) break;
      const wrong = await this.#wrongPieces(index);
      if (wrong === undefined) continue;
      if (wrong.length > 0) {
        const rounds = (this.#rounds.get(index) ?? 0) + 1;
        this.#rounds.set(index, rounds);
        if (rounds > MAX_ATTEMPTS) break;
        this.#forget(index, wrong);
        return;
      }
      // All of its pieces match, and it is wrong: so are the digests.
      const source = crowd.members.get(check.source);
      this.discardDigests();
      if (source !== undefined) {
        this.#drop(source, new PeerLied(source.name, "piece digests of other content"));
      }
    }
    const attempts = (this.#disputed.get(index) ?? 0) + 1;
    this.#disputed.set(index, attempts);
    // By the digests, who is asked alone is not to blame: so they do not help.
    if (attempts > 1 && check.source !== undefined) this.discardDigests();
    assembly.reject(index);
    if (attempts > MAX_ATTEMPTS) this.#giveUp();
    else this.#chooseAlone();
  }

  /** Pieces of a content that are not what the digests say; undefined if these are others meanwhile. */
  async #wrongPieces(index: number): Promise<Wrong[] | undefined> {
    const { assembly, check, crowd, pieces, signal } = this.#options;
    const { source } = check;
    const { offset, size } = assembly.stream.extents.at(index);
    const wrong: Wrong[] = [];
    const turns = new TakingTurns();
    for (const [piece, range] of pieces.map.parts(offset, offset + size)) {
      const { start, end } = pieces.map.rangeOf(piece);
      const bytes = assembly.readBack(start, end);
      if (bytes === undefined || !check.matches(piece, bytes)) {
        // What belongs to other files is not to blame when these are right.
        const isRest = pieces.map.unverified(piece) === range.end - range.start;
        const [supplier, ...others] = pieces.suppliersOf(piece, isRest ? range : { start, end });
        const only = bytes !== undefined && others.length === 0;
        wrong.push({ piece, range, from: only ? crowd.members.get(supplier ?? "") : undefined });
      }
      await turns.after(end - start);
      if (signal.aborted || check.source !== source) return undefined;
    }
    return wrong;
  }

  /** Takes wrong pieces of a content for missing again, and sets aside who sent them. */
  #forget(index: number, wrong: readonly Wrong[]): void {
    const { assembly, check } = this.#options;
    const { offset } = assembly.stream.extents.at(index);
    const within = ({ range: { start, end } }: Wrong) => ({
      start: start - offset,
      end: end - offset,
    });
    assembly.forget(index, wrong.map(within));
    for (const { from, piece } of wrong) {
      if (from === undefined || (from.state !== "seed" && from.state !== "partial")) continue;
      if (from.name !== check.source) this.suspect(from, piece);
      else {
        this.discardDigests();
        const lie = `piece ${piece} is not what its own piece digests say`;
        this.#drop(from, from.wrong(lie));
      }
      if (check.source === undefined) break;
    }
  }

  #drop(liar: Member, lie: PeerLied): void {
    this.#options.leave(liar);
    this.#options.crowd.drop(liar, lie);
    this.left(liar);
  }

  #nextTurn(member: Member): void {
    this.#turns.set(member, (this.#turns.get(member) ?? 0) + 1);
    this.#alone = undefined;
    this.#chooseAlone();
  }

  /**
   * Seeds have what is missing, those first that have sent something already. Each gets some time: who
   * sends next to nothing is not to hold up everybody.
   */
  #chooseAlone(): void {
    const { crowd, signal } = this.#options;
    if (this.#disputed.size === 0 || this.#alone !== undefined || signal.aborted) return;
    clearTimeout(this.#turn);
    const turnsOf = (member: Member) => this.#turns.get(member) ?? 0;
    const [next] = crowd.usable
      .filter(({ state }) => state === "seed")
      .sort((a, b) => turnsOf(a) - turnsOf(b) || hasSent(b) - hasSent(a));
    this.#alone = next;
    if (next === undefined) return;
    this.#turn = setTimeout(() => {
      this.#nextTurn(next);
      this.#options.changed();
    }, (this.#options.turn ?? ALONE_MS) * Math.min(LONGEST_TURN, 2 ** turnsOf(next)));
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

function hasSent({ tally }: Member): 0 | 1 {
  return tally.bytes > 0 ? 1 : 0;
}
