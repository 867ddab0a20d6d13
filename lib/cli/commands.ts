import type { Command } from "./command.ts";
import { demo } from "./commands/demo.ts";
import { download } from "./commands/download.ts";
import { fetch } from "./commands/fetch.ts";
import { list } from "./commands/list.ts";
import { run as runProgram } from "./commands/run.ts";
import { serve } from "./commands/serve.ts";
import { verify } from "./commands/verify.ts";
import { wrap } from "./commands/wrap.ts";
import { zeroInstall } from "./commands/zero_install.ts";

/** Every verb, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  ...[serve, fetch, runProgram, download, zeroInstall, wrap],
  ...[list, verify, demo],
];
