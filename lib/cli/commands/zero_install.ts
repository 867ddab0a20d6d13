import { ShareError, UsageError } from "../../errors.ts";
import { understand } from "../../zeroinstall/command_line.ts";
import { isWrapper } from "../../zeroinstall/program.ts";
import type { Command } from "../command.ts";
import { PEERS_FIRST_OPTIONS } from "../fetching_options.ts";
import { ownOptionsFirst } from "../mixed_options.ts";
import { become, findZeroInstall, type ZeroInstall } from "../real_zero_install.ts";
import { callWithPeers } from "../with_peers.ts";

export const zeroInstall: Command = {
  name: "0install",
  args: "COMMAND [ARG]…",
  summary: "Run 0install; what it would download comes from peers first",
  options: [
    ...PEERS_FIRST_OPTIONS,
    { name: "real", value: "PATH", help: "the real 0install (default: that on the PATH)" },
    { name: "open-files", value: "NUMBER", hidden: true, help: "the soft limit for 0install" },
  ],
  notes: [
    "Options before COMMAND are those above, everything from there on is 0install's. Of its\n" +
    "commands run, download, update and add are given what peers have; the others are run as they\n" +
    'are. This is what the wrapper of "0share wrap" calls.',
  ],
  leavesStdout: true,
  arrange: (args) =>
    ownOptionsFirst(args, zeroInstall.options, {
      valuesBehind: () => 0,
      endAtArgument: true,
      shared: [],
    }),
  async run(parsed, context) {
    // `--` may stand before COMMAND, whose own options may be first: "-- -c run URI".
    const args = parsed.args[0] === "--" ? parsed.args.slice(1) : parsed.args;
    if (args.length === 0) {
      throw new UsageError('Command "0install" needs a command of 0install: none was given', {
        hint: "for example: 0share 0install run URI",
      });
    }
    const real = parsed.get("real");
    // What the shell says of its limit: a word, or more than there can be, sets none.
    const openFiles = Number(parsed.get("open-files"));
    const program: ZeroInstall = {
      ...(real === undefined ? findZeroInstall(context) : { program: notWrapper(real) }),
      openFiles: Number.isSafeInteger(openFiles) && openFiles > 0 ? openFiles : undefined,
    };
    const call = understand(args);
    if (call === undefined || call.args.length === 0) return await become(program, args);
    // 0install itself says that it takes one URI.
    if (call.command === "download" && call.args.length > 1) return await become(program, args);
    return await callWithPeers(program, call, parsed, context);
  },
};

/** @throws ShareError */
function notWrapper(real: string): string {
  if (!isWrapper(real)) return real;
  throw new ShareError(`Cannot run "${real}": it is a wrapper of 0share, which calls 0share again`);
}
