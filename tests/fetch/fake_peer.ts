/** Peers that do as a test tells them, without sockets. */

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { setImmediate, setTimeout } from "node:timers/promises";
import { PeerBusy, PeerFailed } from "../../lib/errors.ts";
import { Member } from "../../lib/fetch/member.ts";
import type { Answer } from "../../lib/fetch/peer/answer.ts";
import { Bytes } from "../../lib/fetch/peer/bytes.ts";
import type { AskPieces, Peer } from "../../lib/fetch/peer/peer.ts";
import { pieceSize } from "../../lib/manifest/layout.ts";
import { pieceCount } from "../../lib/wire/availability.ts";
import { decodeBitfield } from "../../lib/wire/bitfield.ts";
import type { OfferState } from "../../lib/wire/reply.ts";
import { compressFrame, storedFrame } from "../../lib/wire/zstd.ts";

export interface Behaviour {
  /** The pieces that it has, 0 or 1 each; everything if left out; none if it knows only archives. */
  has?: Uint8Array | "archives";
  /** What it says that it has, in place of the truth. */
  claims?: "all" | Uint8Array;
  /** Says so only when it is asked for that, and not with other answers. */
  taciturn?: boolean;
  /** Positions of the stream that it gets wrong; a function says it for each question anew. */
  wrong?: readonly number[] | ((question: number) => readonly number[]);
  /** Fails after so many bytes, all questions together. */
  failsAfter?: number;
  /** In parts of at most so many bytes. */
  partSize?: number;
  /** How fast its wire seems to be, in bytes per second. */
  rate?: number;
  /** Lets so many turns of the event loop pass before each part. */
  turns?: number;
  /** Waits so long before each part, in milliseconds. */
  pause?: number;
  /** Has no place for the first so many questions, and asks to come back after so many seconds. */
  busy?: { times: number; seconds: number };
  /** Gives piece digests of these bytes, in place of the truth; "none" if it gives none. */
  digestsOf?: Uint8Array | "none";
  /** What becomes of pieces that may come compressed; "stored" frames are as large as the pieces. */
  coding?: "stored" | "compressed" | "none";
}

/** A peer that says what it was told to say, and remembers what it was asked for. */
export class FakePeer {
  readonly asked: string[] = [];
  /** Of the content stream, in bytes. */
  sent = 0;
  /** Whether it was asked for anything after this was set. */
  closed = false;
  #questions = 0;

  constructor(
    readonly name: string,
    readonly stream: Uint8Array,
    readonly behaviour: Behaviour = {},
  ) {}

  async content(
    _digest: string,
    range: { start: number; end: number; size: number },
    signal: AbortSignal,
  ): Promise<Bytes | undefined> {
    this.asked.push(`${range.start}-${range.end}`);
    assert.equal(range.size, this.stream.length);
    assert.ok(range.start < range.end && range.end <= range.size);
    await this.#begin(signal);
    const each = pieceSize(range.size);
    const last = Math.ceil(range.end / each);
    for (let piece = Math.floor(range.start / each); piece < last; piece++) {
      if (!this.#hasPiece(piece)) return undefined;
    }
    return this.#answer(range.start, range.end, undefined, signal);
  }

  async pieces(
    _digest: string,
    run: { first: number; last: number; size: number },
    { zstd, holdings }: AskPieces,
    signal: AbortSignal,
  ): Promise<Bytes | undefined> {
    this.asked.push(`pieces ${run.first}-${run.last}`);
    assert.equal(run.size, this.stream.length);
    await this.#begin(signal);
    this.#tell(holdings);
    for (let piece = run.first; piece <= run.last; piece++) {
      if (!this.#hasPiece(piece)) return undefined;
    }
    const each = pieceSize(run.size);
    const end = Math.min(run.size, (run.last + 1) * each);
    return this.#answer(run.first * each, end, zstd ? each : undefined, signal);
  }

  async anyPiece(
    _digest: string,
    lacks: Uint8Array,
    size: number,
    { zstd, holdings }: AskPieces,
    signal: AbortSignal,
  ): Promise<Bytes | undefined> {
    this.asked.push("any");
    assert.equal(size, this.stream.length);
    await this.#begin(signal);
    this.#tell(holdings);
    const piece = lacks.findIndex((flag, piece) => flag === 1 && this.#hasPiece(piece));
    if (piece === -1) return undefined;
    const each = pieceSize(size);
    const end = Math.min(size, (piece + 1) * each);
    return this.#answer(piece * each, end, zstd ? each : undefined, signal);
  }

  async availability(
    _digest: string,
    size: number,
    { wait = 0, known }: { wait?: number; known?: string },
    signal: AbortSignal,
  ): Promise<"all" | Uint8Array | undefined> {
    assert.equal(size, this.stream.length);
    signal.throwIfAborted();
    if (this.behaviour.has === "archives") return undefined;
    const unchanged = () => {
      const says = this.#says();
      const before = known === undefined ? undefined : decodeBitfield(known, pieceCount(size));
      return says !== "all" && before !== undefined &&
        says.every((flag, piece) => flag === before[piece]);
    };
    // Nothing new is said before it is there, or nobody wants to know it any more.
    while (wait > 0 && unchanged()) {
      await setImmediate();
      signal.throwIfAborted();
    }
    const says = this.#says();
    return says === "all" ? says : says.slice();
  }

  async pieceDigests(
    _digest: string,
    count: number,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    await setImmediate();
    signal.throwIfAborted();
    const { digestsOf = this.stream, has } = this.behaviour;
    if (digestsOf === "none" || has !== undefined) return undefined;
    this.asked.push("piece digests");
    assert.equal(count, pieceCount(this.stream.length));
    return pieceDigestsOf(digestsOf);
  }

  [Symbol.dispose](): void {
    this.closed = true;
  }

  async #begin(signal: AbortSignal): Promise<void> {
    assert.equal(this.closed, false, "nobody is asked who was closed");
    this.#questions++;
    await setImmediate();
    signal.throwIfAborted();
    const { busy } = this.behaviour;
    if (busy !== undefined && this.#questions <= busy.times) {
      throw new PeerBusy(this.name, busy.seconds);
    }
    if (this.sent >= (this.behaviour.failsAfter ?? Infinity)) {
      throw new PeerFailed(this.name, "it went away");
    }
  }

  #hasPiece(piece: number): boolean {
    const { has } = this.behaviour;
    return has === undefined || (has !== "archives" && has[piece] === 1);
  }

  #says(): "all" | Uint8Array {
    const { claims, has } = this.behaviour;
    if (claims !== undefined) return claims;
    return has === undefined || has === "archives" ? "all" : has;
  }

  #tell(holdings: (has: Uint8Array) => void): void {
    const says = this.#says();
    if (says !== "all" && this.behaviour.taciturn !== true) holdings(says.slice());
  }

  #answer(start: number, end: number, framed: number | undefined, signal: AbortSignal): Bytes {
    const { rate = Infinity, wrong = [] } = this.behaviour;
    const bytes = this.stream.slice(start, end);
    for (const position of typeof wrong === "function" ? wrong(this.#questions) : wrong) {
      if (bytes[position - start] !== undefined) bytes[position - start]! ^= 1;
    }
    const { coding = "stored" } = this.behaviour;
    if (coding === "none") framed = undefined;
    const answer = {
      times: { seconds: bytes.length / rate, waitedSeconds: bytes.length / rate },
      bodyInPlace: () =>
        framed === undefined ? this.#parts(bytes, signal) : this.#frames(bytes, framed, signal),
      [Symbol.dispose]: () => {},
    };
    return new Bytes(this.name, answer as unknown as Answer, { start, end }, framed);
  }

  async *#parts(bytes: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { failsAfter = Infinity, partSize = 65_536, pause = 0, turns = 1 } = this.behaviour;
    for (let at = 0; at < bytes.length;) {
      for (let turn = 0; turn < turns; turn++) await setImmediate();
      if (pause > 0) await setTimeout(pause);
      signal.throwIfAborted();
      const size = Math.min(partSize, bytes.length - at, failsAfter - this.sent);
      if (size <= 0) throw new PeerFailed(this.name, "it went away");
      this.sent += size;
      yield bytes.subarray(at, at + size);
      at += size;
    }
  }

  async *#frames(
    bytes: Uint8Array,
    each: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += each) {
      const piece = bytes.subarray(at, at + each);
      for await (const _part of this.#parts(piece, signal));
      yield this.behaviour.coding === "compressed" ? compressFrame(piece) : storedFrame(piece);
    }
  }
}

/** The SHA-256 of each piece of a content stream, 32 bytes each. */
export function pieceDigestsOf(stream: Uint8Array): Uint8Array {
  const each = pieceSize(stream.length);
  const digests = new Uint8Array(32 * pieceCount(stream.length));
  for (let piece = 0; piece * each < stream.length; piece++) {
    const bytes = stream.subarray(piece * each, (piece + 1) * each);
    digests.set(hash("sha256", bytes, "buffer"), 32 * piece);
  }
  return digests;
}

/** Makes a peer one of a crowd's members, as if it had been found. */
export function memberOf(
  peer: FakePeer,
  offered: OfferState | "unknown" = "have",
): Member {
  const member = new Member({ address: "192.0.2.1", port: 1 }, offered);
  member.peer[Symbol.dispose]();
  Object.defineProperty(member, "peer", { value: peer as unknown as Peer });
  return member;
}
