/** Running and downloading programs with the real 0install: what comes from where. */

import assert from "node:assert/strict";

import { needs } from "../skips.ts";
import { archivesAmong, OUTPUT } from "./lib/application.ts";
import { digestsIn } from "./lib/machine.ts";
import { audit } from "./lib/oracle.ts";
import { programs } from "./lib/program.ts";
import { Publication } from "./lib/publication.ts";
import { removeTree } from "./lib/sandbox_env.ts";

const ALL = ["application", "recipe", "offset"];

for (const program of programs()) {
  const test = (name: string, body: (publication: Publication) => Promise<void>) => {
    Deno.test({
      name: `${program.name}: ${name}`,
      ...needs("oracle", "publishing"),
      fn: async () => {
        await using publication = await Publication.open(program);
        await body(publication);
      },
    });
  };

  for (
    const [name, had] of [
      ["what peers have all of is not asked of the origin", ALL],
      ["only what no peer has is asked of the origin: an archive", ["recipe", "offset"]],
      ["only what no peer has is asked of the origin: a recipe", ["application", "offset"]],
      ["what no peer has comes from the origin", []],
    ] as const
  ) {
    test(name, async (publication) => {
      const { application, origin, one } = publication;
      await using _peer = await publication.peer(...had);
      const { code, stdout, stderr } = await publication.run("run", application.uri);
      assert.deepEqual([code, stdout], [0, OUTPUT], stderr);
      const lacked = ALL.filter((part) => !had.includes(part as never));
      assert.deepEqual(archivesAmong(origin.log), application.archivesOf(...lacked));
      assert.deepEqual(digestsIn(one.store), application.digests);
      await audit(one.env, one.store);
    });
  }

  test("what is cached runs without any request and without a word", async (publication) => {
    const { application, origin } = publication;
    await using peer = await publication.peer(...ALL);
    assert.equal((await publication.run("run", application.uri)).code, 0);
    await peer.stop();
    origin.log.splice(0);
    for (let time = 0; time < 3; time++) {
      const { code, stdout, stderr } = await publication.run("run", application.uri);
      assert.deepEqual([code, stdout, stderr], [0, OUTPUT, ""]);
    }
    assert.deepEqual(origin.log, []);
  });

  test("download gets what run needs, and passes 0install's output on", async (publication) => {
    const { application, origin, one } = publication;
    await using _peer = await publication.peer("recipe");
    const result = await publication.run("download", "--show", application.uri);
    assert.equal(result.code, 0, result.stderr);
    // 0install shows where each of them is.
    for (const digest of application.digests) {
      assert.ok(result.stdout.includes(`${one.store}/${digest}`), result.stdout);
    }
    assert.deepEqual(
      archivesAmong(origin.log),
      application.archivesOf("application", "offset"),
    );
    const again = await publication.run("download", application.uri, application.uri);
    assert.deepEqual([again.code, again.stdout, again.stderr], [0, "", ""]);
  });

  test("what is lost from the store comes again, whatever is remembered", async (publication) => {
    const { application, origin, one } = publication;
    await using _peer = await publication.peer(...ALL);
    for (let time = 0; time < 2; time++) {
      assert.equal((await publication.run("run", application.uri)).code, 0);
    }
    await removeTree(`${one.store}/${application.digests[0]}`);
    const { code, stdout, stderr } = await publication.run("run", application.uri);
    assert.deepEqual([code, stdout], [0, OUTPUT], stderr);
    assert.deepEqual(archivesAmong(origin.log), []);
  });
}
