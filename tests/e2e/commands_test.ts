/** What a person types: usage, help, list, exit codes, and what goes to which stream. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { addImplementation } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { FakePeer } from "./lib/fake_peer.ts";
import { digestsIn, freePort, machine, namesIn, serveOn, SMALL } from "./lib/machine.ts";
import { programs, run, start } from "./lib/program.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";

const COMMANDS = [
  ...["serve", "fetch", "run", "download", "0install", "wrap"],
  ...["list", "verify", "demo"],
];
const UNKNOWN = `sha256new_${"A".repeat(52)}`;

const MALFORMED: Readonly<Record<string, string>> = {
  "a path upward": "../../etc/no-such-file",
  "a digest behind a path": `../${UNKNOWN}`,
  "an encoded path": `%2e%2e%2f${UNKNOWN}`,
  "upper-case hex": `sha1new=${"A".repeat(40)}`,
  "lower-case base32": `sha256new_${"a".repeat(52)}`,
  "a short value": `sha256new_${"A".repeat(51)}`,
  "a long value": `sha256=${"0".repeat(65)}`,
  "unused bits": `sha256new_${"A".repeat(51)}B`,
  "the other separator": `sha256new=${"A".repeat(52)}`,
  "an unknown algorithm": `md5=${"0".repeat(32)}`,
  "a newline": `${UNKNOWN}\n`,
  "a space": ` ${UNKNOWN}`,
  "a null byte, encoded": `${UNKNOWN}%00`,
  "nothing": "",
  "an empty name in a list": `${UNKNOWN},`,
  "two trees in a list": `${UNKNOWN},sha256new_${"B".repeat(51)}A`,
};

/** The objects that `--json` printed, one a line. */
function events(stdout: string): Record<string, unknown>[] {
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

for (const program of programs()) {
  Deno.test(`${program.name}: the help names every command, and every command has its help`, async () => {
    await using directory = new TemporaryDirectory();
    const { env } = directory.sandbox("one");
    for (const args of [["--help"], ["-h"], ["help"]]) {
      const { code, stdout, stderr } = await run(program, args, { env });
      assert.deepEqual([code, stderr], [0, ""]);
      for (const name of COMMANDS) assert.match(stdout, new RegExp(`^  0share ${name}\\b`, "m"));
      assert.match(stdout, /0 done, 1 failed, 2 wrong usage, 3 nobody has it,\s+4 /);
    }
    for (const name of COMMANDS) {
      const { code, stdout, stderr } = await run(program, [name, "--help"], { env });
      assert.deepEqual([code, stderr], [0, ""]);
      assert.match(stdout, new RegExp(`^Usage: 0share ${name}\\b`));
      assert.match(stdout, /--json/);
      assert.equal((await run(program, ["help", name], { env })).stdout, stdout);
    }
  });

  Deno.test(`${program.name}: the commands and options of the README exist`, async () => {
    await using directory = new TemporaryDirectory();
    const { env } = directory.sandbox("one");
    const readme = Deno.readTextFileSync(new URL("../../README.md", import.meta.url));
    const helps = new Map<string, string>();
    const lines = readme.split("\n").flatMap((line) =>
      [...line.matchAll(/0share ([a-z0-9]+)\b([^|`]*)/g)].filter((match) =>
        COMMANDS.includes(match[1]!)
      )
    );
    assert.ok(lines.length > COMMANDS.length, "the README shows no commands");
    for (const [whole, name, rest] of lines) {
      if (!helps.has(name!)) {
        helps.set(name!, (await run(program, [name!, "--help"], { env })).stdout);
      }
      for (const option of rest!.match(/(?<![\w-])--?[a-zA-Z][\w-]*/g) ?? []) {
        assert.match(
          helps.get(name!)!,
          new RegExp(`(^|\\s)${option}\\b`),
          `${whole}: no ${option}`,
        );
      }
    }
    assert.deepEqual([...helps.keys()].sort(), [...COMMANDS].sort());
    // Every word behind "0share" at the beginning of a code span or line is a command of it.
    for (const [, word] of readme.matchAll(/(?:`|^ {4}(?:\w+ \$ )?)0share ([a-z0-9]+)/gm)) {
      assert.ok(COMMANDS.includes(word!), `the README has "0share ${word}"`);
    }
  });

  Deno.test(`${program.name}: wrong usage ends with 2, a message and a hint`, async () => {
    await using directory = new TemporaryDirectory();
    const { env } = directory.sandbox("one");
    for (
      const args of [
        ["no-such-command"],
        ["help", "no-such-command"],
        ["fetch"],
        ["fetch", "--no-such-option", UNKNOWN],
        ["fetch", UNKNOWN, "--timeout", "soon"],
        ["fetch", UNKNOWN, "-H", "http://host/"],
        ["fetch", UNKNOWN, "--discovery-port", "0"],
        ["serve", "extra"],
        ["serve", "-p", "65536"],
        ["serve", "--allow", "not-a-network", "-p", "0", "--discovery-port", String(freePort())],
        ["list", "one", "two"],
        ["verify", "not-a-digest"],
      ]
    ) {
      const { code, stdout, stderr } = await run(program, args, { env });
      assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
      assert.equal(stdout, "");
      assert.match(stderr, /^0share: error: /m);
      assert.doesNotMatch(stderr, /\bat .*\.ts:\d/);
    }
  });

  Deno.test(`${program.name}: a malformed digest ends with 2 and asks nobody`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    await using peer = new FakePeer(await addImplementation(one.store, SMALL));
    for (const [what, text] of Object.entries(MALFORMED)) {
      // Beside a good one: nothing of the call is begun.
      const { code, stdout, stderr } = await run(
        program,
        ["fetch", peer.implementation.digest, text, "-H", peer.host],
        { env: two.env },
      );
      assert.equal(code, 2, `${what}: ${stderr}`);
      assert.equal(stdout, "");
      assert.match(stderr, /^0share: error: Cannot use .* as a digest/, what);
    }
    assert.deepEqual(peer.asked, []);
    assert.deepEqual(namesIn(two.store), []);
  });

  Deno.test(`${program.name}: what is cached is said to be, with no traffic`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const { digest, path } = await addImplementation(one.store, SMALL);
    await using peer = new FakePeer(
      await addImplementation(machine(directory, "other").store, SMALL),
    );
    const again = await run(program, ["fetch", digest, "-H", peer.host], { env: one.env });
    assert.deepEqual([again.code, again.stdout], [0, `${path}\n`]);
    assert.match(again.stderr, new RegExp(`^Already cached: ${digest}$`, "m"));
    // In a list one known name is enough.
    const listed = await run(
      program,
      ["fetch", `sha1new=${"0".repeat(40)},${digest}`, "-H", peer.host],
      { env: one.env },
    );
    assert.deepEqual([listed.code, listed.stdout], [0, `${path}\n`]);
    assert.deepEqual(peer.asked, []);
  });

  Deno.test(`${program.name}: of several digests the known ones come although one is unknown`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const made = [
      await addImplementation(one.store, SMALL),
      await addImplementation(one.store, [file("other", "x")]),
    ].map(({ digest }) => digest);
    await using server = await serveOn(program, one);
    for (const order of [[UNKNOWN, ...made], [...made, UNKNOWN]]) {
      const two = directory.sandbox(`two ${order.indexOf(UNKNOWN)}`);
      const fetched = await run(program, ["fetch", ...order, "-H", `127.0.0.1:${server.port}`], {
        env: two.env,
      });
      assert.equal(fetched.code, 3, fetched.stderr);
      assert.deepEqual(
        fetched.stdout.trimEnd().split("\n").sort(),
        made.map((digest) => join(two.store, digest)).sort(),
      );
      assert.match(fetched.stderr, new RegExp(`^0share: error: Nobody has ${UNKNOWN}`, "m"));
      assert.deepEqual(digestsIn(two.store), [...made].sort());
    }
    assert.deepEqual(namesIn(two.store), []);
  });

  Deno.test(`${program.name}: --json prints events and nothing else on stdout`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest } = await addImplementation(one.store, SMALL);
    await using server = await serveOn(program, one);
    const args = ["fetch", "--json", digest, "-H", `127.0.0.1:${server.port}`];
    const path = join(two.store, digest);
    const fetched = await run(program, args, { env: two.env });
    assert.deepEqual([fetched.code, fetched.stderr], [0, ""]);
    const said = events(fetched.stdout);
    const kinds = said.map(({ event }) => event).filter((event) => event !== "progress");
    const order = ["asking", "planned", "connecting", "summary", "caching", "fetched"];
    assert.deepEqual(kinds, order);
    assert.deepEqual(said.at(-1), { event: "fetched", digest, path });
    const cached = await run(program, args, { env: two.env });
    assert.deepEqual(events(cached.stdout), [{ event: "cached", digest, path }]);
    const unknown = await run(program, [
      "fetch",
      "--json",
      UNKNOWN,
      "-H",
      `127.0.0.1:${server.port}`,
    ], {
      env: two.env,
    });
    assert.equal(unknown.code, 3);
    const error = events(unknown.stdout).at(-1)!;
    assert.deepEqual([error["event"], error["name"], error["exitCode"]], [
      "error",
      "NobodyHasIt",
      3,
    ]);
    const bad = await run(program, ["fetch", "--json", "bad"], { env: two.env });
    assert.deepEqual([bad.code, events(bad.stdout)[0]!["exitCode"]], [2, 2]);
  });

  Deno.test(`${program.name}: stdout has the paths alone, and with -q there is nothing else`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const { digest } = await addImplementation(one.store, SMALL);
    await using server = await serveOn(program, one);
    for (const quiet of [[], ["-q"], ["--quiet"]]) {
      const two = directory.sandbox(`two ${quiet.join()}`);
      const fetched = await run(
        program,
        ["fetch", ...quiet, digest, "-H", `127.0.0.1:${server.port}`],
        { env: two.env },
      );
      assert.equal(fetched.stdout, `${join(two.store, digest)}\n`);
      if (quiet.length > 0) assert.equal(fetched.stderr, "");
      // A pipe gets lines, and no bar.
      assert.ok(!fetched.stderr.includes("\r") && !fetched.stderr.includes("\x1b"));
    }
  });

  Deno.test(`${program.name}: list shows digest, size, files and store of everything, and what is wrong`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const empty = await run(program, ["list"], { env: one.env });
    assert.deepEqual([empty.code, empty.stdout, empty.stderr], [0, "", ""]);
    const good = await addImplementation(one.store, [file("a", "12345"), file("b", "67")]);
    const bare = await addImplementation(one.store, [file("a", "bare")]);
    Deno.removeSync(join(bare.path, ".manifest"));
    const forged = await addImplementation(one.store, [file("a", "forged")]);
    Deno.writeTextFileSync(join(forged.path, ".manifest"), "F 0 0 0 a\n");
    const strange = await addImplementation(one.store, [file("a", "strange")]);
    Deno.removeSync(join(strange.path, ".manifest"));
    // Like a pipe, which Windows has not.
    Deno.mkdirSync(join(strange.path, ".manifest"));
    Deno.mkdirSync(join(one.store, "not a digest"));
    const listed = await run(program, ["list"], { env: one.env });
    assert.equal(listed.code, 0);
    assert.deepEqual(
      listed.stdout.trimEnd().split("\n").sort(),
      [
        `${good.digest}  7 bytes  2 files  ${one.store}`,
        `${bare.digest}  no manifest  ${one.store}`,
        `${forged.digest}  damaged manifest  ${one.store}`,
        `${strange.digest}  damaged manifest  ${one.store}`,
      ].sort(),
    );
    const json = events((await run(program, ["list", "--json"], { env: one.env })).stdout);
    assert.equal(json.length, 4);
    assert.deepEqual(json.find(({ digest }) => digest === good.digest), {
      event: "implementation",
      digest: good.digest,
      bytes: 7,
      files: 2,
      store: one.store,
      path: good.path,
    });
  });

  Deno.test({
    name: `${program.name}: a log that cannot be written changes no exit status and ends no server`,
    ...needs("linux"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const { digest } = await addImplementation(one.store, SMALL);
      const full = ["/bin/sh", "-c", 'exec "$@" 2>/dev/full', "sh"];
      const port = freePort();
      const args = ["fetch", UNKNOWN, "-H", `127.0.0.1:${port}`];
      assert.equal((await run(program, args, { env: one.env, prefix: full })).code, 3);
      const options = ["-p", String(port), "--discovery-port", String(freePort())];
      for (const prefix of [full, ["/bin/sh", "-c", 'exec "$@" --json >/dev/full', "sh"]]) {
        await using server = start(program, ["serve", ...options], { env: one.env, prefix });
        const manifest = `http://127.0.0.1:${port}/implementation/${digest}/manifest`;
        for (let answers = 0; answers < 2;) {
          const response = await fetch(manifest).catch(() => undefined);
          if (response === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
          else answers += (await response.bytes()).length > 0 ? 1 : 0;
        }
        const { code, signal } = await server.stop("SIGINT");
        assert.deepEqual([code, signal], [0, null], server.report());
      }
      const prefix = ["/bin/sh", "-c", 'exec "$@" >/dev/full', "sh"];
      // A result that is lost is a failure.
      for (const list of [["list"], ["list", "--json"]]) {
        const { code, stderr } = await run(program, list, { env: one.env, prefix });
        assert.equal(code, 1);
        assert.match(stderr, /^0share: error: Cannot write to standard output: no space left/);
      }
    },
  });

  Deno.test({
    name: `${program.name}: output that nobody reads to its end is no failure`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      await addImplementation(one.store, SMALL);
      const piped = {
        name: program.name,
        command: ["sh", "-c", '"$@" | true; echo ${PIPESTATUS:-$?}', "sh", ...program.command],
      };
      const { code, stdout, stderr } = await run(piped, ["list"], { env: one.env });
      assert.deepEqual([code, stdout, stderr], [0, "0\n", ""]);
    },
  });
}
