import { NobodyHasIt } from "../errors.ts";
import { pause } from "../fetch/peer/pause.ts";
import type { Digest } from "../manifest/digest.ts";
import { findImplementation } from "../store/lookup.ts";
import { WAITING_PAUSE_MS } from "../wire/limits.ts";
import { bytesMoved, Progress } from "../zeroinstall/activity.ts";
import type { Context } from "./command.ts";
import { Fetching, type FetchSettings, type Outcome } from "./fetching.ts";
import { giveAfterwards } from "./giving.ts";
import { printable } from "./output.ts";
import { Waiting } from "./waiting.ts";

/** Implementations that are fetched at once: each that nobody has takes the whole wait. */
const MANY_AT_ONCE = 16;

/** How often to look whether a download makes progress, in milliseconds. */
const LOOK_MS = 500;

type Names = readonly Digest[];

/** Gets implementations from their origin, as far as that is possible; tells of each process. */
export type DownloadFromOrigin = (
  wanted: readonly Names[],
  onStart: (pid: number) => void,
) => Promise<void>;

export interface ObtainOptions {
  readonly signal: AbortSignal;
  /** Whether what another machine is downloading is waited for, and claimed before downloading. */
  readonly waits: boolean;
  readonly download: DownloadFromOrigin;
}

/**
 * Brings implementations into a store: from peers, and what no peer has from its origin.
 *
 * Of several machines that lack the same, and nobody has it, one downloads it, and the others get it
 * from there: see `Turns`.
 *
 * @param wanted for each implementation the names of its tree
 * @throws Interrupted
 */
export async function obtainAll(
  wanted: readonly Names[],
  settings: FetchSettings,
  context: Context,
  options: ObtainOptions,
): Promise<void> {
  // Who names the machine to ask wants nothing of the others, and who gives nothing is not waited for.
  const waits = options.waits && settings.peers.length === 0 && settings.share;
  let waiting: Waiting | undefined;
  await using fetching = new Fetching(
    wanted.flat(),
    settings,
    context,
    options.signal,
    (event) => waiting?.take(event),
  );
  const server = waits ? fetching.sharing.server() : Promise.resolve(undefined);
  const opened = server.then((server) => {
    if (server === undefined) return undefined;
    waiting = new Waiting(server, wanted, settings.discoveryPort);
    return { waiting, server };
  });
  try {
    const outcomes = await fetching.round(wanted, { atOnce: MANY_AT_ONCE });
    tell(outcomes, context.output);
    const missing = missingOf(outcomes);
    if (missing.length === 0) return;
    const mutual = await opened;
    if (mutual === undefined) return await options.download(missing, () => {});
    const { id, pending } = mutual.server;
    const tried = await inTurn(missing, mutual.waiting, fetching, context, {
      ...options,
      download: (mine) => downloadVisibly(mine, pending, options.download),
    });
    const given = tried.filter((names) =>
      findImplementation(settings.stores, names) !== undefined && mutual.waiting.isWanted(names)
    );
    // Others that have waited for this machine are to have time to get it here.
    if (given.length > 0) await giveAfterwards(given.flat(), settings, { id, ...options });
  } finally {
    await (await opened)?.waiting[Symbol.asyncDispose]();
  }
}

/**
 * Gets what nobody had: by download when it is this machine's turn, and from another machine when
 * that one has got it.
 *
 * @returns what this machine has tried to download
 */
async function inTurn(
  wanted: readonly Names[],
  waiting: Waiting,
  fetching: Fetching,
  { output }: Context,
  { signal, download }: {
    signal: AbortSignal;
    download: (mine: readonly Names[]) => Promise<void>;
  },
): Promise<Names[]> {
  const tried: Names[] = [];
  let missing = wanted;
  waiting.claim(missing);
  await waiting.settle(signal);
  let told = false;
  for (;;) {
    const mine = missing.filter((names) => waiting.isMine(names));
    if (mine.length > 0) {
      // What it does not download now is for the others to download meanwhile.
      waiting.claim([]);
      await download(mine);
      signal.throwIfAborted();
      tried.push(...mine);
      missing = missing.filter((names) => !mine.includes(names));
      waiting.claim(missing);
    }
    if (missing.length === 0) return tried;
    if (!told) output.info(waitingFor(missing, waiting));
    told = true;
    await pause(WAITING_PAUSE_MS, signal);
    const offered = missing.filter((names) => waiting.isOffered(names));
    if (offered.length === 0) continue;
    for (const names of offered) waiting.tries(names);
    const lost = missingOf(await fetching.round(offered, { atOnce: MANY_AT_ONCE, quiet: true }));
    missing = missing.filter((names) => !offered.includes(names) || lost.includes(names));
    waiting.claim(missing);
  }
}

/** Downloads, and lets others who ask know that, as long as it goes on. */
async function downloadVisibly(
  mine: readonly Names[],
  pending: Set<Digest>,
  download: DownloadFromOrigin,
): Promise<void> {
  const digests = mine.flat();
  const progress = new Progress(performance.now());
  let pid: number | undefined;
  const look = () => {
    const moved = pid === undefined ? undefined : bytesMoved(pid);
    const goesOn = progress.goesOn(moved, performance.now());
    for (const digest of digests) goesOn ? pending.add(digest) : pending.delete(digest);
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  try {
    await download(mine, (started) => pid = started);
  } finally {
    clearInterval(timer);
    for (const digest of digests) pending.delete(digest);
  }
}

function missingOf(outcomes: readonly Outcome[]): Names[] {
  return outcomes.filter((outcome) => "error" in outcome).map(({ digests }) => digests);
}

function tell(outcomes: readonly Outcome[], output: Context["output"]): void {
  const troubles = new Set<string>();
  for (const outcome of outcomes) {
    if (!("error" in outcome)) continue;
    const { digests, error } = outcome;
    if (error instanceof NobodyHasIt) {
      output.info(`Nobody on the local network has ${digests[0]}`);
    } else troubles.add(error instanceof Error ? error.message : String(error));
  }
  for (const trouble of troubles) output.warning(trouble.split("\n").map(printable).join("\n"));
}

function waitingFor(wanted: readonly Names[], waiting: Waiting): string {
  const who = wanted.map((names) => waiting.downloaderOf(names)).find((one) => one !== undefined);
  return `Waiting for ${who ?? "another machine"} to download ${
    wanted.map(([name]) => name).join(" ")
  }`;
}
