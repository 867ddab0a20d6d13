import { UsageError } from "../../errors.ts";
import { understand, valuesBehind } from "../../zeroinstall/command_line.ts";
import type { Command } from "../command.ts";
import { PEERS_FIRST_OPTIONS } from "../fetching_options.ts";
import { ownOptionsFirst } from "../mixed_options.ts";
import { become, findZeroInstall } from "../real_zero_install.ts";
import { callWithPeers } from "../with_peers.ts";

export const download: Command = {
  name: "download",
  args: "URI…",
  summary: "Get programs with 0install, what peers have from them, without running anything",
  options: PEERS_FIRST_OPTIONS,
  notes: [
    "URI is all that 0install download takes, and there may be several. The options of 0install\n" +
    "download may stand beside those above.",
  ],
  leavesStdout: true,
  arrange: (args) =>
    ownOptionsFirst(args, PEERS_FIRST_OPTIONS, {
      valuesBehind,
      endAtArgument: false,
      shared: ["-v", "--verbose"],
    }),
  async run(parsed, context) {
    const program = findZeroInstall(context);
    const args = ["download", ...parsed.args];
    const call = understand(args);
    if (call === undefined) return await become(program, args);
    if (call.args.length === 0) {
      throw new UsageError('Command "download" needs the URI of a program: none was given', {
        hint: "for example: 0share download http://rox.sourceforge.net/2005/interfaces/Edit",
      });
    }
    return await callWithPeers(program, call, parsed, context);
  },
};
