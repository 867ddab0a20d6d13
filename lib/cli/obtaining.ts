import { NobodyHasIt } from "../errors.ts";
import { pause } from "../fetch/pause.ts";
import { Turns } from "../fetch/turns.ts";
import type { Digest } from "../manifest/digest.ts";
import type { ServeEvent } from "../serve/events.ts";
import { ORIGIN_STALLED_MS, WAITING_PAUSE_MS } from "../wire/limits.ts";
import { bytesWritten } from "../zeroinstall/activity.ts";
import type { Context } from "./command.ts";
import { Fetching, type FetchSettings, type Outcome } from "./fetching.ts";
import { giveAfterwards } from "./giving.ts";
import { printable } from "./output.ts";

/** Implementations that are fetched at once: each that nobody has takes the whole wait. */
const MANY_AT_ONCE = 16;

/** How often to look whether a download makes progress. */
const LOOK_MS = 500;

type Names = readonly Digest[];

export interface ObtainOptions {
  readonly signal: AbortSignal;
  /** Whether what another machine is downloading is waited for, and claimed before downloading. */
  readonly waits: boolean;
  /** Gets implementations from their origin, as far as that is possible; `onStart` is told of each process. */
  readonly download: (wanted: readonly Names[], onStart: (pid: number) => void) => Promise<void>;
}

/**
 * Brings implementations into a store: from peers, and what no peer has from its origin.
 *
 * Of several machines that lack the same, and nobody has it, one downloads it, and the others get it
 * from there: see `Turns`. Who waits looks again several times a second; when nobody is heard to be
 * downloading any more, it is somebody else's turn.
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
  const waits = options.waits && settings.peers.length === 0;
  const { output } = context;
  let turns: Turns | undefined;
  const onServe = (event: ServeEvent) => {
    if (event.kind === "claim") turns?.claimed(event.digest, event.id, performance.now());
  };
  await using fetching = new Fetching(wanted.flat(), settings, context, options.signal, {
    onServe,
    onPending: (digest) => turns?.pending(digest, performance.now()),
  });
  const server = waits ? await fetching.sharing.server() : undefined;
  if (server !== undefined) turns = new Turns(server.id);
  const got: Names[] = [];
  let missing = wanted;
  for (let round = 0;; round++) {
    const outcomes = await fetching.round(missing, {
      atOnce: MANY_AT_ONCE,
      claim: server !== undefined,
      quiet: round > 0,
    });
    if (round === 0) tell(outcomes, output);
    missing = outcomes.filter((outcome) => "error" in outcome).map(({ digests }) => digests);
    const mine = missing.filter((names) => turns?.isMine(names, performance.now()) !== false);
    if (mine.length > 0) {
      const pending = server?.pending ?? new Set<Digest>();
      await downloadVisibly(mine, pending, options.download);
      got.push(...mine);
      missing = missing.filter((names) => !mine.includes(names));
    }
    if (missing.length === 0) break;
    if (round === 0) {
      output.info(`Waiting for another machine that is downloading ${namesOf(missing)}`);
    }
    await pause(WAITING_PAUSE_MS, options.signal);
  }
  // Others that have waited for this machine are to have time to get it here.
  const now = performance.now();
  const awaited = got.filter((names) => turns?.isWanted(names, now) === true);
  if (awaited.length > 0) giveAfterwards(awaited.flat(), settings);
}

/** Downloads, and lets others who ask know that, as long as there is progress. */
async function downloadVisibly(
  mine: readonly Names[],
  pending: Set<Digest>,
  download: ObtainOptions["download"],
): Promise<void> {
  const digests = mine.flat();
  let pid: number | undefined;
  let written: number | undefined;
  let since = performance.now();
  const look = () => {
    const now = pid === undefined ? undefined : bytesWritten(pid);
    if (now === undefined || now !== written) since = performance.now();
    written = now;
    const moves = performance.now() - since < ORIGIN_STALLED_MS;
    for (const digest of digests) moves ? pending.add(digest) : pending.delete(digest);
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

function namesOf(wanted: readonly Names[]): string {
  return wanted.map(([name]) => name).join(" ");
}
