import { type PeerFailed, PeerLied, PeerMisled } from "../errors.ts";
import type { OfferState } from "../wire/reply.ts";
import type { MakesWay } from "./peer/answer.ts";
import { Peer, type PeerAddress } from "./peer/peer.ts";

/** What became of what a peer sent, in bytes unless said otherwise. */
export interface Tally {
  /** Of the content stream, wanted or not. */
  bytes: number;
  /** What that was on the wire. */
  wire: number;
  /** Of the content stream, what was here already or did not verify. */
  wasted: number;
  /** How long it took to come, one question after the other, in seconds. */
  seconds: number;
  questions: number;
}

/**
 * What is known of a peer: all of it is there; some of it is, or it is not known how much; it knows
 * only archives; it is set aside until it is clear who is wrong; it is not asked any more.
 */
export type MemberState = "seed" | "partial" | "archives" | "suspect" | "gone";

/** One of the peers of a download. */
export class Member implements Disposable {
  readonly peer: Peer;
  readonly tally: Tally = { bytes: 0, wire: 0, wasted: 0, seconds: 0, questions: 0 };
  state: MemberState;
  /** Whether it said that it has it: who was named by the user may know nothing of it. */
  readonly offers: boolean;
  /** Why it is suspected, or gone. */
  reason: PeerFailed | PeerLied | undefined;
  /** Whether it is getting the same: then it goes away some time, and that is no failure. */
  passing: boolean;
  /** Other ways to what says that it is the same server, for when this one fails or crawls. */
  readonly otherWays: PeerAddress[] = [];
  /** How often it made way for others. */
  madeWay = 0;

  /** @param makesWay whether it is to make way for others */
  constructor(
    where: PeerAddress,
    offered: OfferState | "unknown",
    makesWay: (member: Member, ...how: Parameters<MakesWay>) => boolean = () => false,
  ) {
    this.peer = new Peer(where, (...how) => makesWay(this, ...how));
    this.passing = offered === "partial";
    this.state = offered === "partial" ? "partial" : "seed";
    this.offers = offered !== "unknown";
  }

  get name(): string {
    return this.peer.name;
  }

  /** What is to be said of it for bytes that are not what they should be. */
  wrong(lie: string): PeerLied {
    return new (this.passing ? PeerMisled : PeerLied)(this.name, lie);
  }

  [Symbol.dispose](): void {
    this.peer[Symbol.dispose]();
  }
}
