/** A fetch that is killed again and again: what was here stays here. */

import assert from "node:assert/strict";

import { pieceSize } from "../../lib/manifest/layout.ts";
import { addImplementation, noise } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { eventsOf } from "./lib/events.ts";
import { digestsIn, machine, serveOn } from "./lib/machine.ts";
import { verify } from "./lib/oracle.ts";
import { oneProgram, run, start } from "./lib/program.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";

const ROUNDS = 20;

/** 14 MB: two large files, and small ones before and between them. */
const NODES = [
  ...Array.from({ length: 40 }, (_, index) => file(`a${index}`, noise(index, 25_000))),
  file("b", noise(98, 6_000_000)),
  ...Array.from({ length: 40 }, (_, index) => file(`c${index}`, noise(50 + index, 25_000))),
  file("d", noise(99, 6_000_000)),
];
const SIZE = 14_000_000;
const PIECE = pieceSize(SIZE);

/** What may be lost: a piece of each large file, and small files that are not complete. */
const LOST = 3 * PIECE;

for (const program of oneProgram()) {
  Deno.test({
    name:
      `${program.name}: killed ${ROUNDS} times at any moment, it fetches again only what was in flight`,
    ...needs("oracle", "posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const two = machine(directory, "two");
      const { digest } = await addImplementation(one.store, NODES);
      await using server = await serveOn(program, one, { args: ["--upload-limit", "2M"] });
      const args = ["fetch", digest, "-H", `127.0.0.1:${server.port}`, "--compress", "never"];
      let here = 0;
      let rounds = 0;
      for (; rounds < ROUNDS && digestsIn(two.store).length === 0; rounds++) {
        await using fetching = start(program, [...args, "--json"], two);
        await Promise.race([
          fetching.ended,
          fetching.output(/"event":"(connecting|fetched)"/, "stdout"),
        ]);
        const moment = Math.random() * 300;
        await new Promise((resolve) => setTimeout(resolve, moment));
        fetching.signal("SIGKILL");
        await fetching.ended;
        const events = eventsOf(fetching);
        const [planned] = events.filter(({ event }) => event === "planned");
        const missing = planned!["missing"] as number;
        assert.equal(planned!["total"], SIZE);
        assert.ok(
          missing <= SIZE - here + LOST,
          `round ${rounds}, ${moment} ms: ${here} bytes were here, and then ${missing} missing`,
        );
        const progress = events.findLast(({ event }) => event === "progress");
        here = progress === undefined ? SIZE - missing : progress["done"] as number;
      }
      assert.ok(here > 0, "nothing ever came");
      const fetched = await run(program, [...args, "--explain"], two);
      assert.equal(fetched.code, 0, fetched.stderr);
      await verify(two.env, `${two.store}/${digest}`);
      assert.ok(rounds === ROUNDS, "it was over before");
      assert.match(fetched.stderr, /^Got .*B from an earlier run$/m);
      assert.match(fetched.stderr + fetched.stdout, / left by an earlier run, hashed again$/m);
    },
  });
}
