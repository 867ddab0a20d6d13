/** The end-to-end tests are worth what their tools are worth: these test the tools. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { needs } from "../skips.ts";
import { Network } from "./lib/network.ts";
import { ALGORITHMS, audit, storeAdd, verify, zeroInstall } from "./lib/oracle.ts";
import { LARGE_FILE, linksAndExecutables, MANY_FILES, unpack } from "./lib/packages.ts";
import { type Program, run, start } from "./lib/program.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";
import { serve } from "./lib/server.ts";

/** A program that is Deno with a script, which stands in for 0share. */
function script(code: string): Program {
  return {
    name: "script",
    command: [Deno.execPath(), "eval", "--unstable-net", code],
  };
}

const ECHO = `
  const socket = Deno.listenDatagram({ transport: "udp", hostname: Deno.args[0], port: 4000 });
  console.error("ready");
  for await (const [data, from] of socket) await socket.send(data, from);`;

const ASK = `
  const socket = Deno.listenDatagram({ transport: "udp", hostname: Deno.args[0], port: 0 });
  const to = { transport: "udp", hostname: Deno.args[1], port: 4000 };
  setTimeout(() => Deno.exit(7), Number(Deno.args[2]));
  await socket.send(new TextEncoder().encode("hello"), to);
  const [data, from] = await socket.receive();
  console.log(new TextDecoder().decode(data), from.hostname);
  Deno.exit(0);`;

async function namespaces(): Promise<string[]> {
  const { stdout } = await new Deno.Command("ip", { args: ["netns", "list"] }).output();
  return new TextDecoder().decode(stdout).split("\n").map((line) => line.split(" ")[0]!);
}

Deno.test("a sandbox has its own home and keeps a proxy out", async () => {
  await using directory = new TemporaryDirectory();
  const proxied = Deno.env.get("HTTP_PROXY");
  Deno.env.set("HTTP_PROXY", proxied ?? "http://192.0.2.1:1");
  const { env, store } = directory.sandbox("one");
  const shown = await run(script(`console.log(JSON.stringify(Deno.env.toObject()))`), [], { env })
    .finally(() => proxied === undefined && Deno.env.delete("HTTP_PROXY"));
  assert.equal(shown.code, 0, shown.stderr);
  const seen = JSON.parse(shown.stdout);
  assert.equal(seen.HOME, env["HOME"]);
  assert.equal(seen.XDG_CACHE_DIRS, "");
  assert.ok(store.startsWith(directory.path));
  for (const name of Object.keys(seen)) {
    assert.doesNotMatch(name, /proxy|^DENO_AUTH|TOKEN/i);
  }
});

Deno.test("a temporary directory goes away even when it holds read-only directories", async () => {
  let path: string;
  {
    await using directory = new TemporaryDirectory();
    path = directory.path;
    Deno.mkdirSync(join(path, "a/b"), { recursive: true });
    Deno.writeTextFileSync(join(path, "a/b/file"), "");
    Deno.chmodSync(join(path, "a/b"), 0o555);
    Deno.chmodSync(join(path, "a"), 0o555);
  }
  assert.ok(!existsSync(path));
});

Deno.test("waiting for output fails with the output when the program ends without it", async () => {
  await using directory = new TemporaryDirectory();
  const { env } = directory.sandbox("one");
  await using running = start(script(`console.error("other words"); Deno.exit(3)`), [], { env });
  await assert.rejects(running.output(/never said/), /exit 3[\s\S]*other words/);
  assert.equal((await running.ended).code, 3);
});

Deno.test("a program that hangs is killed and reported", async () => {
  await using directory = new TemporaryDirectory();
  const { env } = directory.sandbox("one");
  const result = await run(script(`setInterval(() => {}, 1000)`), [], { env, limit: 1_000 });
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /still running after 1000 ms/);
});

Deno.test({
  name: "a server that does not end as it should on a signal fails the test",
  ...needs("posix"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const { env } = directory.sandbox("one");
    const bad = `console.error("INFO: listening for requests on port 4711");
      setInterval(() => {}, 1000); Deno.addSignalListener("SIGINT", () => Deno.exit(1));`;
    await using server = await serve(script(bad), { env });
    assert.equal(server.port, 4711);
    await assert.rejects(server.stop(), /did not stop cleanly/);
    await assert.rejects(serve(script(`console.error("no")`), { env }), /ended without/);
  },
});

Deno.test({
  name: "two hosts on a switch exchange datagrams and are gone afterwards",
  ...needs("namespaces"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const { env } = directory.sandbox("one");
    let made: string[];
    {
      await using network = await Network.create({ hosts: 2, ipv6: true });
      const [one, two] = [network.host(1), network.host(2)];
      made = network.hosts.map((host) => host.namespace);
      assert.equal(await one.exec("ip", "route", "show", "default"), "");
      for (const [mine, other] of [[one.ipv4, two.ipv4], [one.ipv6, two.ipv6]] as const) {
        await using echo = start(script(ECHO), [other], { env, prefix: two.prefix });
        await echo.output(/ready/);
        const ask = () => run(script(ASK), [mine, other, "500"], { env, prefix: one.prefix });
        assert.equal((await ask()).stdout, `hello ${other}\n`);
        await two.unplug();
        assert.equal((await ask()).code, 7, "an unplugged host still answers");
        await two.plug();
        assert.equal((await ask()).stdout, `hello ${other}\n`);
      }
      // Left running on purpose: the network ends it.
      const abandoned = two.command(["sleep", "600"]).spawn();
      await network[Symbol.asyncDispose]();
      assert.equal((await abandoned.status).signal, "SIGKILL");
    }
    const left = await namespaces();
    assert.deepEqual(made.filter((name) => left.includes(name)), []);
    assert.ok(!left.some((name) => name.startsWith(`zs-${Deno.pid}-`)), left.join(" "));
  },
});

Deno.test({
  name: "a silenced host hears nothing, and a dead interface has an address and no peer",
  ...needs("namespaces"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const { env } = directory.sandbox("one");
    await using network = await Network.create({
      hosts: 2,
      dead: "no-carrier",
      defaultRoute: true,
    });
    const [one, two] = [network.host(1), network.host(2)];
    assert.match(await one.exec("ip", "-o", "addr"), /dead0\s+inet 192\.168\.66\.1/);
    assert.match(await one.exec("ip", "-o", "link", "show", "dead0"), /NO-CARRIER/);
    assert.match(await one.exec("ip", "route"), /^default via/m);
    assert.doesNotMatch(await one.exec("ip", "-o", "addr"), /inet6 fe80/);
    await using echo = start(script(ECHO), [two.ipv4], { env, prefix: two.prefix });
    await echo.output(/ready/);
    const ask = () => run(script(ASK), [one.ipv4, two.ipv4, "500"], { env, prefix: one.prefix });
    assert.equal((await ask()).code, 0);
    await two.silence();
    assert.equal((await ask()).code, 7);
    assert.ok((await two.traffic()).received > 0);
  },
});

Deno.test({
  name: "a network is gone after a test that failed in the middle",
  ...needs("namespaces"),
  fn: async () => {
    await assert.rejects(async () => {
      await using network = await Network.create({ hosts: 1, dead: "silent" });
      assert.equal(network.hosts.length, 0, "on purpose");
    }, /on purpose/);
    assert.ok(!(await namespaces()).some((name) => name.startsWith(`zs-${Deno.pid}-`)));
  },
});

Deno.test({
  name: "the packages are what their descriptions say, and the real Zero Install stores them",
  ...needs("oracle", "packages", "posix"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const { env, store } = directory.sandbox("one");
    const large = await unpack(LARGE_FILE, join(directory.path, "large"));
    const many = await unpack(MANY_FILES, join(directory.path, "many"));
    const links = await linksAndExecutables(join(directory.path, "links"));
    assert.ok(Deno.statSync(join(large, "bin/esbuild")).size > 10_000_000);
    const listed = await zeroInstall(env, "digest", "--manifest", "--algorithm=sha256new", many);
    assert.ok(listed.stdout.match(/^F /gm)!.length > 2_000);
    const manifest = await zeroInstall(env, "digest", "-m", "--algorithm=sha256new", links);
    assert.equal(manifest.stdout.match(/^S /gm)?.length, 4);
    assert.ok(manifest.stdout.match(/^X /gm)!.length >= 2);
    const digests = [
      await storeAdd(env, "sha256new", large),
      await storeAdd(env, "sha256new", many),
    ];
    for (const algorithm of ALGORITHMS) digests.push(await storeAdd(env, algorithm, links));
    for (const digest of digests) await verify(env, join(store, digest));
    await audit(env, store);
    // Known digests: that the trees are the same on every machine and in every year.
    assert.deepEqual(digests.slice(0, 3), [
      "sha256new_L4AHNNNYYV7ZRWTJLV5CG4BQE7ZA4KBMR7RLNJU4SSEGESEPKKXQ",
      "sha256new_4HPV3TIHXH627E5N2CM23VRRCYS5VIENNPMG4LBPPSVREN7VATSQ",
      "sha256new_B2J6HEKZ7442G56L5TQ67UD2L6B2SMZHVMC7DFG6CQTZVCZG2TOQ",
    ]);
  },
});

Deno.test({
  name: "the oracle refuses a tree that was changed",
  ...needs("oracle", "posix"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const { env, store } = directory.sandbox("one");
    const tree = join(directory.path, "tree");
    Deno.mkdirSync(tree);
    Deno.writeTextFileSync(join(tree, "file"), "good");
    const path = join(store, await storeAdd(env, "sha256new", tree));
    await verify(env, path);
    Deno.chmodSync(join(path, "file"), 0o644);
    Deno.writeTextFileSync(join(path, "file"), "evil");
    await assert.rejects(verify(env, path), /does NOT verify/);
    await assert.rejects(audit(env, store));
  },
});
