/** What `0share demo` shows, and what it leaves behind: nothing. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { needs } from "../skips.ts";
import { eventsOf } from "./lib/events.ts";
import { namesIn } from "./lib/machine.ts";
import { type Program, programs, type Result, run, start } from "./lib/program.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";

/** A whole demo for somebody whose own settings name a store, in which nothing may come to be. */
async function demonstrate(
  program: Program,
  args: readonly string[],
  settings: (theirs: string, config: string) => Readonly<Record<string, string>>,
): Promise<Result> {
  await using directory = new TemporaryDirectory();
  const { env, store } = directory.sandbox("one");
  const [scratch, theirs] = ["scratch", "theirs"].map((name) => join(directory.path, name));
  for (const path of [scratch!, theirs!]) Deno.mkdirSync(path);
  const result = await run(program, ["demo", ...args], {
    env: { ...env, TMPDIR: scratch!, ...settings(theirs!, join(directory.path, "config")) },
  });
  assert.equal(result.code, 0, result.stderr);
  for (const path of [scratch!, theirs!, store]) assert.deepEqual(namesIn(path), [], path);
  return result;
}

for (const program of programs()) {
  Deno.test({
    name: `${program.name}: a demo uses no store that is configured, and --json tells all of it`,
    ...needs("posix"),
    fn: async () => {
      const result = await demonstrate(program, ["--json"], (theirs, config) => {
        const injector = join(config, "0install.net/injector");
        Deno.mkdirSync(injector, { recursive: true });
        Deno.writeTextFileSync(join(injector, "implementation-dirs"), theirs);
        return { XDG_CONFIG_HOME: config };
      });
      assert.equal(result.stderr, "");
      const [stored, ...told] = eventsOf(result);
      const { event, machine, digest } = stored!;
      assert.deepEqual([event, machine], ["stored", "machine1"]);
      const commands = told.filter(({ event }) => event === "command");
      assert.deepEqual(
        commands.map(({ machine, command }) => [machine, /\w+ \w+/.exec(String(command))?.[0]]),
        [["machine1", "0share serve"], ["machine2", "0share fetch"], ["machine2", "0share verify"]],
      );
      const last = told.at(-1)!;
      assert.deepEqual([last["event"], last["machine"]], ["line", "machine2"]);
      assert.match(String(last["line"]), new RegExp(`/${digest}: OK$`));
    },
  });

  Deno.test({
    name: `${program.name}: a demo leaves a portable base alone, and says nothing with -q`,
    ...needs("posix"),
    fn: async () => {
      const { stdout, stderr } = await demonstrate(
        program,
        ["-q"],
        (theirs) => ({ ZEROINSTALL_PORTABLE_BASE: theirs }),
      );
      assert.deepEqual([stdout, stderr], ["", ""]);
    },
  });

  Deno.test({
    name: `${program.name}: a demo that is ended leaves nothing behind`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const { env } = directory.sandbox("one");
      const scratch = join(directory.path, "scratch");
      Deno.mkdirSync(scratch);
      await using demo = start(program, ["demo"], { env: { ...env, TMPDIR: scratch } });
      await demo.output(/listening for requests/);
      const { code, stderr } = await demo.stop("SIGTERM");
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^0share: error: Interrupted/m);
      assert.deepEqual(namesIn(scratch), []);
    },
  });
}
