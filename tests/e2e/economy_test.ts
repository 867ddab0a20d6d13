/** What crosses the network, and how fast it may: nothing that is here, nothing twice, no more than allowed. */

import assert from "node:assert/strict";

import { hasZstd } from "../../lib/wire/zstd.ts";
import { addImplementation, noise } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { file, type Node } from "../vectors/trees.ts";
import { summaryOf } from "./lib/events.ts";
import { FakePeer } from "./lib/fake_peer.ts";
import { machine, serveOn, snapshot } from "./lib/machine.ts";
import { verify } from "./lib/oracle.ts";
import { programs, run } from "./lib/program.ts";
import { forEachProgram } from "./lib/room.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";

/** A large file, many small ones, some of each changed from one version to the next. */
function version(number: number): Node[] {
  return [
    file("large", noise(1, 4_000_000)),
    file("large changed", noise(100 + number, 1_000_000)),
    ...Array.from({ length: 400 }, (_, index) => {
      const changed = index % 7 === 0;
      return file(`small-${index}`, noise(1000 + index + (changed ? 5000 * number : 0), 5_000));
    }),
  ];
}
const CHANGED = 1_000_000 + Math.ceil(400 / 7) * 5_000;
const SIZE = 7_000_000;

for (const program of programs()) {
  Deno.test({
    name:
      `${program.name}: of a new version no more crosses the network than 1.02 × the files that changed`,
    ...needs("oracle"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const two = machine(directory, "two");
      await addImplementation(two.store, version(1));
      const { digest } = await addImplementation(one.store, version(2));
      await using server = await serveOn(program, one);
      const args = ["fetch", digest, "--json", "-H", `127.0.0.1:${server.port}`];
      const fetched = await run(program, [...args, "--compress", "never"], two);
      const { peers, reused, total } = summaryOf(fetched);
      await verify(two.env, `${two.store}/${digest}`);
      assert.deepEqual([total, reused], [SIZE, SIZE - CHANGED]);
      const wire = peers.reduce((sum, { wire }) => sum + wire, 0);
      assert.ok(wire >= CHANGED && wire <= 1.02 * CHANGED, `${wire} bytes of ${CHANGED}`);
    },
  });

  Deno.test({
    name:
      `${program.name}: of a new version with scattered changes much less crosses it where peers compress`,
    ...needs("oracle"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const two = machine(directory, "two");
      const files = (version: number) =>
        Array.from({ length: 400 }, (_, index) => {
          const seed = 1000 + index + (index % 3 === 0 ? 5000 * version : 0);
          return file(`small-${index}`, noise(seed, 100).repeat(50));
        });
      await addImplementation(two.store, files(1));
      const { digest } = await addImplementation(one.store, files(2));
      await using server = await serveOn(program, one);
      const args = ["fetch", digest, "--json", "-H", `127.0.0.1:${server.port}`];
      const { peers, reused } = summaryOf(await run(program, [...args, "--compress=always"], two));
      await verify(two.env, `${two.store}/${digest}`);
      const changed = Math.ceil(400 / 3) * 5_000;
      assert.equal(reused, 2_000_000 - changed);
      const wire = peers.reduce((sum, { wire }) => sum + wire, 0);
      // Deno 2.6 has no zstd, and whatever was compiled with it.
      const most = program.name === "from source" && hasZstd() ? changed / 4 : 1.02 * changed;
      assert.ok(wire <= most, `${wire} bytes of ${changed}`);
    },
  });

  Deno.test({
    name: `${program.name}: a content that is in a tree several times crosses the network once`,
    ...needs("oracle"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const twice = [1, 2, 3].map((number) => file(`same-${number}`, noise(1, 1_000_000)));
      const small = Array.from({ length: 20 }, (_, index) => file(`x${index}`, noise(2, 3_000)));
      const wanted = await addImplementation(machine(directory, "one").store, [...twice, ...small]);
      const two = machine(directory, "two");
      await using peer = new FakePeer(wanted);
      const fetched = await run(program, ["fetch", wanted.digest, "-H", peer.host], two);
      assert.equal(fetched.code, 0, fetched.stderr);
      await verify(two.env, `${two.store}/${wanted.digest}`);
      assert.equal(peer.askedBytes, 1_003_000);
    },
  });

  for (const [option, side] of [["--download-limit", "fetch"], ["--upload-limit", "serve"]]) {
    Deno.test({
      name: `${program.name}: ${option} of ${side} holds`,
      ...needs("oracle"),
      fn: async () => {
        await using directory = new TemporaryDirectory();
        const one = machine(directory, "one");
        const two = machine(directory, "two");
        const { digest } = await addImplementation(one.store, version(1));
        const limit = [option!, "4M"];
        await using server = await serveOn(program, one, { args: side === "serve" ? limit : [] });
        const args = ["fetch", digest, "--json", "-H", `127.0.0.1:${server.port}`];
        const fetched = await run(program, [...args, ...side === "fetch" ? limit : []], two);
        const { seconds, total } = summaryOf(fetched);
        await verify(two.env, `${two.store}/${digest}`);
        assert.ok(total / seconds <= 1.5 * 4_000_000, `${total} bytes in ${seconds} s`);
      },
    });
  }
}

/** 12 MB that shrink to a part of that. */
const TEXT = Array.from(
  { length: 12 },
  (_, index) => file(`text-${index}`, noise(index, 20_000).repeat(50)),
);

forEachProgram(
  "whether peers compress always, never or where it is faster, the tree is the same",
  { hosts: 4, bitsPerSecond: 100_000_000 },
  async (room, one, ...others) => {
    const wanted = await addImplementation(room.machine(one!).store, TEXT);
    await using _server = await room.serve(one!);
    const trees: string[][] = [];
    const wires: number[] = [];
    for (const [index, mode] of ["never", "always", "auto"].entries()) {
      const host = others[index]!;
      const { store } = room.machine(host);
      const fetched = await room.find(host, wanted.digest, "--json", "--compress", mode);
      const { peers, total } = summaryOf(fetched);
      const path = `${store}/${wanted.digest}`;
      await room.assertFetched(host, { ...fetched, stdout: `${path}\n` }, wanted);
      trees.push(snapshot(path, { directoryTimes: false }));
      wires.push(peers.reduce((sum, { wire }) => sum + wire, 0));
      assert.equal(total, 12_000_000);
    }
    assert.deepEqual(trees[1], trees[0]);
    assert.deepEqual(trees[2], trees[0]);
    const [never, always, auto] = wires;
    assert.ok(never! >= 12_000_000, `${wires}`);
    // Deno 2.6 has no zstd, and whatever was compiled with it.
    if (room.program.name === "from source" && hasZstd()) {
      assert.ok(always! < never! / 2, `${wires}`);
      // At a rate that it did not know at first.
      assert.ok(auto! < never! * 0.8, `${wires}`);
    }
  },
  "oracle",
);

forEachProgram(
  "a manifest crosses the network compressed, unless peers are never to compress",
  { hosts: 3 },
  async (room, one, ...others) => {
    const files = Array.from({ length: 10_000 }, (_, index) => file(`file-${index}`, `${index}`));
    const wanted = await addImplementation(room.machine(one!).store, files);
    const { size } = Deno.statSync(`${room.machine(one!).store}/${wanted.digest}/.manifest`);
    await using _server = await room.serve(one!);
    const sent: number[] = [];
    for (const [index, mode] of ["never", "auto"].entries()) {
      const host = others[index]!;
      const before = (await one!.traffic()).sent;
      const fetched = await room.find(host, wanted.digest, "--compress", mode);
      sent.push((await one!.traffic()).sent - before);
      await room.assertFetched(host, fetched, wanted);
    }
    assert.ok(sent[0]! >= size, `${sent} of ${size}`);
    if (room.program.name === "from source" && hasZstd()) {
      assert.ok(sent[1]! < size / 2, `${sent} of ${size}`);
    }
  },
  "oracle",
);
