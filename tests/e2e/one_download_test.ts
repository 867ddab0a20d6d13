/** Machines that want what nobody has: one of them downloads it, and the others get it from there. */

import assert from "node:assert/strict";

import { needs } from "../skips.ts";
import { OUTPUT } from "./lib/application.ts";
import { Club, type ClubOptions, emptied, processesOf, signalAll } from "./lib/club.ts";
import type { Host } from "./lib/host.ts";
import { digestsIn } from "./lib/machine.ts";
import { audit } from "./lib/oracle.ts";
import { programs, type Running } from "./lib/program.ts";

const OFFICE = { machines: 8, bitsPerSecond: 20e6, padding: 4_000_000 };

/** So slow that much can happen until it is there. */
const SLOW = { bitsPerSecond: 4e6, padding: 1_500_000 };

/** Fails unless the application ran, and all that it takes is in the store, and right. */
async function assertRan(club: Club, host: Host, running: Running): Promise<void> {
  const { code, stdout, stderr } = await running.ended;
  assert.deepEqual([code, stdout], [0, OUTPUT], `${host.ipv4}: ${stderr}`);
  const { env, store } = club.machine(host);
  assert.deepEqual(digestsIn(store), club.application.digests);
  await audit(env, store);
}

function startAll(club: Club): Map<Host, Running> {
  return new Map(
    club.hosts.map((host) => [host, club.start(host, "run", club.application.uri)]),
  );
}

for (const program of programs()) {
  const test = (name: string, options: ClubOptions, body: (club: Club) => Promise<void>) => {
    Deno.test({
      name: `${program.name}: ${name}`,
      ...needs("namespaces", "oracle", "publishing"),
      fn: async () => {
        await using club = await Club.open(program, options);
        await body(club);
      },
    });
  };

  test("eight machines at once: the origin sends everything about once", OFFICE, async (club) => {
    const all = startAll(club);
    for (const [host, running] of all) await assertRan(club, host, running);
    const copies = await club.copies();
    const report = () => [...all.values()].map((one) => one.report()).join("\n");
    assert.ok(copies <= 1.2, `${copies} copies\n${report()}`);
    // Whoever was waited for goes on giving for a while, and then ends by itself.
    const givers = await Promise.all(club.hosts.map(processesOf));
    assert.ok(givers.flat().every(({ command }) => / serve .*--only /.test(command)));
    for (const host of club.hosts) await emptied(host);
  });

  test("the downloader is killed midway, and another one takes over", OFFICE, async (club) => {
    const all = startAll(club);
    const dead = await club.downloader();
    while (await club.copies() < 0.4) await new Promise((resolve) => setTimeout(resolve, 50));
    await signalAll(dead, /./, "SIGKILL");
    for (const [host, running] of all) {
      if (host === dead) assert.notEqual((await running.ended).code, 0);
      else await assertRan(club, host, running);
    }
    const copies = await club.copies();
    assert.ok(copies <= 2, `${copies} copies`);
    assert.ok(club.asked.filter(({ by }) => by !== dead).length > 0);
  });

  test(
    "a downloader that makes no progress is overtaken",
    { ...SLOW, machines: 3 },
    async (club) => {
      const all = startAll(club);
      const slow = await club.downloader();
      await signalAll(slow, /0install.* download /, "SIGSTOP");
      for (const [host, running] of all) if (host !== slow) await assertRan(club, host, running);
      await signalAll(slow, /0install.* download /, "SIGCONT");
      await assertRan(club, slow, all.get(slow)!);
    },
  );

  test("--no-wait downloads at once, as does -H", { ...SLOW, machines: 3 }, async (club) => {
    const [first, second, third] = club.hosts as [Host, Host, Host];
    const { uri } = club.application;
    const downloading = club.start(first, "run", uri);
    await club.downloader();
    const eager = club.start(second, "run", "--no-wait", uri);
    const named = club.start(third, "run", "-H", first.ipv4, uri);
    for (
      const [host, running] of [[first, downloading], [second, eager], [third, named]] as const
    ) {
      await assertRan(club, host, running);
      assert.doesNotMatch(running.stderr, /Waiting for/);
      // Some of it may have been there already.
      assert.ok(club.asked.some(({ by }) => by === host), running.report());
    }
  });

  test("--offline waits for nobody", { ...SLOW, machines: 2 }, async (club) => {
    const [first, second] = club.hosts as [Host, Host];
    const { uri } = club.application;
    // From now on its feeds are cached.
    const select = await club.start(second, "0install", "select", uri).ended;
    assert.equal(select.code, 0, select.stderr);
    await using _downloading = club.start(first, "run", uri);
    await club.downloader();
    const { code, stderr } = await club.start(second, "run", "--offline", uri).ended;
    assert.notEqual(code, 0, stderr);
    assert.match(stderr, /Broadcasting query/);
    assert.doesNotMatch(stderr, /Waiting for/);
    assert.ok(club.asked.every(({ by }) => by === first));
  });

  test(
    "a lone machine asks the network, and then the origin, and leaves nothing behind",
    { machines: 1, bitsPerSecond: 1e9, padding: 0 },
    async (club) => {
      const [only] = club.hosts as [Host];
      const running = club.start(only, "run", club.application.uri);
      await assertRan(club, only, running);
      assert.match(running.stderr, /Nobody on the local network has/);
      assert.doesNotMatch(running.stderr, /Waiting for/);
      assert.deepEqual(await processesOf(only), []);
    },
  );

  test(
    "where the origin has no archive, each machine fails as 0install does",
    { machines: 4, bitsPerSecond: 1e9, padding: 0 },
    async (club) => {
      await Deno.remove(`${club.directory}/archives`, { recursive: true });
      const all = startAll(club);
      for (const running of all.values()) {
        const { code, stderr } = await running.ended;
        assert.equal(code, 1, stderr);
        assert.match(stderr, /404/);
      }
      for (const host of club.hosts) {
        assert.ok(club.asked.some(({ by }) => by === host));
        assert.deepEqual(await processesOf(host), []);
      }
    },
  );

  test("who waits can be interrupted", { ...SLOW, machines: 2 }, async (club) => {
    const [first, second] = club.hosts as [Host, Host];
    const { uri } = club.application;
    await using _downloading = club.start(first, "run", uri);
    await club.downloader();
    const waiting = club.start(second, "run", uri);
    await waiting.output(new RegExp(`Waiting for ${first.ipv4} to download`));
    const { signal } = await waiting.stop("SIGINT");
    assert.equal(signal, "SIGINT", waiting.report());
    assert.deepEqual(await processesOf(second), []);
    assert.ok(club.asked.every(({ by }) => by === first));
  });
}
