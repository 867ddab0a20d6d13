import { UsageError } from "../../errors.ts";
import { understand, valuesBehind } from "../../zeroinstall/command_line.ts";
import type { Command } from "../command.ts";
import { PEERS_FIRST_OPTIONS } from "../fetching_options.ts";
import { ownOptionsFirst } from "../mixed_options.ts";
import { become, findZeroInstall } from "../real_zero_install.ts";
import { callWithPeers } from "../with_peers.ts";

export const run: Command = {
  name: "run",
  args: "URI [ARG]…",
  summary: "Run a program with 0install; what is missing comes from peers first",
  options: PEERS_FIRST_OPTIONS,
  notes: [
    "URI is all that 0install run takes: a feed's URI or path, an application of 0install add, a\n" +
    "selections document. The options of 0install run may stand beside those above; what stands\n" +
    "behind URI is the program's. Standard input and output are the program's, and so is the exit\n" +
    "status.",
  ],
  leavesStdout: true,
  arrange: (args) =>
    ownOptionsFirst(args, PEERS_FIRST_OPTIONS, {
      valuesBehind,
      endAtArgument: true,
      shared: ["-v", "--verbose"],
    }),
  async run(parsed, context) {
    const program = findZeroInstall(context);
    const args = ["run", ...parsed.args];
    const call = understand(args);
    if (call === undefined) return await become(program, args);
    if (call.args.length === 0) {
      throw new UsageError('Command "run" needs the URI of a program: none was given', {
        hint: "for example: 0share run http://rox.sourceforge.net/2005/interfaces/Edit",
      });
    }
    return await callWithPeers(program, call, parsed, context);
  },
};
