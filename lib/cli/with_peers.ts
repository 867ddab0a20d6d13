import { resolve } from "node:path";
import { Interrupted, InvalidDocument } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { findImplementation } from "../store/lookup.ts";
import { storeLocations } from "../store/locations.ts";
import { endAs, type Ended, runOnTerminal } from "../zeroinstall/child_process.ts";
import {
  argumentsOf,
  valuesOf,
  withoutOptions,
  type ZeroInstallCall,
} from "../zeroinstall/command_line.ts";
import { type Choice, choose } from "./choosing.ts";
import type { Context } from "./command.ts";
import type { FetchSettings } from "./fetching.ts";
import { NO_WAIT, PEERS_FIRST_OPTIONS } from "./fetching_options.ts";
import { onInterrupt } from "./interrupt.ts";
import type { DownloadFromOrigin } from "./obtaining.ts";
import type { Parsed } from "./options.ts";
import { getFromOrigin } from "./origin.ts";
import { printable } from "./output.ts";
import { become, type ZeroInstall, ZeroInstallFailed } from "./real_zero_install.ts";

/**
 * Runs a call of 0install after its implementations have been fetched from peers, as far as they
 * have them. What nobody has 0install gets from its origin.
 *
 * @param parsed the options of `PEERS_FIRST_OPTIONS`
 * @returns the exit status; or never, where this process can become 0install
 */
export async function callWithPeers(
  zeroInstall: ZeroInstall,
  call: ZeroInstallCall,
  parsed: Parsed,
  context: Context,
): Promise<number> {
  // What is wrong with an option is said at once, not only when something is missing.
  if (PEERS_FIRST_OPTIONS.some(({ name }) => parsed.has(name))) await settingsOf(parsed, context);
  try {
    const { targets, last } = targetsOf(call);
    const choices: Choice[] = [];
    for (const target of targets) {
      choices.push(await choose(zeroInstall, call, target, lacks(call, context), context));
    }
    await obtain(choices, zeroInstall, call, parsed, context);
    const kept = choices.every(({ anew }) => anew)
      // It has been done, dialogs and all; 0install would do it again.
      ? withoutOptions(call, "--refresh", "--gui")
      : call;
    // Several URIs, which only `0share download` takes.
    for (const target of targets.slice(0, -1)) {
      const ended = await runOnTerminal(
        zeroInstall.program,
        argumentsOf({ ...kept, args: [target] }),
      );
      if (ended.code !== 0) return await endAs(ended);
    }
    return await become(zeroInstall, argumentsOf({ ...kept, args: last }));
  } catch (error) {
    if (error instanceof ZeroInstallFailed) return await endAs(error.ended);
    if (!(error instanceof InvalidDocument)) throw error;
    // What 0install itself wrote cannot be read here: it has to do without peers.
    context.output.warning(printable(error.message));
    return await become(zeroInstall, argumentsOf(call));
  }
}

/** What is to be chosen for, and the arguments of the last call that it ends with. */
function targetsOf({ command, args }: ZeroInstallCall): { targets: string[]; last: string[] } {
  if (command === "download") return { targets: [...args], last: args.slice(-1) };
  return { targets: args.slice(command === "add" ? 1 : 0).slice(0, 1), last: [...args] };
}

/** Which stores lack an implementation: those of Zero Install and those that the call names. */
function lacks(
  call: ZeroInstallCall,
  { environment }: Context,
): (digests: readonly Digest[]) => boolean {
  const stores = [
    ...storeLocations(environment),
    ...valuesOf(call, "--with-store").map((store) => resolve(store)),
  ];
  return (digests) => findImplementation(stores, digests) === undefined;
}

/** Brings what was chosen and is in no store here, from peers or from the origin. */
async function obtain(
  choices: readonly Choice[],
  zeroInstall: ZeroInstall,
  call: ZeroInstallCall,
  parsed: Parsed,
  context: Context,
): Promise<void> {
  // A library of several of them is fetched once.
  const wanted = new Map<string, readonly Digest[]>();
  for (const { missing } of choices) {
    for (const { digests } of missing) wanted.set(keyOf(digests), digests);
  }
  if (wanted.size === 0) return;
  // Off-line it says itself what it lacks.
  const fromOrigin = choices.filter(({ offline, selections }) =>
    !offline && selections !== undefined
  );
  const settings = await settingsOf(parsed, context);
  const { obtainAll } = await import("./obtaining.ts");
  await untilInterrupted(async (signal) => {
    const download: DownloadFromOrigin = async (implementations, onStart) => {
      const keys = new Set(implementations.map(keyOf));
      for (const { missing, selections } of fromOrigin) {
        const chosen = missing.filter(({ digests }) => keys.has(keyOf(digests)));
        if (chosen.length === 0) continue;
        const document = selections!.only(new Set(chosen));
        await getFromOrigin(zeroInstall, call, document, context, { onStart, signal });
      }
    };
    await obtainAll([...wanted.values()], settings, context, {
      signal,
      waits: fromOrigin.length > 0 && !parsed.has(NO_WAIT),
      download,
    });
  });
}

function keyOf(digests: readonly Digest[]): string {
  return digests.join(",");
}

async function settingsOf(parsed: Parsed, context: Context): Promise<FetchSettings> {
  const { fetchSettings } = await import("./fetching.ts");
  return fetchSettings(parsed, context);
}

/**
 * Works until it is done or this process is to end; the next call goes on where it stopped.
 *
 * @throws ZeroInstallFailed as if 0install had been ended by the signal: then it would download
 */
async function untilInterrupted(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  let ended: Ended = { code: 1, signal: null };
  const release = onInterrupt((signal) => {
    ended = { code: signal === "SIGINT" ? 130 : 143, signal };
    controller.abort(new Interrupted());
  });
  try {
    await work(controller.signal);
    // What did not look at the signal, as 0install at work, may have ended as if there was none.
    controller.signal.throwIfAborted();
  } catch (error) {
    throw error instanceof Interrupted ? new ZeroInstallFailed(ended) : error;
  } finally {
    release();
  }
}
