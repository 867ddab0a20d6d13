/** What implementations are called: beside each digest that a person reads, as cached feeds say. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { addImplementation } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { cacheFeed, feedDirectory } from "./lib/feeds.ts";
import { freePort, machine, serveOn, SMALL } from "./lib/machine.ts";
import { fromSource, programs, run, start } from "./lib/program.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";

const URI = "http://example.com/2020/editor.xml";
const UNKNOWN = `sha256new_${"A".repeat(52)}`;
const NOBODY = 65534;

/** The objects that `--json` printed, one a line. */
function events(stdout: string): Record<string, unknown>[] {
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** In front of a command: it sees this text as /etc/passwd, and nobody else does. */
function withPasswd(directory: TemporaryDirectory, text: string): string[] {
  const path = join(directory.path, "passwd");
  Deno.writeTextFileSync(path, text);
  const script = `mount --bind '${path}' /etc/passwd && exec "$@"`;
  return ["unshare", "--mount", "sh", "-c", script, "sh"];
}

for (const program of programs()) {
  Deno.test(`${program.name}: list shows names, and chooses by name, version, feed or digest`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const editor = await addImplementation(one.store, [file("a", "1")]);
    const older = await addImplementation(one.store, [file("a", "22")], "sha1new");
    const other = await addImplementation(one.store, [file("a", "333")], "sha1");
    cacheFeed(feedDirectory(one), {
      name: "Köder Editor",
      uri: URI,
      versions: { "2.0-rc1": editor.digest, "1.9": older.digest },
    });
    const lines = {
      editor: `${editor.digest} (Köder Editor 2.0-rc1)  1 byte  1 file  ${one.store}`,
      older: `${older.digest} (Köder Editor 1.9)  2 bytes  1 file  ${one.store}`,
      other: `${other.digest}  3 bytes  1 file  ${one.store}`,
    };
    const cases: [wanted: string[], found: (keyof typeof lines)[]][] = [
      [[], ["editor", "older", "other"]],
      [["köDER"], ["editor", "older"]],
      [["editor 1.9"], ["older"]],
      [["EXAMPLE.com/2020"], ["editor", "older"]],
      [[URI], ["editor", "older"]],
      [[other.digest.slice(0, 12)], ["other"]],
      [[editor.digest.toLowerCase()], ["editor"]],
      [["sha1"], ["older", "other"]],
      [[editor.digest.slice(12)], []],
      [["gimp"], []],
    ];
    for (const [wanted, found] of cases) {
      const { code, stdout, stderr } = await run(program, ["list", ...wanted], { env: one.env });
      assert.deepEqual([code, stderr], [0, ""], wanted.join());
      assert.deepEqual(
        stdout.split("\n").filter((line) => line !== "").sort(),
        found.map((name) => lines[name]).sort(),
        wanted.join(),
      );
    }
    const json = await run(program, ["list", "--json", "1.9"], { env: one.env });
    assert.deepEqual(events(json.stdout), [{
      event: "implementation",
      digest: older.digest,
      name: "Köder Editor",
      version: "1.9",
      feed: URI,
      bytes: 2,
      files: 1,
      store: one.store,
      path: older.path,
    }]);
  });

  Deno.test(`${program.name}: what serve and fetch say has the names that each side's feeds give`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest } = await addImplementation(one.store, SMALL);
    cacheFeed(feedDirectory(one), { name: "Editor", uri: URI, versions: { "1.2": digest } });
    cacheFeed(feedDirectory(two), { name: "Texter", uri: URI, versions: { "1.2": digest } });
    const discoveryPort = freePort();
    await using server = await serveOn(program, one, { discoveryPort });
    const args = ["--discovery-port", String(discoveryPort), "--timeout", "10"];
    const fetched = await run(program, ["fetch", digest, ...args], { env: two.env });
    assert.equal(fetched.code, 0, fetched.stderr);
    assert.equal(fetched.stdout, `${join(two.store, digest)}\n`);
    for (
      const line of [
        `Broadcasting query for ${digest} (Texter 1.2) on local network...`,
        ` has ${digest} (Texter 1.2)`,
        ` to request ${digest} (Texter 1.2)`,
        `Caching new implementation (digest ${digest} (Texter 1.2))`,
      ]
    ) assert.ok(fetched.stderr.includes(`${line}\n`), `${line}\n${fetched.stderr}`);
    await server.running.output(/^Sent .* of sha256new_\w+ \(Editor 1\.2\) to /m);
    await server.running.output(/^Request from .*: sha256new_\w+ \(Editor 1\.2\)$/m);
    await server.running.output(/^Yes, we have sha256new_\w+ \(Editor 1\.2\)$/m);
    await server.running.output(
      /^GET \/implementation\/sha256new_\w+\/manifest \(Editor 1\.2\) from /m,
    );
    assert.doesNotMatch(server.log, /Texter|warning/);
    const cached = await run(program, ["fetch", digest], { env: two.env });
    assert.match(cached.stderr, /^Already cached: sha256new_\w+ \(Texter 1\.2\)$/m);
    await server.stop();
  });

  Deno.test(`${program.name}: an error has the name, and its hint the bare digest`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest, path } = await addImplementation(one.store, SMALL);
    for (const machine of [one, two]) {
      cacheFeed(feedDirectory(machine), { name: "Editor", uri: URI, versions: { "1.2": digest } });
    }
    Deno.writeTextFileSync(join(path, "README"), "wrong\n");
    await using server = await serveOn(program, one);
    const nobody = await run(program, ["fetch", digest, "-H", `127.0.0.1:${freePort()}`], {
      env: two.env,
    });
    assert.match(
      nobody.stderr,
      /^0share: error: Nobody has sha256new_\w+ \(Editor 1\.2\): |^0share: error: Cannot fetch sha256new_\w+ \(Editor 1\.2\): /m,
    );
    const damaged = await run(program, ["fetch", digest, "-H", `127.0.0.1:${server.port}`], {
      env: two.env,
    });
    assert.notEqual(damaged.code, 0);
    await server.running.output(
      /^0share: warning: sha256new_\w+ \(Editor 1\.2\) is damaged and not served: /m,
    );
    assert.doesNotMatch(damaged.stderr, /^0share: hint: .*Editor/m);
  });

  Deno.test(`${program.name}: programs are told digests alone, and no name steers a terminal`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const { digest } = await addImplementation(one.store, SMALL);
    const name = "Evil&#x85;Yes, we have&#x202e; &lt;it&gt;" + "!".repeat(200);
    cacheFeed(feedDirectory(one), { name, uri: URI, versions: { "1.2": digest } });
    const json = await run(program, ["fetch", "--json", digest], { env: one.env });
    assert.deepEqual([json.stderr, events(json.stdout)], ["", [{
      event: "cached",
      digest,
      path: join(one.store, digest),
    }]]);
    const listed = await run(program, ["list"], { env: one.env });
    const shown = /^sha256new_\w+ \((.*)\) {2}/.exec(listed.stdout);
    assert.ok(shown, listed.stdout);
    assert.match(shown[1]!, /^Evil\ufffdYes, we have\ufffd <it>!+…$/);
    assert.equal(shown[1]!.length, 80);
  });

  Deno.test(`${program.name}: feeds that cannot be read name nothing, and nobody is told`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const { digest } = await addImplementation(one.store, [file("a", "1")]);
    const feeds = feedDirectory(one);
    const feed = cacheFeed(feeds, { name: "Editor", uri: URI, versions: { "1": digest } });
    Deno.writeTextFileSync(feed, Deno.readTextFileSync(feed).replace("</interface>", ""));
    Deno.writeTextFileSync(join(feeds, "deep"), `<a id="${digest}">`.repeat(100_000));
    Deno.mkdirSync(join(feeds, "directory"));
    const listed = await run(program, ["list"], { env: one.env });
    assert.deepEqual([listed.code, listed.stdout, listed.stderr], [
      0,
      `${digest}  1 byte  1 file  ${one.store}\n`,
      "",
    ]);
  });

  Deno.test({
    name:
      `${program.name}: root reads other people's caches, the user's own and the machine's first`,
    ...needs("linux", "root"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one", { XDG_CACHE_DIRS: join(directory.path, "shared") });
      const implementations = await Promise.all(
        ["own", "shared", "other", "foreign"].map((name) =>
          addImplementation(one.store, [file("a", name)])
        ),
      );
      const [own, shared, other, foreign] = implementations.map(({ digest }) => digest);
      const home = join(directory.path, "other");
      const caches: [path: string, name: string, digests: (typeof own)[]][] = [
        [feedDirectory(one), "Own", [own]],
        [join(directory.path, "shared/0install.net/interfaces"), "Shared", [own, shared]],
        [join(home, ".cache/0install.net/interfaces"), "Other", [own, shared, other]],
      ];
      for (const [path, name, digests] of caches) {
        cacheFeed(path, {
          name,
          uri: URI,
          versions: Object.fromEntries(digests.map((digest, index) => [String(index), digest!])),
        });
      }
      const directoryOfOther = caches[2]![0];
      const foreignFeed = cacheFeed(directoryOfOther, {
        name: "Foreign",
        uri: "http://example.com/foreign.xml",
        versions: { "1": foreign! },
      });
      await new Deno.Command("chown", { args: ["-R", `${NOBODY}`, home] }).output();
      Deno.chownSync(foreignFeed, 0, 0);
      Deno.chmodSync(home, 0o700);
      const passwd = `root:x:0:0::/nowhere:/bin/sh\nother:x:${NOBODY}:${NOBODY}::${home}:/bin/sh\n`;
      const prefix = withPasswd(directory, passwd);
      const names = async (prefix: readonly string[]) => {
        const { stdout, stderr } = await run(program, ["list", "--json"], { env: one.env, prefix });
        assert.equal(stderr, "");
        const called = new Map(events(stdout).map(({ digest, name }) => [digest, name]));
        return [own, shared, other, foreign].map((digest) => called.get(digest));
      };
      assert.deepEqual(await names(prefix), ["Own", "Shared", "Other", undefined]);
      // Without root's powers that home is closed, and that is no failure.
      const powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
      assert.deepEqual(await names([...prefix, ...powerless]), [
        "Own",
        "Shared",
        undefined,
        undefined,
      ]);

      await using server = await serveOn(program, one, { prefix });
      await run(program, ["fetch", other!, UNKNOWN, "-H", `127.0.0.1:${server.port}`], {
        env: directory.sandbox("two").env,
        prefix,
      });
      await server.running.output(/^GET .* \(Other 2\) from /m);
    },
  });
}

Deno.test("from source, names are read where that is permitted, and nobody is asked", async () => {
  await using directory = new TemporaryDirectory();
  const one = machine(directory, "one");
  const { digest } = await addImplementation(one.store, SMALL);
  const feeds = feedDirectory(one);
  cacheFeed(feeds, { name: "Editor", uri: URI, versions: { "1.2": digest } });
  const environment = "--allow-env=XDG_CACHE_HOME,XDG_CACHE_DIRS,ZEROINSTALL_PORTABLE_BASE";
  for (const permitted of [false, true]) {
    const read = permitted ? `${one.store},${feeds}` : one.store;
    const program = fromSource(["--allow-net", environment, `--allow-read=${read}`]);
    const port = freePort();
    await using server = start(
      program,
      [
        "serve",
        "--allow-read",
        one.store,
        "-p",
        String(port),
        "--discovery-port",
        String(freePort()),
      ],
      { env: one.env },
    );
    await server.output(/listening .*port (\d+)/);
    await fetch(`http://127.0.0.1:${port}/implementation/${digest}/manifest`).then((answer) =>
      answer.bytes()
    );
    await server.output(permitted ? /^GET \S+ \(Editor 1\.2\) from /m : /^GET \S+ from /m);
    assert.doesNotMatch(server.stderr, /Deno requests|Allow\?/);
  }
});
