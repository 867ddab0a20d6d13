import { resolve } from "node:path";
import { Interrupted, InvalidDocument, NobodyHasIt } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { findImplementation } from "../store/lookup.ts";
import { endAs, runOnTerminal } from "../zeroinstall/child_process.ts";
import {
  argumentsOf,
  valuesOf,
  withoutOptions,
  type ZeroInstallCall,
} from "../zeroinstall/command_line.ts";
import type { Selection } from "../zeroinstall/selections.ts";
import { type Choice, choose } from "./choosing.ts";
import type { Context } from "./command.ts";
import { fetchAll, type FetchSettings, MANY_AT_ONCE } from "./fetching.ts";
import { onInterrupt } from "./interrupt.ts";
import { getFromOrigin } from "./origin.ts";
import { become, type ZeroInstall, ZeroInstallFailed } from "./real_zero_install.ts";

/**
 * Runs a call of 0install after its implementations have been fetched from peers, as far as they
 * have them. What nobody has 0install gets from its origin.
 *
 * @returns the exit status; or never, where this process can become 0install
 */
export async function callWithPeers(
  zeroInstall: ZeroInstall,
  call: ZeroInstallCall,
  settings: FetchSettings,
  context: Context,
): Promise<number> {
  const interruption = interruptible();
  try {
    const { targets, last } = targetsOf(call);
    const choices: Choice[] = [];
    for (const target of targets) {
      choices.push(await choose(zeroInstall, call, target, lacks(call, settings), context));
    }
    await obtain(choices, zeroInstall, call, settings, context, interruption.signal);
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
    interruption.release();
    return await become(zeroInstall, argumentsOf({ ...kept, args: last }));
  } catch (error) {
    interruption.release();
    if (error instanceof Interrupted) return await endAs(interruption.ended());
    if (error instanceof ZeroInstallFailed) return await endAs(error.ended);
    if (!(error instanceof InvalidDocument)) throw error;
    // What 0install itself wrote cannot be read here: it has to do without peers.
    context.output.warning(error.message);
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
  settings: FetchSettings,
): (digests: readonly Digest[]) => boolean {
  const stores = [
    ...settings.targets,
    ...valuesOf(call, "--with-store").map((store) => resolve(store)),
  ];
  return (digests) => findImplementation(stores, digests) === undefined;
}

/** Brings what was chosen and is in no store here, from peers or from the origin. */
async function obtain(
  choices: readonly Choice[],
  zeroInstall: ZeroInstall,
  call: ZeroInstallCall,
  settings: FetchSettings,
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  // A library of several of them is fetched once.
  const wanted = new Map<string, readonly Digest[]>();
  for (const { missing } of choices) {
    for (const { digests } of missing) wanted.set(digests.join(","), digests);
  }
  if (wanted.size === 0) return;
  const { output } = context;
  const outcomes = await fetchAll([...wanted.values()], settings, context, {
    signal,
    atOnce: MANY_AT_ONCE,
  });
  const nobody = new Set<string>();
  for (const outcome of outcomes) {
    if (!("error" in outcome)) continue;
    nobody.add(outcome.digests.join(","));
    const { error } = outcome;
    if (error instanceof NobodyHasIt) {
      output.info(`Nobody on the local network has ${outcome.digests[0]}`);
    } else output.warning(error instanceof Error ? error.message : String(error));
  }
  for (const choice of choices) {
    const missing = choice.missing.filter(({ digests }) => nobody.has(digests.join(",")));
    // Off-line it says itself what it lacks.
    if (missing.length === 0 || choice.offline || choice.selections === undefined) continue;
    const chosen = new Set<Selection>(missing);
    await getFromOrigin(zeroInstall, call, choice.selections.only(chosen), context);
  }
}

/** Lets a fetch be interrupted, which leaves something that the next one goes on with. */
function interruptible() {
  const controller = new AbortController();
  let received: Deno.Signal = "SIGINT";
  let held = true;
  const release = onInterrupt((signal) => {
    received = signal;
    controller.abort(new Interrupted());
  });
  return {
    signal: controller.signal,
    release() {
      if (held) release();
      held = false;
    },
    ended: () => ({ code: received === "SIGINT" ? 130 : 143, signal: received }),
  };
}
