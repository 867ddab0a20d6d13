import { type PeerBusy, PeerFailed, PeerLacks, PeerLied, type PeerSlow } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { AT_ONCE_MS, SOME_PROGRESS, STARVED_MS } from "../wire/limits.ts";
import type { PieceFrame } from "../wire/piece_frame.ts";
import type { Assembly } from "./assembly/assembly.ts";
import { PieceCheck } from "./assembly/piece_check.ts";
import type { Pieces } from "./assembly/pieces.ts";
import { AvailabilityWatch } from "./availability_watch.ts";
import type { Compression } from "./compression.ts";
import { type Crowd, isPeerFault, meansLater } from "./crowd.ts";
import { Doubts } from "./doubts.ts";
import type { DownloadLimit } from "./download_limit.ts";
import { Fruits } from "./fruits.ts";
import type { Member } from "./member.ts";
import { noPlace } from "./patience.ts";
import { type Holdings, Questions } from "./questions.ts";
import { type Ask, Schedule } from "./schedule/schedule.ts";
import { Setbacks } from "./setbacks.ts";

export interface TransferOptions {
  readonly digest: Digest;
  readonly crowd: Crowd;
  readonly assembly: Assembly;
  readonly pieces: Pieces;
  readonly compression: Compression;
  readonly limit: DownloadLimit | undefined;
  readonly signal: AbortSignal;
  /** A peer is asked for content for the first time. */
  readonly onFirstAsk: (member: Member) => void;
  /** Called now and then, when bytes have come. */
  readonly onProgress: () => void;
  /** A piece that matches the piece digests came as this frame. */
  readonly onFrame: (frame: PieceFrame) => void;
  /**
   * How long peers that have nothing of what is missing are waited for, in milliseconds
   * (default STARVED_MS).
   */
  readonly patience?: number;
  /** How long a peer is left alone after each failure in a row (default RETRIES_MS). */
  readonly retries?: readonly number[];
  /** How long a crowd is asked that sends not a byte, in milliseconds (default FRUITLESS_MS). */
  readonly fruitless?: number;
}

/**
 * Gets what an assembly lacks from all peers at once.
 *
 * What happens goes to the schedule, one event at a time; what it answers is asked. A peer that fails
 * or lies is given up, and what it owed is asked of others; one that has no place now is left alone
 * for a while. Peers that become known meanwhile join.
 *
 * @returns whether everything is here; otherwise no peer is left, and none is to be expected
 * @throws StoreFailed; the signal's reason
 */
export async function transferFromAll(options: TransferOptions): Promise<boolean> {
  options.signal.throwIfAborted();
  const transfer = new Transfer(options);
  try {
    const complete = await transfer.result;
    await options.assembly.placed();
    return complete;
  } finally {
    await transfer.end();
  }
}

class Transfer {
  readonly #options: TransferOptions;
  readonly #schedule: Schedule;
  readonly #questions: Questions;
  readonly #watch: AvailabilityWatch;
  readonly #doubts: Doubts;
  readonly #check = new PieceCheck();
  readonly #over = new AbortController();
  readonly #asks = new Map<number, { member: Member; abort: AbortController }>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #setbacks: Setbacks;
  readonly #known = new Set<Member>();
  readonly #fruits: Fruits;
  readonly #finished = Promise.withResolvers<boolean>();
  #starving: ReturnType<typeof setTimeout> | undefined;
  #settling = false;

  constructor(options: TransferOptions) {
    const { digest, crowd, assembly, pieces, signal } = options;
    this.#options = options;
    const backAgain = (member: Member) => this.#guard(() => this.#backAgain(member));
    this.#setbacks = new Setbacks(backAgain, options.retries);
    this.#fruits = new Fruits(crowd, options.limit, options.fruitless);
    const { map } = pieces;
    this.#schedule = new Schedule({
      pieces: map.count,
      pieceSize: map.pieceSize,
      random: Math.random,
      untouched: assembly.received === 0,
    });
    const over = AbortSignal.any([signal, this.#over.signal]);
    this.#doubts = new Doubts({
      digest,
      crowd,
      assembly,
      pieces,
      check: this.#check,
      signal: over,
      leave: (member) => this.#leave(member),
      readmit: (member) => this.#join(member),
      changed: () => this.#guard(() => this.#pump()),
    });
    this.#questions = new Questions({
      ...options,
      schedule: this.#schedule,
      check: this.#check,
      doubts: this.#doubts,
      holdings: (member, has) => this.#holds(member, has),
    });
    this.#watch = new AvailabilityWatch(digest, assembly.stream.size, over, {
      holds: (member, has) => this.#holds(member, has),
      isUrgent: ({ name }) => this.#schedule.isIdle(name),
      failed: (member, error) => {
        this.#watch.remove(member);
        this.#guard(() => this.#stumbled(member, error, false));
      },
    });
    for (let piece = 0; piece < map.count; piece++) {
      if (map.isHere(piece)) this.#schedule.arrived(piece);
    }
    pieces.listener = {
      arrived: (piece) => this.#schedule.arrived(piece),
      missing: (piece) => this.#schedule.missing(piece),
      wasted: (from, bytes) => {
        const member = crowd.members.get(from);
        if (member !== undefined) member.tally.wasted += bytes;
      },
      doubted: (index) => this.#spawn(this.#doubts.resolve(index)),
      settled: (extent) => this.#doubts.settled(extent),
    };
    crowd.onJoin = (member) => this.#guard(() => this.#join(member));
    crowd.onSettled = () => this.#guard(() => this.#pump());
    crowd.isInTheWay = ({ name }, rate) => this.#schedule.isInTheWay(name, rate);
    signal.addEventListener("abort", this.#onAbort);
    // All of them, before anybody is asked: each is to get its share.
    for (const member of crowd.usable) this.#add(member);
    this.#pump();
  }

  get result(): Promise<boolean> {
    return this.#finished.promise;
  }

  /** Ends everything that is under way; afterwards nothing is written any more. */
  async end(): Promise<void> {
    const { assembly, crowd, pieces, signal } = this.#options;
    signal.removeEventListener("abort", this.#onAbort);
    crowd.onJoin = () => {};
    crowd.onSettled = () => {};
    crowd.isInTheWay = () => false;
    this.#over.abort(new Error("the transfer is over"));
    for (const { abort } of this.#asks.values()) abort.abort();
    this.#setbacks[Symbol.dispose]();
    this.#doubts[Symbol.dispose]();
    clearTimeout(this.#starving);
    await Promise.all(this.#tasks);
    await this.#watch.ended;
    // What cannot be written was told before, or something else is the reason for the end.
    await assembly.placed().catch(() => {});
    pieces.listener = undefined;
  }

  readonly #onAbort = () => this.#finished.reject(this.#options.signal.reason);

  #join(member: Member): void {
    this.#add(member);
    this.#pump();
  }

  #add(member: Member): void {
    if (this.#isOver || (member.state !== "seed" && member.state !== "partial")) return;
    this.#schedule.join(member.name, member.state === "seed");
    if (member.state === "partial") this.#watch.add(member);
    this.#known.add(member);
    // Others are getting the same: what is here is to be given on before files are complete.
    if ([...this.#known].some(({ state }) => state === "partial")) {
      this.#spawn(this.#doubts.adoptDigests());
    }
  }

  /** Asks nothing more of a member, and gives up what it is asked for. */
  #leave(member: Member): void {
    this.#watch.remove(member);
    for (const [id, ask] of this.#asks) {
      if (ask.member !== member) continue;
      this.#asks.delete(id);
      ask.abort.abort();
    }
    this.#schedule.leave(member.name);
    this.#known.delete(member);
  }

  #holds(member: Member, has: Holdings): void {
    if (!this.#known.has(member)) return;
    if (has === "archives") {
      this.#leave(member);
      member.state = "archives";
      this.#doubts.left(member);
    } else if (has === "all") {
      member.state = "seed";
      this.#watch.remove(member);
      this.#schedule.complete(member.name);
    } else if (member.state === "partial") {
      this.#schedule.offer(member.name, has);
      this.#watch.heard(member);
    } else {
      // It was taken for one that has everything.
      this.#leave(member);
      member.state = "partial";
      member.passing = true;
      this.#doubts.left(member);
      this.#join(member);
      this.#schedule.offer(member.name, has);
    }
    this.#pump();
  }

  #failed(member: Member, error: unknown): void {
    if (meansLater(error)) {
      this.#waitFor(member, error);
      return;
    }
    if (!isPeerFault(error)) {
      if (!this.#isOver) this.#finished.reject(error);
      return;
    }
    this.#leave(member);
    this.#options.crowd.drop(member, error);
    // What a liar says of pieces is worth nothing, and who was set aside for it comes back.
    if (error instanceof PeerLied && member.name === this.#check.source) {
      this.#doubts.discardDigests();
    }
    this.#doubts.left(member);
  }

  #waitFor(member: Member, error: PeerBusy | PeerSlow): void {
    if (this.#setbacks.later(member, error)) this.#paused(member);
    else this.#failed(member, noPlace(member.name));
  }

  /** An answer failed: a machine that is very busy, or a Wi-Fi, gets another chance, a dead one not many. */
  #stumbled(member: Member, error: unknown, atOnce: boolean): void {
    const again = error instanceof PeerFailed && !(error instanceof PeerLacks);
    if (again && this.#known.has(member) && this.#setbacks.failed(member, atOnce)) {
      this.#paused(member);
    } else this.#failed(member, error);
  }

  #paused(member: Member): void {
    this.#doubts.paused(member);
    this.#refreshPauses();
  }

  #backAgain(member: Member): void {
    if (this.#known.has(member) && member.state === "partial") this.#watch.add(member);
    this.#pump();
  }

  /** Who has no place is not asked; nor is anybody else while one peer has to be asked alone. */
  #refreshPauses(): void {
    const alone = this.#doubts.alone;
    for (const member of this.#known) {
      const paused = this.#setbacks.has(member) || (alone !== undefined && alone !== member);
      if (paused) this.#schedule.pause(member.name);
      else this.#schedule.resume(member.name);
    }
    if (alone === undefined) return;
    for (const [id, { member, abort }] of this.#asks) {
      if (member === alone) continue;
      this.#asks.delete(id);
      abort.abort();
      this.#schedule.over(id);
    }
  }

  #pump(): void {
    if (this.#isOver) return;
    const { assembly, crowd } = this.#options;
    if (assembly.complete) {
      this.#finished.resolve(true);
      return;
    }
    this.#refreshPauses();
    for (const ask of this.#schedule.next()) this.#start(ask);
    for (const [id, { abort }] of this.#asks) if (this.#schedule.useless(id)) abort.abort();
    if (this.#fruits.haveFailed(this.#setbacks.any || this.#settling || this.#doubts.busy)) {
      for (const member of crowd.usable) {
        this.#failed(member, new PeerFailed(member.name, "nothing came of asking it"));
      }
    }
    if (this.#schedule.done && assembly.unsettled) this.#settle();
    if (this.#asks.size > 0 || this.#settling) {
      clearTimeout(this.#starving);
      this.#starving = undefined;
    } else if (crowd.usable.length === 0 && crowd.suspects.length > 0) {
      this.#doubts.discardDigests();
    } else if (crowd.usable.length === 0 && crowd.settled) this.#finished.resolve(false);
    else {
      const starve = () => this.#guard(() => this.#starve());
      this.#starving ??= setTimeout(starve, this.#options.patience ?? STARVED_MS);
    }
  }

  /** Everything is here, but large files are still to be hashed. */
  #settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    const settled = this.#options.assembly.settle(this.#over.signal).finally(() => {
      this.#settling = false;
    });
    this.#spawn(settled.then(() => this.#pump()));
  }

  /** Nobody has what is missing, and nothing has come for long. */
  #starve(): void {
    this.#starving = undefined;
    const { crowd } = this.#options;
    // Somebody is told to wait, or something is being found out.
    if (this.#setbacks.any || this.#settling || this.#asks.size > 0 || this.#doubts.busy) {
      this.#pump();
      return;
    }
    for (const member of crowd.usable) {
      // Of a large crowd, not all were asked yet.
      if (member.state === "partial" && !this.#watch.hasHeardOf(member)) continue;
      this.#failed(member, new PeerFailed(member.name, "it got nothing more of what is missing"));
    }
    this.#pump();
  }

  #start(ask: Ask): void {
    const member = this.#options.crowd.members.get(ask.peer)!;
    const abort = new AbortController();
    this.#asks.set(ask.id, { member, abort });
    if (member.tally.questions++ === 0) this.#options.onFirstAsk(member);
    this.#spawn(this.#perform(ask, member, abort.signal));
  }

  async #perform(ask: Ask, member: Member, signal: AbortSignal): Promise<void> {
    const [started, before] = [performance.now(), member.tally.bytes];
    let failed = false;
    try {
      await this.#questions.ask(ask, member, signal);
      if (member.tally.bytes > before) this.#setbacks.progressed(member);
    } catch (error) {
      if (member.tally.bytes - before >= SOME_PROGRESS) this.#setbacks.progressed(member);
      // A store that failed has failed, whatever has become of the ask since.
      const isPeers = isPeerFault(error) || meansLater(error) || error === signal.reason;
      if (!this.#isOver && !(signal.aborted && isPeers)) {
        failed = !meansLater(error);
        this.#stumbled(member, error, performance.now() - started < AT_ONCE_MS);
      }
    } finally {
      this.#asks.delete(ask.id);
      const seconds = (performance.now() - started) / 1000;
      member.tally.seconds += seconds;
      const bytes = member.tally.bytes - before;
      // Who fails is not as good as who was never asked.
      this.#schedule.over(ask.id, bytes > 0 || failed ? { bytes, seconds } : undefined);
      this.#dropLiars();
      this.#pump();
    }
  }

  #dropLiars(): void {
    const { assembly, crowd } = this.#options;
    for (const [name, lie] of assembly.liars) {
      const member = crowd.members.get(name);
      if (member === undefined || member.state === "gone") continue;
      this.#failed(member, member.wrong(lie));
    }
  }

  /** Something that goes on by itself until the transfer is over; its failure is the transfer's. */
  #spawn(task: Promise<void>): void {
    const watched = task.catch((error) => {
      if (!this.#isOver) this.#finished.reject(error);
    }).finally(() => this.#tasks.delete(watched));
    this.#tasks.add(watched);
  }

  /** Does what nobody waits for; its failure, as of a disk that is full, is the transfer's. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#finished.reject(error);
    }
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted || this.#options.signal.aborted;
  }
}
