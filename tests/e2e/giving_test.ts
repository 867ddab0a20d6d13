/** `serve` for some implementations, and for a while: what is left behind when others have waited. */

import assert from "node:assert/strict";

import { addImplementation, noise } from "../serve/implementations.ts";
import { file } from "../vectors/trees.ts";
import { digestsIn, freePort, machine, serveOn, SMALL } from "./lib/machine.ts";
import { programs, run } from "./lib/program.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";

for (const program of programs()) {
  Deno.test(`${program.name}: --only gives these implementations and no other`, async () => {
    await using directory = new TemporaryDirectory();
    const [from, to] = [machine(directory, "from"), machine(directory, "to")];
    const digests: string[] = [];
    for (const text of ["a", "b", "c"]) {
      const { digest } = await addImplementation(from.store, [...SMALL, file("which", text)]);
      digests.push(digest);
    }
    const [a, b, c] = digests as [string, string, string];
    const args = ["--only", a, "--only", c];
    await using server = await serveOn(program, from, { args });
    const fetch = (digest: string) =>
      run(program, ["fetch", digest, "-H", `127.0.0.1:${server.port}`], { env: to.env });
    assert.deepEqual((await Promise.all([a, b, c].map(fetch))).map(({ code }) => code), [0, 3, 0]);
    assert.deepEqual(digestsIn(to.store), [a, c].sort());
    await server.stop();
  });

  Deno.test(`${program.name}: --idle ends when nobody asks any more, and not before`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const { digest } = await addImplementation(one.store, SMALL);
    await using server = await serveOn(program, one, { args: ["--idle", "3"] });
    for (let time = 0; time < 25; time++) {
      const response = await fetch(server.url(`/implementation/${digest}/manifest`));
      assert.equal(response.status, 200);
      await response.body!.cancel();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const { code, signal } = await server.running.ended;
    assert.deepEqual([code, signal], [0, null], server.log);
  });

  Deno.test(`${program.name}: --idle does not end while something is being sent`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const { digest } = await addImplementation(one.store, [file("f", noise(1, 900_000))]);
    const args = ["--idle", "3", "--upload-limit", "100k"];
    await using server = await serveOn(program, one, { args });
    const response = await fetch(server.url(`/implementation/${digest}/content`));
    assert.equal((await response.bytes()).length, 900_000);
    const { code, signal } = await server.running.ended;
    assert.deepEqual([code, signal], [0, null], server.log);
  });

  Deno.test(`${program.name}: --only and --idle want a digest and a time`, async () => {
    await using directory = new TemporaryDirectory();
    const { env } = machine(directory, "one");
    const port = ["-p", "0", "--discovery-port", String(freePort())];
    for (const args of [["--only", "sha1new=1"], ["--only", ""], ["--idle", "soon"]]) {
      const { code, stderr } = await run(program, ["serve", ...port, ...args], { env });
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^0share: error: /m);
    }
  });
}
