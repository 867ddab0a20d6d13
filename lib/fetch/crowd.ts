import {
  PeerBusy,
  PeerFailed,
  PeerLied,
  PeerMisled,
  PeerSlow,
  type ShareError,
} from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import type { ReportFetch } from "./events.ts";
import { LONG_TURN_MS, TRICKLE } from "../wire/limits.ts";
import { Member } from "./member.ts";
import type { Offer } from "./search/search.ts";
import { isSlow } from "./waiting_turns.ts";

/** More than this nobody needs; and a liar who invents peers shall not fill the memory. */
const MAX_THERE = 256;
const MAX_MEMBERS = 1024;

/** One machine has not so many servers, good and bad ones. */
const MAX_OF_ADDRESS = 16;

/** A machine has not so many addresses; what more there is of one id is taken for another server. */
const MAX_WAYS = 16;

/** The peers that have, or may have, one implementation, as they become known and are given up. */
export class Crowd implements Disposable {
  /** By name. */
  readonly members = new Map<string, Member>();
  /** Called for each that becomes known. */
  onJoin: (member: Member) => void = () => {};
  /** Called when no more are to be expected. */
  onSettled: () => void = () => {};
  /**
   * Whether others are to be asked in place of a member that brings so much and has had so many of its
   * turns in a row: known to who asks.
   */
  isInTheWay: (member: Member, bytesPerSecond: number, turns: number) => boolean = () => false;
  readonly #digest: Digest;
  readonly #report: ReportFetch;
  /** How many servers were offered there, those that wait included. */
  readonly #ofAddress = new Map<string, number>();
  readonly #byId = new Map<string, Member>();
  /** Offers that there was no room for. */
  readonly #waiting: Offer[] = [];
  #settled = false;

  constructor(digest: Digest, report: ReportFetch) {
    this.#digest = digest;
    this.#report = report;
  }

  /** Whether those that are there have had their time to answer. */
  get settled(): boolean {
    return this.#settled;
  }

  settle(): void {
    this.#settled = true;
    this.onSettled();
  }

  add(offer: Offer): void {
    const { id, peer } = offer;
    const known = id === undefined ? undefined : this.#byId.get(id);
    if (known !== undefined && known.state !== "gone" && known.otherWays.length < MAX_WAYS) {
      // Nobody vouches for the id: who copies another's hides it only for as long as he is good.
      known.otherWays.push(peer);
      return;
    }
    const ofAddress = this.#ofAddress.get(peer.address) ?? 0;
    if (ofAddress >= MAX_OF_ADDRESS) return;
    if (this.members.size >= MAX_MEMBERS || this.#waiting.length >= MAX_MEMBERS) return;
    this.#ofAddress.set(peer.address, ofAddress + 1);
    if (this.#there < MAX_THERE) this.#join(offer);
    else this.#waiting.push(offer);
  }

  #join({ id, peer, state }: Offer): void {
    const member = new Member(peer, state, (...how) => this.#makesWay(...how));
    if (this.members.has(member.name)) {
      member[Symbol.dispose]();
      return;
    }
    this.members.set(member.name, member);
    if (id !== undefined) this.#byId.set(id, member);
    this.onJoin(member);
  }

  /** Gives a peer up for good, and says why, once. */
  drop(member: Member, error: PeerFailed | PeerLied): void {
    if (member.state === "gone") return;
    member.state = "gone";
    member.reason = error;
    const isWrong = error instanceof PeerLied;
    const lied = isWrong && !(error instanceof PeerMisled);
    const passing = member.passing && !isWrong;
    this.#report({
      kind: "dropped",
      digest: this.#digest,
      peer: member.name,
      reason: error.message,
      lied,
      passing,
    });
    this.#addOtherWays(member);
    this.#addWaiting();
  }

  /** Those that may be asked for content. */
  get usable(): Member[] {
    return this.#in("seed", "partial");
  }

  /** Those that may be asked for an archive: what knows nothing better, or has not been asked. */
  get archivists(): Member[] {
    return this.#in("archives", "seed", "partial");
  }

  get suspects(): Member[] {
    return this.#in("suspect");
  }

  /** Why those that were given up were. */
  get troubles(): (PeerFailed | PeerLied)[] {
    return [...this.members.values()].flatMap(({ reason }) => reason === undefined ? [] : [reason]);
  }

  [Symbol.dispose](): void {
    for (const member of this.members.values()) member[Symbol.dispose]();
  }

  /**
   * Somebody brings little: another way to what says that it is the same server may bring more.
   * Returns whether it is to make way: each has a turn twice as long as its last one, so that what
   * nobody brings faster comes in the end.
   */
  #makesWay(member: Member, bytesPerSecond: number, milliseconds: number): boolean {
    const slow = isSlow(bytesPerSecond);
    if (slow) this.#addOtherWays(member);
    const turns = milliseconds / ((slow ? TRICKLE.ms : LONG_TURN_MS) * 2 ** member.madeWay);
    if (turns < 1 || !this.isInTheWay(member, bytesPerSecond, turns)) return false;
    member.madeWay++;
    return true;
  }

  #addOtherWays(member: Member): void {
    const { otherWays, passing } = member;
    // Where there is no room now, there may be when it is given up.
    while (otherWays.length > 0 && this.#there < MAX_THERE) {
      const peer = otherWays.shift()!;
      this.add({ peer, digest: this.#digest, state: passing ? "partial" : "have" });
    }
  }

  /** Whoever there was no room for before; of a machine that has many servers not all of them first. */
  #addWaiting(): void {
    const known = ({ peer }: Offer) => this.#ofAddress.get(peer.address) ?? 0;
    while (this.#waiting.length > 0 && this.#there < MAX_THERE) {
      const next = this.#waiting.reduce((a, b) => known(b) < known(a) ? b : a);
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      this.#join(next);
    }
  }

  /** How many have not been given up. */
  get #there(): number {
    let count = 0;
    for (const { state } of this.members.values()) if (state !== "gone") count++;
    return count;
  }

  #in(...states: Member["state"][]): Member[] {
    return [...this.members.values()].filter(({ state }) => states.includes(state));
  }
}

/** Whether an error says something about a peer, and not about this machine. */
export function isPeerFault(error: unknown): error is ShareError & (PeerFailed | PeerLied) {
  return error instanceof PeerFailed || error instanceof PeerLied;
}

/** Whether an error says that a peer is to be asked again later, and nothing against it. */
export function meansLater(error: unknown): error is PeerBusy | PeerSlow {
  return error instanceof PeerBusy || error instanceof PeerSlow;
}
