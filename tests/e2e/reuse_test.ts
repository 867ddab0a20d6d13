/** What this machine has already is not asked of the network. */

import assert from "node:assert/strict";

import { addImplementation, noise } from "../serve/implementations.ts";
import { file, type Node } from "../vectors/trees.ts";
import { FakePeer } from "./lib/fake_peer.ts";
import { machine } from "./lib/machine.ts";
import { programs, run } from "./lib/program.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";

const UNCHANGED: readonly Node[] = [
  file("large", noise(7, 1_000_000)),
  ...Array.from({ length: 20 }, (_, index) => file(`small-${index}`, noise(100 + index, 5_000))),
];

const CHANGED_SIZE = 300_000;

for (const program of programs()) {
  Deno.test(`${program.name}: of a new version only the files that changed are asked for`, async () => {
    await using directory = new TemporaryDirectory();
    const two = machine(directory, "two");
    await addImplementation(two.store, [...UNCHANGED, file("changed", noise(8, CHANGED_SIZE))]);
    const next = await addImplementation(machine(directory, "one").store, [
      ...UNCHANGED,
      file("changed", noise(9, CHANGED_SIZE)),
    ]);
    await using peer = new FakePeer(next);

    const result = await run(program, ["fetch", next.digest, "-H", peer.host], { env: two.env });

    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stderr, /Took 1\.10 MB in 21 files from this machine/);
    assert.equal(peer.askedBytes, CHANGED_SIZE);
    const fetched = result.stdout.trim();
    for (
      const [name, content] of [["large", noise(7, 1_000_000)], ["small-3", noise(103, 5_000)]]
    ) {
      const path = `${fetched}/${name}`;
      assert.equal(Deno.readTextFileSync(path), content);
      if (Deno.build.os !== "windows") assert.equal(Deno.statSync(path).mode! & 0o7777, 0o444);
      // A second name of the old file would change with it.
      if (Deno.build.os !== "windows") assert.equal(Deno.statSync(path).nlink, 1);
    }
  });

  Deno.test(`${program.name}: a local file that is not what its manifest says is got from the peer`, async () => {
    await using directory = new TemporaryDirectory();
    const two = machine(directory, "two");
    const old = await addImplementation(two.store, [...UNCHANGED, file("old", "old\n")]);
    Deno.chmodSync(`${old.path}/large`, 0o644);
    Deno.writeTextFileSync(`${old.path}/large`, noise(10, 1_000_000));
    const next = await addImplementation(machine(directory, "one").store, UNCHANGED);
    await using peer = new FakePeer(next);

    const result = await run(program, ["fetch", next.digest, "-H", peer.host], { env: two.env });

    assert.equal(result.code, 0, result.stderr);
    assert.equal(peer.askedBytes, 1_000_000);
    assert.equal(Deno.readTextFileSync(`${result.stdout.trim()}/large`), noise(7, 1_000_000));
  });
}
