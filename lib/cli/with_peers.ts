import { resolve } from "node:path";
import { Interrupted, InvalidDocument, NobodyHasIt } from "../errors.ts";
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
import type { Selection } from "../zeroinstall/selections.ts";
import { type Choice, choose } from "./choosing.ts";
import type { Context } from "./command.ts";
import type { FetchSettings, Outcome } from "./fetching.ts";
import { FETCHING_OPTIONS } from "./fetching_options.ts";
import { onInterrupt } from "./interrupt.ts";
import type { Parsed } from "./options.ts";
import { getFromOrigin } from "./origin.ts";
import { printable } from "./output.ts";
import { become, type ZeroInstall, ZeroInstallFailed } from "./real_zero_install.ts";

/** Implementations that are fetched at once: each that nobody has takes the whole wait. */
const MANY_AT_ONCE = 16;

/**
 * Runs a call of 0install after its implementations have been fetched from peers, as far as they
 * have them. What nobody has 0install gets from its origin.
 *
 * @param parsed the options of `FETCHING_OPTIONS`
 * @returns the exit status; or never, where this process can become 0install
 */
export async function callWithPeers(
  zeroInstall: ZeroInstall,
  call: ZeroInstallCall,
  parsed: Parsed,
  context: Context,
): Promise<number> {
  // What is wrong with an option is said at once, not only when something is missing.
  if (FETCHING_OPTIONS.some(({ name }) => parsed.has(name))) await settingsOf(parsed, context);
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
    for (const { digests } of missing) wanted.set(digests.join(","), digests);
  }
  if (wanted.size === 0) return;
  const { output } = context;
  const outcomes = await fetchUntilInterrupted(
    [...wanted.values()],
    await settingsOf(parsed, context),
    context,
  );
  const nobody = new Set<string>();
  const troubles = new Set<string>();
  for (const outcome of outcomes) {
    if (!("error" in outcome)) continue;
    nobody.add(outcome.digests.join(","));
    const { error } = outcome;
    if (error instanceof NobodyHasIt) {
      output.info(`Nobody on the local network has ${outcome.digests[0]}`);
    } else troubles.add(error instanceof Error ? error.message : String(error));
  }
  for (const trouble of troubles) output.warning(trouble.split("\n").map(printable).join("\n"));
  for (const choice of choices) {
    const missing = choice.missing.filter(({ digests }) => nobody.has(digests.join(",")));
    // Off-line it says itself what it lacks.
    if (missing.length === 0 || choice.offline || choice.selections === undefined) continue;
    const chosen = new Set<Selection>(missing);
    await getFromOrigin(zeroInstall, call, choice.selections.only(chosen), context);
  }
}

async function settingsOf(parsed: Parsed, context: Context): Promise<FetchSettings> {
  const { fetchSettings } = await import("./fetching.ts");
  return fetchSettings(parsed, context);
}

/**
 * Fetches until it is done or this process is to end; the next call goes on where it stopped.
 *
 * @throws ZeroInstallFailed as if 0install had been ended by the signal: then it would download
 */
async function fetchUntilInterrupted(
  wanted: readonly (readonly Digest[])[],
  settings: FetchSettings,
  context: Context,
): Promise<Outcome[]> {
  const controller = new AbortController();
  let ended: Ended = { code: 1, signal: null };
  const release = onInterrupt((signal) => {
    ended = { code: signal === "SIGINT" ? 130 : 143, signal };
    controller.abort(new Interrupted());
  });
  try {
    const { signal } = controller;
    const { fetchAll } = await import("./fetching.ts");
    return await fetchAll(wanted, settings, context, { signal, atOnce: MANY_AT_ONCE });
  } catch (error) {
    if (error instanceof Interrupted) throw new ZeroInstallFailed(ended);
    // Whatever keeps it from fetching, 0install can still download.
    return wanted.map((digests) => ({ digests, error }));
  } finally {
    release();
  }
}
