import type { Command } from "./command.ts";

/**
 * Every verb, in the order of the help, each loaded by itself: all of them together take tens of
 * milliseconds, and some stand between a person and their program.
 */
const LOADERS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./commands/serve.ts")).serve,
  fetch: async () => (await import("./commands/fetch.ts")).fetch,
  run: async () => (await import("./commands/run.ts")).run,
  download: async () => (await import("./commands/download.ts")).download,
  "0install": async () => (await import("./commands/zero_install.ts")).zeroInstall,
  wrap: async () => (await import("./commands/wrap.ts")).wrap,
  list: async () => (await import("./commands/list.ts")).list,
  verify: async () => (await import("./commands/verify.ts")).verify,
  demo: async () => (await import("./commands/demo.ts")).demo,
};

/** The command of this name; undefined if there is none. */
export async function loadCommand(name: string): Promise<Command | undefined> {
  return Object.hasOwn(LOADERS, name) ? await LOADERS[name]!() : undefined;
}

/** All of them, in the order of the help. */
export async function loadCommands(): Promise<Command[]> {
  return await Promise.all(Object.values(LOADERS).map((load) => load()));
}
