import { runOnTerminal } from "../zeroinstall/child_process.ts";
import { downloadArguments, type ZeroInstallCall } from "../zeroinstall/command_line.ts";
import type { Context } from "./command.ts";
import { type ZeroInstall, ZeroInstallFailed } from "./real_zero_install.ts";

/**
 * Has 0install get implementations from where their publisher put them, with its own unpacking,
 * recipes, mirrors and messages.
 *
 * @param document selections of just these implementations
 * @param options.onStart told of 0install's process
 * @param options.signal nothing is started, and nothing said, after this process was told to end
 * @returns whether it got them; it has said why not
 * @throws ZeroInstallFailed when a signal ended it; the signal's reason
 */
export async function getFromOrigin(
  { program }: ZeroInstall,
  call: ZeroInstallCall,
  document: string,
  { output }: Pick<Context, "output">,
  { onStart, signal }: {
    readonly onStart: (pid: number) => void;
    readonly signal: AbortSignal;
  },
): Promise<boolean> {
  signal.throwIfAborted();
  const directory = Deno.makeTempDirSync({ prefix: "0share-selections-" });
  try {
    const file = `${directory}/selections.xml`;
    Deno.writeTextFileSync(file, document);
    const ended = await runOnTerminal(program, downloadArguments(call, file), { onStart });
    if (ended.signal !== null) throw new ZeroInstallFailed(ended);
    signal.throwIfAborted();
    if (ended.code === 0) return true;
    // A feed that is out of date, for example: it looks for a newer one when it is to run it.
    output.warning("0install could not get what was chosen: it is left to choose again");
    return false;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
