/** A tree on its way from peers of a test's making. */

import assert from "node:assert/strict";
import type { Assembly } from "../../lib/fetch/assembly/assembly.ts";
import { Pieces } from "../../lib/fetch/assembly/pieces.ts";
import { Compression, type CompressionMode } from "../../lib/fetch/compression.ts";
import { Crowd } from "../../lib/fetch/crowd.ts";
import type { DownloadLimit } from "../../lib/fetch/download_limit.ts";
import type { FetchEvent } from "../../lib/fetch/events.ts";
import type { Member } from "../../lib/fetch/member.ts";
import { transferFromAll } from "../../lib/fetch/transfer.ts";
import { contentStream } from "../../lib/manifest/layout.ts";
import { AVAILABILITY_PAUSE_MS } from "../../lib/wire/limits.ts";
import type { OfferState } from "../../lib/wire/reply.ts";
import type { PieceFrame } from "../../lib/wire/piece_frame.ts";
import type { Node } from "../vectors/trees.ts";
import { type FakePeer, memberOf } from "./fake_peer.ts";
import { FetchedTree } from "./trees.ts";

export class Transferring implements Disposable {
  readonly crowd: Crowd;
  readonly events: FetchEvent[] = [];

  private constructor(
    readonly tree: FetchedTree,
    readonly pieces: Pieces,
    readonly assembly: Assembly,
  ) {
    this.crowd = new Crowd(tree.wanted.digest, (event) => this.events.push(event));
  }

  static async of(nodes: readonly Node[]): Promise<Transferring> {
    const tree = await FetchedTree.of(nodes);
    const pieces = new Pieces(contentStream(tree.manifest));
    return new Transferring(tree, pieces, await tree.assembly(undefined, pieces));
  }

  get stream(): Uint8Array<ArrayBuffer> {
    return this.tree.stream;
  }

  /** Those that were given up, in that order: "lied" or "failed" each. */
  get dropped(): Record<string, "lied" | "failed"> {
    return Object.fromEntries(
      this.events.flatMap((event) =>
        event.kind === "dropped" ? [[event.peer, event.lied ? "lied" : "failed"]] : []
      ),
    );
  }

  /** A peer becomes known. */
  add(peer: FakePeer, offered?: OfferState | "unknown"): Member {
    const member = memberOf(peer, offered);
    this.crowd.members.set(peer.name, member);
    this.crowd.onJoin(member);
    return member;
  }

  /** Gets what is missing from the peers that were added. */
  async run(
    options: {
      onProgress?: () => void;
      onFrame?: (frame: PieceFrame) => void;
      signal?: AbortSignal;
      compress?: CompressionMode;
      /** Whether no others are to be expected (default). */
      settled?: boolean;
      fruitless?: number;
      retries?: readonly number[];
      limit?: DownloadLimit;
    } = {},
  ): Promise<boolean> {
    if (options.settled !== false) this.crowd.settle();
    return await transferFromAll({
      digest: this.tree.wanted.digest,
      crowd: this.crowd,
      assembly: this.assembly,
      pieces: this.pieces,
      compression: new Compression(options.compress ?? "never"),
      limit: options.limit,
      signal: options.signal ?? new AbortController().signal,
      onFirstAsk: () => {},
      onProgress: options.onProgress ?? (() => {}),
      onFrame: options.onFrame ?? (() => {}),
      patience: 2 * AVAILABILITY_PAUSE_MS,
      ...(options.fruitless === undefined ? {} : { fruitless: options.fruitless }),
      ...(options.retries === undefined ? {} : { retries: options.retries }),
    });
  }

  /** Asserts that the tree is what was wanted. */
  async check(): Promise<void> {
    assert.equal(this.assembly.complete, true);
    this.assembly.finish();
    this.assembly.close();
    await this.tree.check();
  }

  [Symbol.dispose](): void {
    this.assembly.close();
    this.pieces[Symbol.dispose]();
    this.crowd[Symbol.dispose]();
    this.tree[Symbol.dispose]();
  }
}
