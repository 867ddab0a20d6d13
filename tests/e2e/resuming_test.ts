/** Fetches that are cut off, and fetches that meet: nothing half-done, nothing done twice. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { addImplementation, noise } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { FakePeer } from "./lib/fake_peer.ts";
import { digestsIn, LARGER, machine, namesIn, serveOn, snapshot } from "./lib/machine.ts";
import { programs, run, start } from "./lib/program.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";
import { staged } from "./lib/staged.ts";

/**
 * What a fetch may hold back before it writes, and so lose when it is killed; and the beginning
 * of a file that is no longer than a block is not worth keeping.
 */
const UNWRITTEN = 3 * 256 * 1024;

const SIZE = LARGER.reduce(
  (sum, node) => sum + (node.kind === "file" ? String(node.content).length : 0),
  0,
);

for (const program of programs()) {
  for (
    const [moment, pauseAt] of [
      ["before the first byte", 0],
      ["in a small file at the beginning", 500],
      ["in the middle of a large file", 1_200_000],
      ["between two large files", 2_001_050],
      ["in the last file", SIZE - 10],
    ] as const
  ) {
    Deno.test({
      name: `${program.name}: killed ${moment}, it leaves nothing under the digest, and goes on`,
      ...needs("posix"),
      fn: async () => {
        await using directory = new TemporaryDirectory();
        const implementation = await addImplementation(machine(directory, "one").store, LARGER);
        const { digest } = implementation;
        const two = directory.sandbox("two");
        await using peer = new FakePeer(implementation, { pauseAt });
        const args = ["fetch", digest, "-H", peer.host];
        await using fetching = start(program, args, { env: two.env });
        await peer.paused.promise;
        const kept = Math.max(0, pauseAt - UNWRITTEN);
        await staged(two.store, digest, SIZE, kept);
        fetching.signal("SIGKILL");
        assert.equal((await fetching.ended).signal, "SIGKILL");
        assert.deepEqual(digestsIn(two.store), []);
        peer.resume();
        peer.asked.length = 0;

        const again = await run(program, args, { env: two.env });
        assert.equal(again.code, 0, again.stderr);
        assert.deepEqual([peer.size, namesIn(two.store)], [SIZE, [digest]]);
        assert.ok(peer.askedBytes <= SIZE - kept, `asked for ${peer.askedBytes} bytes again`);
        const options = { directoryTimes: false };
        await run(program, [
          "fetch",
          digest,
          "-H",
          peer.host,
          "--store",
          join(directory.path, "new"),
        ], {
          env: two.env,
        });
        assert.deepEqual(
          snapshot(join(two.store, digest), options),
          snapshot(join(directory.path, "new", digest), options),
        );
        assert.equal((await run(program, ["verify", digest], { env: two.env })).code, 0);
      },
    });
  }

  Deno.test({
    name: `${program.name}: killed again and again at any moment, no digest ever names half a tree`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const two = directory.sandbox("two");
      const small = Array.from({ length: 500 }, (_, n) => file(`small ${n}`, noise(n, 1 + n)));
      const { digest, path } = await addImplementation(one.store, [...LARGER, ...small]);
      await using server = await serveOn(program, one);
      const args = ["fetch", digest, "-H", `127.0.0.1:${server.port}`];
      const wanted = snapshot(path, { directoryTimes: false }).length;
      for (let delay = 50; digestsIn(two.store).length === 0; delay += 25) {
        await using fetching = start(program, args, { env: two.env });
        await Promise.race([
          fetching.ended,
          fetching.output(/^Connecting/m).then(() =>
            new Promise((resolve) => setTimeout(resolve, delay - 50))
          ),
        ]);
        fetching.signal("SIGKILL");
        await fetching.ended;
      }
      assert.equal(snapshot(join(two.store, digest), { directoryTimes: false }).length, wanted);
      assert.equal((await run(program, ["verify", digest], { env: two.env })).code, 0);
      assert.equal((await run(program, args, { env: two.env })).code, 0);
      await server.stop();
    },
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.test({
      name: `${program.name}: ${signal} ends it with 1 and one message, and it can go on`,
      ...needs("posix"),
      fn: async () => {
        await using directory = new TemporaryDirectory();
        const implementation = await addImplementation(machine(directory, "one").store, LARGER);
        const two = directory.sandbox("two");
        await using peer = new FakePeer(implementation, { pauseAt: 2_500_000 });
        const other = `sha1new=${"0".repeat(40)}`;
        const args = ["fetch", implementation.digest, "-H", peer.host];
        await using fetching = start(program, args, { env: two.env });
        await peer.paused.promise;
        await staged(two.store, implementation.digest, SIZE, 2_500_000 - UNWRITTEN);
        const { code, stderr, stdout } = await fetching.stop(signal);
        assert.deepEqual([code, stdout], [1, ""], stderr);
        assert.equal(stderr.match(/^0share: error: Interrupted$/gm)?.length, 1, stderr);
        assert.match(stderr, /^0share: hint: run the same command again: it goes on/m);
        assert.deepEqual(digestsIn(two.store), []);
        peer.resume();
        peer.asked.length = 0;
        // The other digest does not keep this one from being continued.
        const again = await run(program, [...args, other], { env: two.env });
        assert.equal(again.code, 3, again.stderr);
        assert.deepEqual(namesIn(two.store), [implementation.digest]);
        assert.ok(peer.askedBytes <= SIZE - 2_500_000 + UNWRITTEN, "it began anew");
      },
    });
  }

  Deno.test({
    name: `${program.name}: of two fetches of one digest one downloads, and both succeed`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const implementation = await addImplementation(machine(directory, "one").store, LARGER);
      const two = directory.sandbox("two");
      await using peer = new FakePeer(implementation, { pauseAt: 300_000 });
      const args = ["fetch", implementation.digest, "-H", peer.host];
      await using first = start(program, args, { env: two.env });
      await peer.paused.promise;
      await using second = start(program, args, { env: two.env });
      await using third = start(program, [...args, "--json"], { env: two.env });
      await second.output(/^Waiting for another process that is fetching /m);
      await third.output(/"event":"waiting"/, "stdout");
      peer.resume();
      const path = join(two.store, implementation.digest);
      for (const running of [first, second]) {
        const { code, stdout, stderr } = await running.ended;
        assert.deepEqual([code, stdout], [0, `${path}\n`], stderr);
      }
      const { code, stdout } = await third.ended;
      assert.equal(code, 0);
      assert.equal(JSON.parse(stdout.trimEnd().split("\n").at(-1)!).path, path);
      assert.equal(peer.asked.length, 2, "it was downloaded more than once");
      assert.equal(peer.askedBytes, SIZE);
      assert.deepEqual(namesIn(two.store), [implementation.digest]);
    },
  });

  Deno.test({
    name: `${program.name}: when the fetch that downloads is killed, the one that waits goes on`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const implementation = await addImplementation(machine(directory, "one").store, LARGER);
      const two = directory.sandbox("two");
      await using peer = new FakePeer(implementation, { pauseAt: 3_000_000 });
      const args = ["fetch", implementation.digest, "-H", peer.host];
      await using first = start(program, args, { env: two.env });
      await peer.paused.promise;
      await staged(two.store, implementation.digest, SIZE, 3_000_000 - UNWRITTEN);
      await using second = start(program, args, { env: two.env });
      await second.output(/^Waiting for another process/m);
      peer.asked.length = 0;
      peer.resume();
      first.signal("SIGKILL");
      await first.ended;
      const { code, stderr } = await second.ended;
      assert.equal(code, 0, stderr);
      assert.ok(peer.askedBytes <= SIZE - 3_000_000 + UNWRITTEN, `${peer.askedBytes} bytes again`);
      assert.deepEqual(namesIn(two.store), [implementation.digest]);
    },
  });

  Deno.test({
    name: `${program.name}: a server that is stopped in the middle is replaced by the next peer`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const implementation = await addImplementation(one.store, LARGER);
      const two = directory.sandbox("two");
      // The first one stalls for good; the second is the program itself.
      const stalling = new FakePeer(implementation, { pauseAt: 1_000_000, silent: true });
      await using _stalling = stalling;
      await using server = await serveOn(program, one);
      const fetched = await run(
        program,
        ["fetch", implementation.digest, "-H", stalling.host, "-H", `127.0.0.1:${server.port}`],
        { env: two.env },
      );
      assert.equal(fetched.code, 0, fetched.stderr);
      const { stderr } = await server.stop();
      const [, megabytes] = /^Sent (\d\.\d\d) MB of /m.exec(stderr) ?? [];
      assert.ok(Number(megabytes) * 1e6 <= SIZE - 1_000_000 + UNWRITTEN + 5000, stderr);
    },
  });
}
