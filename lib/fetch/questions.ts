import { PeerLacks } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import type { PieceFrame } from "../wire/piece_frame.ts";
import type { Assembly } from "./assembly/assembly.ts";
import { Block } from "./assembly/block.ts";
import type { PieceCheck } from "./assembly/piece_check.ts";
import type { Pieces } from "./assembly/pieces.ts";
import type { Compression } from "./compression.ts";
import type { Doubts } from "./doubts.ts";
import type { DownloadLimit } from "./download_limit.ts";
import type { Member } from "./member.ts";
import type { Bytes, Part } from "./peer/bytes.ts";
import type { Ask, Schedule } from "./schedule/schedule.ts";
import { isOtherPlan, planSpan } from "./span_plan.ts";

/** All of it, or 0 or 1 for each piece; or what is no content stream. */
export type Holdings = "all" | "archives" | Uint8Array;

export interface QuestionsOptions {
  readonly digest: Digest;
  readonly assembly: Assembly;
  readonly pieces: Pieces;
  readonly schedule: Schedule;
  readonly check: PieceCheck;
  readonly doubts: Doubts;
  readonly compression: Compression;
  readonly limit: DownloadLimit | undefined;
  readonly onProgress: () => void;
  /** A piece that matches the piece digests came as this frame. */
  readonly onFrame: (frame: PieceFrame) => void;
  /** What a peer says that it has, or turns out to have; "archives" if it knows nothing of content. */
  readonly holdings: (member: Member, has: Holdings) => void;
}

/** From so many bytes on it shows how fast a wire is: less may come at once, out of some buffer. */
const LONG_ENOUGH = 1024 * 1024;

/** Asks peers what the schedule wants to know, and hands what comes to the assembly. */
export class Questions {
  readonly #options: QuestionsOptions;
  /** As many as pieces come at once. */
  readonly #spare: Uint8Array[] = [];

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /**
   * Asks one peer, and takes what comes until that is of no use any more.
   *
   * @throws PeerBusy, PeerSlow, PeerFailed or PeerLied when the peer cannot go on or must not; what it
   *   sent that was right is kept
   * @throws StoreFailed
   */
  async ask(ask: Ask, member: Member, signal: AbortSignal): Promise<void> {
    if (ask.kind === "span") await this.#span(ask, member, signal);
    else await this.#piece(ask, member, signal);
  }

  async #span(ask: Ask & { kind: "span" }, member: Member, signal: AbortSignal): Promise<void> {
    const { assembly, compression, digest, pieces: { map } } = this.#options;
    const { size } = assembly.stream;
    const span = { start: map.rangeOf(ask.first).start, end: map.rangeOf(ask.end - 1).end };
    const asked = { zstd: true, holdings: (has: Uint8Array) => this.#told(member, has) };
    const { name, peer } = member;
    for (let at = span.start; at < span.end;) {
      const expected = compression.expectedOf(name);
      const rest = { start: at, end: span.end };
      at = span.end;
      for (const question of planSpan(map, assembly.missing(rest), expected)) {
        const mayShrink = question.kind === "pieces";
        const bytes = mayShrink
          ? await peer.pieces(digest, { ...question, size }, asked, signal)
          : await peer.content(digest, { ...question, size }, signal);
        if (!(await this.#takeAll(ask, member, bytes, mayShrink, signal))) return;
        if (!isOtherPlan(expected, compression.expectedOf(name))) continue;
        at = question.kind === "range" ? question.end : map.rangeOf(question.last).end;
        break;
      }
    }
  }

  /** Hands bytes on as they come. Returns whether there is a use for more. */
  async #takeAll(
    ask: Ask,
    member: Member,
    answer: Bytes | undefined,
    mayShrink: boolean,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { assembly, schedule, onProgress } = this.#options;
    if (answer === undefined) {
      await this.#lookAgain(member, signal);
      return false;
    }
    using bytes = answer;
    const block = new Block(assembly, bytes.range.start, member.name);
    const write = (push: () => boolean) => {
      const before = assembly.taken;
      const wrote = push();
      if (wrote) this.#refuseLiar(member);
      return { wrote, used: assembly.taken - before };
    };
    let used = 0;
    let came = 0;
    try {
      for await (const part of bytes.parts()) {
        await this.#count(member, part, mayShrink, signal);
        came += part.bytes.length;
        signal.throwIfAborted();
        const step = write(() => block.push(part.bytes));
        used += step.used;
        if (step.wrote) onProgress();
        if (schedule.useless(ask.id) || this.#wantsCompressed(member, bytes, came)) return false;
      }
    } finally {
      // After an abort nothing is written: whoever aborts may have closed the files.
      if (!signal.aborted) used += write(() => (block.flush(), false)).used;
      this.#measure(member, bytes, came);
      member.tally.wasted += came - used;
    }
    this.#refuseLiar(member);
    onProgress();
    return true;
  }

  /** One piece, which is judged as a whole before any of it is written. */
  async #piece(
    ask: Exclude<Ask, { kind: "span" }>,
    member: Member,
    signal: AbortSignal,
  ): Promise<void> {
    const { assembly, compression, digest, pieces: { map }, schedule } = this.#options;
    const { size } = assembly.stream;
    let has: Uint8Array | undefined;
    const options = {
      zstd: compression.accepts(member.name),
      holdings: (told: Uint8Array) => this.#told(member, has = told),
    };
    const answer = ask.kind === "any"
      ? await member.peer.anyPiece(digest, ask.lacks, size, options, signal)
      : await member.peer.pieces(
        digest,
        { first: ask.piece, last: ask.piece, size },
        options,
        signal,
      );
    if (answer === undefined) {
      // Why, shows when it is asked for something else.
      if (ask.kind === "any" && member.tally.questions === 1) return;
      has ??= await this.#lookAgain(member, signal);
      if (ask.kind === "piece" && has?.[ask.piece] === 1) {
        throw new PeerLacks(member.name, `it says that it has piece ${ask.piece}, and has not`);
      }
      return;
    }
    using bytes = answer;
    const piece = Math.floor(bytes.range.start / map.pieceSize);
    if (ask.kind === "any") schedule.chosen(ask.id, piece);
    if (schedule.useless(ask.id)) return;
    const room = this.#spare.pop() ?? new Uint8Array(map.pieceSize);
    let filled = 0;
    let frame: Uint8Array<ArrayBuffer> | undefined;
    try {
      for await (const part of bytes.parts()) {
        await this.#count(member, part, options.zstd, signal);
        room.set(part.bytes, filled);
        filled += part.bytes.length;
        frame = part.frame?.slice();
      }
      signal.throwIfAborted();
      this.#takePiece(piece, room.subarray(0, filled), member, frame);
    } finally {
      this.#measure(member, bytes, filled);
      this.#spare.push(room);
    }
  }

  #takePiece(
    piece: number,
    bytes: Uint8Array,
    member: Member,
    frame: Uint8Array<ArrayBuffer> | undefined,
  ): void {
    const { assembly, check, doubts, onProgress, pieces } = this.#options;
    const verdict = check.judge(piece, bytes, member.name);
    switch (verdict) {
      case "liar":
        member.tally.wasted += bytes.length;
        throw member.wrong(`piece ${piece} is not what its own piece digests say`);
      case "suspect":
        member.tally.wasted += bytes.length;
        doubts.suspect(member, piece);
        return;
      case "doubtful digests":
        doubts.discardDigests();
        break;
      case "right":
      case "unknown":
    }
    const before = assembly.taken;
    if (verdict === "right" && frame !== undefined) {
      this.#options.onFrame({ piece, size: bytes.length, sha256: check.digestOf(piece)!, frame });
    }
    const { start, end } = pieces.map.rangeOf(piece);
    const write = () => assembly.write(start, bytes, member.name);
    if (verdict === "right" && pieces.map.isUntouched(piece)) pieces.writeMatching(piece, write);
    else {
      write();
      // Parts of it were here already, and nobody has looked at those.
      const all = verdict === "right" ? assembly.readBack(start, end) : undefined;
      if (all !== undefined && check.matches(piece, all)) pieces.match(piece);
    }
    member.tally.wasted += bytes.length - (assembly.taken - before);
    this.#refuseLiar(member);
    onProgress();
  }

  /** @param mayShrink whether it is of pieces that might have come compressed, even if they did not */
  async #count(
    member: Member,
    { bytes: { length }, frame }: Part,
    mayShrink: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { compression, limit } = this.#options;
    const wire = frame?.length ?? length;
    member.tally.bytes += length;
    if (mayShrink) compression.shrank(member.name, length, wire);
    if (limit !== undefined) await limit.take(wire, signal);
  }

  /** Whether a long answer that is not compressed turns out to be slow: the rest may come compressed. */
  #wantsCompressed(member: Member, bytes: Bytes, came: number): boolean {
    const left = bytes.range.end - bytes.range.start - came;
    if (bytes.compressed || came < LONG_ENOUGH || left < LONG_ENOUGH) return false;
    const { compression } = this.#options;
    const before = compression.accepts(member.name);
    compression.measured(member.name, { bytes: came, ...bytes.times });
    return !before && compression.accepts(member.name);
  }

  #measure(member: Member, bytes: Bytes, came: number): void {
    const { compression } = this.#options;
    member.tally.wire += bytes.wire;
    if (!bytes.compressed) compression.measured(member.name, { bytes: came, ...bytes.times });
  }

  #told(member: Member, has: Uint8Array): void {
    const { map } = this.#options.pieces;
    if (has.length === map.count) this.#options.holdings(member, has);
  }

  /** It was taken for one that has everything, and has not: what has it? */
  async #lookAgain(member: Member, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { assembly, digest, holdings } = this.#options;
    const has = await member.peer.availability(digest, assembly.stream.size, {}, signal);
    if (has === undefined) {
      holdings(member, "archives");
      return undefined;
    }
    if (has === "all") throw new PeerLacks(member.name, "it says that it has all, and has not");
    holdings(member, has);
    return has;
  }

  #refuseLiar(member: Member): void {
    const lie = this.#options.assembly.liars.get(member.name);
    if (lie !== undefined) throw member.wrong(lie);
  }
}
