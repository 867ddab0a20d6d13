import { resolve } from "node:path";
import type { Digest } from "../manifest/digest.ts";
import { cacheLocations, configLocations } from "../store/locations.ts";
import { outputOf } from "../zeroinstall/child_process.ts";
import {
  choosesAnew,
  hasOption,
  selectArguments,
  withoutOptions,
  type ZeroInstallCall,
} from "../zeroinstall/command_line.ts";
import { SelectionMemory } from "../zeroinstall/memory.ts";
import { type Selection, Selections } from "../zeroinstall/selections.ts";
import {
  appSelections,
  isOffline,
  offlineEnvironment,
  settingsThatChoose,
} from "../zeroinstall/settings.ts";
import type { Context } from "./command.ts";
import { type ZeroInstall, ZeroInstallFailed } from "./real_zero_install.ts";

/** What Zero Install has chosen for a program. */
export interface Choice {
  /** Those that have digests and are in no store. */
  readonly missing: readonly Selection[];
  /** The whole document; undefined when it was not needed to know that nothing is missing. */
  readonly selections?: Selections;
  /** Whether it was chosen for this call, from feeds, not taken from what was chosen before. */
  readonly anew: boolean;
  /** Whether the network beyond the local one is not to be used. */
  readonly offline: boolean;
}

/** The beginning of a document in which its root element stands. */
const HEAD_BYTES = 4096;

/**
 * Finds out what a call of 0install would run or download.
 *
 * @param target the feed's URI or path, the application, or the selections document
 * @param lacks whether an implementation is in no store
 * @throws ZeroInstallFailed, ZeroInstallMissing, InvalidDocument
 */
export async function choose(
  zeroInstall: ZeroInstall,
  call: ZeroInstallCall,
  target: string,
  lacks: (digests: readonly Digest[]) => boolean,
  { environment }: Pick<Context, "environment">,
): Promise<Choice> {
  const settings = configLocations(environment);
  const offline = hasOption(call, "--offline") || isOffline(settings);
  const choiceOf = (selections: Selections, anew: boolean): Choice => ({
    missing: selections.all.filter(({ digests }) => digests.length > 0 && lacks(digests)),
    selections,
    anew,
    offline,
  });
  const app = appSelections(settings, target);
  const before = app ?? selectionsFile(target);
  const solves = choosesAnew(call) || call.command === "update" || call.command === "add";
  if (before !== undefined && !solves) {
    const text = readText(before);
    // Without it the application is solved and downloaded by 0install at once.
    if (text === undefined) return { missing: [], anew: false, offline };
    return choiceOf(Selections.parse(text, before), false);
  }

  const args = selectArguments(call, target);
  const dialogs = hasOption(call, "--refresh", "--gui") || call.command === "update";
  const memory = dialogs || before !== undefined ? undefined : new SelectionMemory(
    `${cacheLocations(environment)[0]}/0share-selections`,
    [zeroInstall.program, ...args, isUri(target) ? "" : resolve(target)],
    [
      ...cacheLocations(environment).map((cache) => `${cache}/interfaces`),
      ...settingsThatChoose(settings),
      ...(isUri(target) ? [] : [resolve(target)]),
    ],
  );
  const remembered = memory?.recall();
  if (remembered !== undefined && !remembered.some(lacks)) {
    return { missing: [], anew: true, offline };
  }
  const refreshing = call.command === "update" && !hasOption(call, "--refresh");
  const document = await ask(
    zeroInstall,
    refreshing ? { ...call, options: [...call.options, { name: "--refresh", values: [] }] } : call,
    target,
    offline ? settings : undefined,
    environment.get("ZEROINSTALL_PORTABLE_BASE") !== undefined,
  );
  const selections = Selections.parse(document, `the selections of ${target}`);
  memory?.keep(selections.all.map(({ digests }) => digests).filter(({ length }) => length > 0));
  return choiceOf(selections, before === undefined);
}

/**
 * Has 0install choose, with its own dialogs on the terminal.
 *
 * @param settings where Zero Install's settings are, when the network is not to be used
 */
async function ask(
  { program }: ZeroInstall,
  call: ZeroInstallCall,
  target: string,
  settings: readonly string[] | undefined,
  portable: boolean,
): Promise<string> {
  if (settings === undefined) {
    const answer = await outputOf(program, selectArguments(call, target));
    if (answer.code !== 0) throw new ZeroInstallFailed(answer);
    return answer.stdout;
  }
  const first = await outputOf(program, selectArguments(call, target), { stderr: "piped" });
  if (first.code === 0) return first.stdout;
  // Off-line 0install takes only what it has. From the feeds that are here it can tell what it would
  // take if it could, and a peer may have that.
  if (!portable && first.signal === null) {
    const temporary = Deno.makeTempDirSync({ prefix: "0share-offline-" });
    try {
      const quietly = withoutOptions(call, "--offline", "--refresh", "--gui", "--console");
      const second = await outputOf(
        program,
        selectArguments(
          { options: [...quietly.options, { name: "--console", values: [] }] },
          target,
        ),
        { stderr: "piped", env: offlineEnvironment(settings, temporary) },
      );
      if (second.code === 0) return second.stdout;
    } finally {
      Deno.removeSync(temporary, { recursive: true });
    }
  }
  Deno.stderr.writeSync(first.stderr);
  throw new ZeroInstallFailed(first);
}

/** The path of a local selections document; undefined if it is something else. */
function selectionsFile(target: string): string | undefined {
  if (isUri(target)) return undefined;
  const path = target.startsWith("file:///") ? target.slice("file://".length) : target;
  try {
    using file = Deno.openSync(path);
    const head = new Uint8Array(HEAD_BYTES);
    const length = file.readSync(head) ?? 0;
    const text = new TextDecoder().decode(head.subarray(0, length));
    return /<selections[\s>]/.test(text) ? path : undefined;
  } catch {
    return undefined;
  }
}

function isUri(target: string): boolean {
  return /^https?:\/\//.test(target);
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
