/** What `0share demo` shows, and what it leaves behind: nothing. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { needs } from "../skips.ts";
import { namesIn } from "./lib/machine.ts";
import { programs, start } from "./lib/program.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";

for (const program of programs()) {
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
