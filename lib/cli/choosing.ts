import { resolve } from "node:path";
import type { Digest } from "../manifest/digest.ts";
import { cacheLocations, configLocations, type Environment } from "../store/locations.ts";
import { outputOf } from "../zeroinstall/child_process.ts";
import {
  choosesAnew,
  hasOption,
  selectArguments,
  withoutOptions,
  type ZeroInstallCall,
} from "../zeroinstall/command_line.ts";
import { SelectionMemory } from "../zeroinstall/memory.ts";
import type { Selection, Selections } from "../zeroinstall/selections.ts";
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
  const before = appSelections(settings, target) ?? selectionsFile(target);
  const solves = before === undefined || choosesAnew(call) ||
    call.command === "update" || call.command === "add";
  const memory = solves
    // What an application requires is not among the things that are looked at.
    ? before === undefined ? await memoryOf(zeroInstall, call, target, environment) : undefined
    : await SelectionMemory.of(memoryDirectory(environment), [resolve(before)], [resolve(before)]);
  const remembered = memory?.recall();
  if (remembered !== undefined && !remembered.some(lacks)) {
    return { missing: [], anew: before === undefined, offline };
  }
  const text = solves
    ? await ask(zeroInstall, call, target, offline, environment)
    // Without it an application is solved and downloaded by 0install at once.
    : readText(before);
  if (text === undefined) return { missing: [], anew: false, offline };
  // It takes milliseconds to load.
  const { Selections } = await import("../zeroinstall/selections.ts");
  const selections = Selections.parse(text, `the selections of ${target}`);
  const fetchable = selections.all.filter(({ digests }) => digests.length > 0);
  memory?.keep(fetchable.map(({ digests }) => digests));
  return {
    missing: fetchable.filter(({ digests }) => lacks(digests)),
    selections,
    anew: before === undefined,
    offline,
  };
}

/** Where the answer is kept; undefined when it is to be asked for, whatever was answered before. */
async function memoryOf(
  { program }: ZeroInstall,
  call: ZeroInstallCall,
  target: string,
  environment: Environment,
): Promise<SelectionMemory | undefined> {
  if (hasOption(call, "--refresh", "--gui") || call.command === "update") return undefined;
  const local = isUri(target) ? [] : [resolve(localPath(target))];
  return await SelectionMemory.of(
    memoryDirectory(environment),
    [program, ...selectArguments(call, target), ...local],
    [
      ...cacheLocations(environment).map((cache) => `${cache}/interfaces`),
      ...settingsThatChoose(configLocations(environment)),
      ...local,
    ],
  );
}

function memoryDirectory(environment: Environment): string {
  return `${cacheLocations(environment)[0]}/0share-selections`;
}

/** Has 0install choose, with its own dialogs on the terminal. */
async function ask(
  { program }: ZeroInstall,
  given: ZeroInstallCall,
  target: string,
  offline: boolean,
  environment: Environment,
): Promise<string> {
  const call = given.command === "update" && !hasOption(given, "--refresh")
    ? { ...given, options: [...given.options, { name: "--refresh", values: [] }] }
    : given;
  if (!offline) {
    const answer = await outputOf(program, selectArguments(call, target));
    if (answer.code !== 0) throw new ZeroInstallFailed(answer);
    return answer.stdout;
  }
  const first = await outputOf(program, selectArguments(call, target), { stderr: "piped" });
  if (first.code === 0) return first.stdout;
  // Off-line 0install takes only what it has. From the feeds that are here it can tell what it would
  // take if it could, and a peer may have that.
  const portable = environment.get("ZEROINSTALL_PORTABLE_BASE") !== undefined;
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
        { stderr: "piped", env: offlineEnvironment(configLocations(environment), temporary) },
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
  const path = localPath(target);
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

/** 0install takes a path, or the same as a URI. */
function localPath(target: string): string {
  return target.startsWith("file:///") ? target.slice("file://".length) : target;
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
