import { runOnTerminal } from "../zeroinstall/child_process.ts";
import { downloadArguments, type ZeroInstallCall } from "../zeroinstall/command_line.ts";
import type { Context } from "./command.ts";
import { type ZeroInstall, ZeroInstallFailed } from "./real_zero_install.ts";

/**
 * Has 0install get implementations from where their publisher put them, with its own unpacking,
 * recipes, mirrors and messages.
 *
 * @param document selections of just these implementations
 * @param onStart told of 0install's process
 * @returns whether it got them; it has said why not
 * @throws ZeroInstallFailed when a signal ended it
 */
export async function getFromOrigin(
  { program }: ZeroInstall,
  call: ZeroInstallCall,
  document: string,
  { output }: Pick<Context, "output">,
  onStart: (pid: number) => void,
): Promise<boolean> {
  const directory = Deno.makeTempDirSync({ prefix: "0share-selections-" });
  try {
    const file = `${directory}/selections.xml`;
    Deno.writeTextFileSync(file, document);
    const ended = await runOnTerminal(program, downloadArguments(call, file), { onStart });
    if (ended.signal !== null) throw new ZeroInstallFailed(ended);
    if (ended.code === 0) return true;
    // A feed that is out of date, for example: it looks for a newer one when it is to run it.
    output.warning("0install could not get what was chosen: it is left to choose again");
    return false;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
