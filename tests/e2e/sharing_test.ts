/** Machine 1 serves, machine 2 fetches: the main job, on real trees and in 2008's words. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { addImplementation } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import {
  digestsIn,
  freePort,
  LINKED,
  machine,
  namesIn,
  serveOn,
  SMALL,
  snapshot,
} from "./lib/machine.ts";
import { type Algorithm, ALGORITHMS, audit, storeAdd, verify } from "./lib/oracle.ts";
import { LARGE_FILE, linksAndExecutables, MANY_FILES, unpack } from "./lib/packages.ts";
import { programs, run, start } from "./lib/program.ts";
import { removeTree, TemporaryDirectory } from "./lib/sandbox_env.ts";

const NODES = Deno.build.os === "windows" ? SMALL : LINKED;

/** The packages in the store of `env`, put there by the real Zero Install, by algorithm. */
async function addPackages(
  directory: TemporaryDirectory,
  env: Readonly<Record<string, string>>,
): Promise<Map<Algorithm, string[]>> {
  const trees = [
    await unpack(LARGE_FILE, join(directory.path, "large")),
    await unpack(MANY_FILES, join(directory.path, "many")),
    await linksAndExecutables(join(directory.path, "links")),
  ];
  const digests = new Map<Algorithm, string[]>();
  for (const algorithm of ALGORITHMS) {
    digests.set(algorithm, await Promise.all(trees.map((tree) => storeAdd(env, algorithm, tree))));
  }
  for (const tree of trees) await removeTree(tree);
  return digests;
}

Deno.test({
  name: "what is fetched is what the real Zero Install stores, by every algorithm",
  ...needs("oracle", "packages", "posix"),
  fn: async (test) => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const digests = await addPackages(directory, one.env);
    for (const program of programs()) {
      const discoveryPort = freePort();
      await using server = await serveOn(program, one, { discoveryPort });
      for (const [algorithm, names] of digests) {
        await test.step(`${program.name}: ${algorithm}`, async () => {
          // A directory of its own, which goes away at once: ten thousand files each.
          await using temporary = new TemporaryDirectory();
          const two = temporary.sandbox("two");
          const fetched = await run(
            program,
            ["fetch", ...names, "--discovery-port", String(discoveryPort), "--timeout", "10"],
            { env: two.env },
          );
          assert.equal(fetched.code, 0, fetched.stderr);
          assert.deepEqual(
            fetched.stdout.trimEnd().split("\n").sort(),
            names.map((name) => join(two.store, name)).sort(),
          );
          assert.deepEqual(namesIn(two.store), [...names].sort());
          const directoryTimes = algorithm === "sha1";
          for (const name of names) {
            await verify(two.env, join(two.store, name));
            assert.deepEqual(
              snapshot(join(two.store, name), { directoryTimes }),
              snapshot(join(one.store, name), { directoryTimes }),
            );
          }
          await audit(two.env, two.store);
        });
      }
      await server.stop();
    }
  },
});

for (const program of programs()) {
  Deno.test(`${program.name}: without any argument it serves on the port of 2008`, async () => {
    await using directory = new TemporaryDirectory();
    // But for one that keeps the test from being announced to whoever is near.
    await using server = start(program, ["--no-mdns"], { env: directory.sandbox("one").env });
    // A person's own 0share may have the port: to be told so proves as much.
    await server.output(/listening for requests on port 38339|TCP port 38339: it is in use/);
  });

  Deno.test(`${program.name}: without a command it serves, and -f DIGEST -H HOST fetches, in 2008's words`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest } = await addImplementation(one.store, NODES);
    const port = freePort();
    // Only the port differs from "0share" alone: that one may be in use here.
    await using server = start(program, ["-p", "0", "--discovery-port", String(port)], {
      env: one.env,
    });
    const listening = await server.output(/0share started and listening for requests.* (\d+)/);
    await server.output(
      new RegExp(`^Serving implementations from store "${RegExp.escape(one.store)}"$`, "m"),
    );
    const fetched = await run(program, ["-f", digest, "-H", `127.0.0.1:${listening[1]}`], {
      env: two.env,
    });
    assert.equal(fetched.code, 0, fetched.stderr);
    assert.equal(fetched.stdout, `${join(two.store, digest)}\n`);
    const said = [
      `Connecting to 127.0.0.1:${listening[1]} to request ${digest}`,
      `Caching new implementation (digest ${digest})`,
      "Success",
    ];
    for (const line of said) assert.ok(fetched.stderr.split("\n").includes(line), fetched.stderr);
    await server.output(new RegExp(`^GET /implementation/${digest}`, "m"));
    assert.equal((await server.stop()).code, 0);
  });

  Deno.test(`${program.name}: both sides log the transcript of 2008 when the network is asked`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest } = await addImplementation(one.store, NODES, "sha1new");
    const discoveryPort = freePort();
    await using server = await serveOn(program, one, { discoveryPort });
    const fetched = await run(
      program,
      ["-f", digest, "--discovery-port", String(discoveryPort), "--timeout", "10"],
      { env: two.env },
    );
    assert.equal(fetched.code, 0, fetched.stderr);
    let at = 0;
    for (
      const line of [
        /^Broadcasting query for sha1new=\w+ on local network\.\.\.$/m,
        /^\S+ has sha1new=\w+$/m,
        /^Connecting to \S+ to request sha1new=\w+$/m,
        /^Caching new implementation \(digest sha1new=\w+\)$/m,
        /^Success$/m,
      ]
    ) {
      const found = fetched.stderr.slice(at).search(line);
      assert.ok(found >= 0, `${line} is missing, or out of order, in\n${fetched.stderr}`);
      at += found;
    }
    const { stderr } = await server.stop();
    for (
      const line of [
        /^Request from \S+ port \d+: sha1new=\w+$/m,
        /^Yes, we have sha1new=\w+$/m,
        /^Sending reply\.\.\.$/m,
        /^GET \/implementation\/sha1new=\w+/m,
      ]
    ) assert.match(stderr, line);
  });

  Deno.test({
    name: `${program.name}: a store that is reached through a symlink is served, and filled`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = directory.sandbox("one");
      const two = directory.sandbox("two");
      for (const [sandbox, name] of [[one, "first"], [two, "second"]] as const) {
        const real = join(directory.path, name);
        Deno.mkdirSync(real);
        Deno.mkdirSync(join(sandbox.store, ".."), { recursive: true });
        Deno.symlinkSync(real, sandbox.store);
      }
      const { digest } = await addImplementation(one.store, LINKED);
      await using server = await serveOn(program, one);
      const fetched = await run(program, ["fetch", digest, "-H", `127.0.0.1:${server.port}`], {
        env: two.env,
      });
      assert.equal(fetched.code, 0, fetched.stderr);
      assert.deepEqual(digestsIn(join(directory.path, "second")), [digest]);
      assert.ok(Deno.lstatSync(two.store).isSymlink);
      await server.stop();
    },
  });

  Deno.test(`${program.name}: a store that appears while it serves, and then gains, is seen`, async () => {
    await using directory = new TemporaryDirectory();
    const one = directory.sandbox("one");
    const two = directory.sandbox("two");
    const discoveryPort = freePort();
    await using server = await serveOn(program, one, { discoveryPort });
    const elsewhere = machine(directory, "elsewhere");
    const first = await addImplementation(elsewhere.store, NODES);
    const fetch = (digest: string) =>
      run(program, ["fetch", digest, "--discovery-port", String(discoveryPort), "--timeout", "1"], {
        env: two.env,
      });
    assert.equal((await fetch(first.digest)).code, 3, "it was served before it was there");
    Deno.mkdirSync(join(one.store, ".."), { recursive: true });
    Deno.renameSync(elsewhere.store, one.store);
    assert.equal((await fetch(first.digest)).code, 0, server.log);
    const second = await addImplementation(one.store, [...NODES.slice(0, 4)], "sha256");
    assert.equal((await fetch(second.digest)).code, 0, server.log);
    assert.deepEqual(digestsIn(two.store), [first.digest, second.digest].sort());
    await server.stop();
  });

  Deno.test({
    name:
      `${program.name}: a list of names of one tree takes the one that the peer knows, several digests take all`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const two = directory.sandbox("two");
      const made = [];
      for (const algorithm of ALGORITHMS) {
        made.push(await addImplementation(one.store, LINKED, algorithm));
      }
      const unknown = `sha256new_${"A".repeat(52)}`;
      await using server = await serveOn(program, one);
      const list = `${made[2]!.digest},${unknown}`;
      const fetched = await run(program, ["fetch", list, "-H", `127.0.0.1:${server.port}`], {
        env: two.env,
      });
      assert.equal(fetched.code, 0, fetched.stderr);
      assert.deepEqual(digestsIn(two.store), [made[2]!.digest]);
      const all = await run(
        program,
        ["fetch", ...made.map(({ digest }) => digest), "-H", `127.0.0.1:${server.port}`],
        { env: two.env },
      );
      assert.equal(all.code, 0, all.stderr);
      assert.deepEqual(digestsIn(two.store), made.map(({ digest }) => digest).sort());
      await server.stop();
    },
  });
}
