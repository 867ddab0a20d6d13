import { PeerLacks, PeerSlow } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { commit, type VerifiedTree } from "../store/commit.ts";
import { openStaging } from "../store/staging.ts";
import { sweepStale } from "../store/sweep.ts";
import type { Target } from "../store/target.ts";
import type { PieceFrame } from "../wire/piece_frame.ts";
import type { CompressionMode } from "./compression.ts";
import { type Crowd, isPeerFault } from "./crowd.ts";
import { Download } from "./download.ts";
import type { DownloadLimit } from "./download_limit.ts";
import type { ReportFetch } from "./events.ts";
import type { Member } from "./member.ts";
import type { Search } from "./search/search.ts";
import { WaitingTurns } from "./waiting_turns.ts";

export interface DeliveryOptions {
  /** Whose implementations may have some of the same files. */
  readonly sources: readonly string[];
  /** Says where to put it; asked only when somebody has it. */
  readonly chooseTarget: (digest: Digest) => Target;
  /** Begins to give what a download has to others, and tells them; not called for what is whole. */
  readonly share: (digest: Digest, search: Search) => void;
  /** A verified piece of a download came as this frame, and may be given on like that. */
  readonly keepFrame: (digest: Digest, frame: PieceFrame) => void;
  /** Whether peers may compress. */
  readonly compress: CompressionMode;
  /** Holds all that comes to a rate. */
  readonly limit: DownloadLimit | undefined;
  readonly report: ReportFetch;
  readonly signal: AbortSignal;
}

/** Where an implementation is, or has come to be. */
export interface Fetched {
  readonly digest: Digest;
  readonly path: string;
}

/**
 * Gets an implementation from those who offer it under this digest.
 *
 * @returns undefined if they cannot deliver it
 * @throws NoWritableStore, StoreFailed; the signal's reason
 */
export async function deliver(
  crowd: Crowd,
  digest: Digest,
  search: Search,
  options: DeliveryOptions,
): Promise<Fetched | undefined> {
  const { report, signal } = options;
  const target = options.chooseTarget(digest);
  using staging = await openStaging(target.store, digest, {
    signal,
    alsoIn: target.kind === "helper" ? target.system : [],
    onWait: () => report({ kind: "waiting", digest, store: target.store }),
  });
  // Another process was fetching it, and has finished while we waited for it.
  if (staging.stored !== undefined) {
    report({ kind: "cached", digest: staging.stored.digest, path: staging.stored.path });
    return staging.stored;
  }
  using download = new Download(digest, staging, {
    ...options,
    stores: [...new Set([...options.sources, target.store])],
    onShareable: () => options.share(digest, search),
    onFrame: (frame) => options.keepFrame(digest, frame),
  });
  const tree = await download.fromContent(crowd) ??
    await fromArchives(crowd, digest, download, report);
  if (tree === undefined) return undefined;
  report({ kind: "caching", digest, store: staging.store });
  const { path } = await commit(tree, target, {
    signal,
    onHelperFailed: (error) => report({ kind: "trouble", reason: error.message }),
  });
  await sweepStale(staging.store);
  report({ kind: "fetched", digest, path });
  return { digest, path };
}

/**
 * One peer after the other: of an archive, nothing is worth keeping when it is wrong. Those that take
 * long have their turns, each twice as long as its last one.
 */
async function fromArchives(
  crowd: Crowd,
  digest: Digest,
  download: Download,
  report: ReportFetch,
): Promise<VerifiedTree | undefined> {
  const asked = new Set<Member>();
  const waiting = new WaitingTurns();
  const unasked = () => crowd.archivists.find((member) => !asked.has(member));
  crowd.isInTheWay = (_member, rate, turns) =>
    waiting.isInTheWay(rate, turns, unasked() !== undefined);
  for (;;) {
    const member = unasked() ?? waiting.next();
    if (member === undefined) return undefined;
    asked.add(member);
    try {
      report({ kind: "connecting", peer: member.name, digest });
      const tree = await download.fromArchive(member.peer);
      if (tree !== undefined) return tree;
      if (hasOffered(member)) crowd.drop(member, new PeerLacks(member.name, NOT_GIVEN));
    } catch (error) {
      if (error instanceof PeerSlow) waiting.add(member, error.bytesPerSecond);
      else if (isPeerFault(error)) crowd.drop(member, error);
      else throw error;
    }
  }
}

/** A seed takes out of service what turns out to be damaged when somebody asks for it. */
const NOT_GIVEN = 'it does not give what it offered; "0share verify" there tells if it is damaged';

/** Who was getting the same may have ended meanwhile. */
function hasOffered({ offers, passing, peer }: Member): boolean {
  return !passing && (offers || peer.hasGiven);
}
