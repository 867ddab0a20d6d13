import { ZeroInstallMissing } from "../errors.ts";
import { endAs, type Ended, runOnTerminal } from "../zeroinstall/child_process.ts";
import { findProgram } from "../zeroinstall/program.ts";
import { replaceProcess } from "../zeroinstall/replace_process.ts";
import type { Context } from "./command.ts";

/** The real Zero Install, and how to call it. */
export interface ZeroInstall {
  /** A path. */
  readonly program: string;
  /** The soft limit of open files that it is to have, when that is known. */
  readonly openFiles?: number | undefined;
}

/**
 * 0install could not do what was asked of it, or was not let. It has said why, so that this is no
 * ShareError: nothing is left to be told but the exit status.
 */
export class ZeroInstallFailed extends Error {
  constructor(readonly ended: Ended) {
    super(`0install ended with ${ended.signal ?? ended.code}`);
  }
}

/**
 * The `0install` that this machine's user would call if there was no wrapper.
 *
 * @throws ZeroInstallMissing
 */
export function findZeroInstall({ environment }: Pick<Context, "environment">): ZeroInstall {
  const path = environment.get("PATH") ?? "";
  const program = findProgram("0install", { path, os: environment.os });
  if (program === undefined) throw new ZeroInstallMissing("0install", "it is not on the PATH");
  return { program };
}

/**
 * Runs 0install and does nothing afterwards.
 *
 * @returns the exit status; or never, where this process can become 0install
 */
export async function become(
  { program, openFiles }: ZeroInstall,
  args: readonly string[],
): Promise<number> {
  replaceProcess(program, args, { openFiles });
  return await endAs(await runOnTerminal(program, args));
}
