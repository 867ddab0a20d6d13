/** Peers that know only archives, as the programs of 2008 and of .NET, and mean harm with them. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { needs } from "../skips.ts";
import { mountTmpfs } from "../store/tmpfs.ts";
import { seal } from "../wire/tar_samples.ts";
import {
  type Archive,
  CASES,
  endlessFile,
  endlessFiles,
  NODES,
  text,
} from "./lib/hostile_archives.ts";
import { Scene } from "./lib/hostile_fetch.ts";
import {
  type Answering,
  content,
  HostilePeer,
  sized,
  tarGzOf,
  tarOf,
  tarOfTree,
} from "./lib/hostile_peer.ts";
import { namesIn } from "./lib/machine.ts";
import { programs } from "./lib/program.ts";

/** The two kinds of peers that know only archives. */
const KINDS = [
  [
    "of 2008",
    (scene: Scene, archive: Archive): Answering =>
      tarOf(
        scene.implementation.digest,
        archive instanceof Uint8Array ? sized(archive) : { body: archive },
      ),
  ],
  ["of .NET", (scene: Scene, archive: Archive) => tarGzOf(scene.implementation.digest, archive)],
] as const;

for (const program of programs()) {
  for (const [index, { name, archive, code, reason }] of CASES.entries()) {
    // Unpacking is the same for both.
    const [kind, answering] = KINDS[index % 2]!;
    Deno.test(`${program.name}: an archive that ${name} is refused, and another one is used`, async () => {
      await using alone = await Scene.open(program, NODES);
      await using both = await Scene.open(program, NODES);
      const good = tarOfTree(alone.implementation);
      await using evil = new HostilePeer(answering(alone, archive(good, alone.canary)));
      await using worse = new HostilePeer(answering(both, archive(good, both.canary)));
      await using right = new HostilePeer(tarOf(both.implementation.digest, sized(good)));
      const [refused, fetched] = await Promise.all([
        alone.fetch(evil.host),
        both.fetch(worse.host, right.host),
      ]);
      alone.assertRefused(refused, code, evil.host, reason);
      await both.assertFetched(fetched);
      assert.match(
        fetched.stderr,
        new RegExp(`^0share: warning: Peer ${worse.host} `, "m"),
        kind,
      );
    });
  }

  for (const [kind, answering] of KINDS) {
    Deno.test(`${program.name}: a right archive of a peer ${kind} is used, with whatever modes`, async () => {
      await using scene = await Scene.open(program, NODES);
      const good = tarOfTree(scene.implementation);
      // Of the right tree, but everybody may write everything, and programs run as their owner.
      const wide = good.slice();
      for (let at = 0; at + 512 <= wide.length; at += 512) {
        const header = new TextDecoder("latin1").decode(wide.subarray(at, at + 512));
        if (!header.slice(257).startsWith("ustar")) continue;
        const executable = header.slice(100, 108).includes("755");
        wide.set(text(executable ? "0006777\0" : "0000666\0"), at + 100);
        seal(wide, at);
      }
      await using peer = new HostilePeer(answering(scene, wide));
      await scene.assertFetched(await scene.fetch(peer.host));
      const { store } = scene.machine;
      const modes = namesIn(join(store, scene.implementation.digest)).map((name) => {
        const { mode, isSymlink } = Deno.lstatSync(join(store, scene.implementation.digest, name));
        return isSymlink || Deno.build.os === "windows" ? 0o444 : mode! & 0o7222;
      });
      assert.deepEqual(modes.filter((mode) => mode !== 0 && mode !== 0o444), []);
    });

    for (
      const [what, options, bomb] of [
        ["a file", "size=16m", endlessFile],
        ["files", "size=64m,nr_inodes=2000", endlessFiles],
      ] as const
    ) {
      Deno.test({
        name: `${program.name}: an archive of a peer ${kind} with ${what} without end does no harm`,
        ...needs("linux", "root"),
        fn: async () => {
          await using scene = await Scene.open(program, NODES);
          const { store } = scene.machine;
          using _disk = mountTmpfs(store, options);
          const good = tarOfTree(scene.implementation);
          await using evil = new HostilePeer(answering(scene, bomb()));
          const refused = await scene.fetch(evil.host);
          // Here the disk is full; where it is larger, a limit is.
          assert.equal(refused.code, 1, refused.stderr);
          assert.match(refused.stderr, new RegExp(`warning: Peer ${evil.host} failed: `));
          assert.match(refused.stderr, /^0share: error: .*no space left on the device$/m);
          scene.assertNothing();
          assert.deepEqual(namesIn(store), [], "what it sent takes room");
          await using again = new HostilePeer(answering(scene, bomb()));
          await using right = new HostilePeer(tarOf(scene.implementation.digest, sized(good)));
          await scene.assertFetched(await scene.fetch(again.host, right.host));
        },
      });
    }
  }

  Deno.test(`${program.name}: archives are asked for only where nobody knows better`, async () => {
    await using scene = await Scene.open(program, NODES);
    const { implementation } = scene;
    const good = tarOfTree(implementation);
    await using old = new HostilePeer(tarOf(implementation.digest, sized(good)));
    await using better = new HostilePeer(content(implementation));
    await scene.assertFetched(await scene.fetch(old.host, better.host));
    assert.deepEqual(old.asked.map(({ path }) => path), [
      `/implementation/${implementation.digest}/manifest`,
    ]);
  });
}
