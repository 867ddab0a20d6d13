/** Serving with least authority: the flags of the README are enough, and nothing more is had. */

import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { addImplementation } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { digestsIn, freePort, machine, SMALL } from "./lib/machine.ts";
import { compiledProgram, fromSource, type Program, programs, run, start } from "./lib/program.ts";
import { type Sandbox, TemporaryDirectory } from "./lib/sandbox_env.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PROMPT = /Deno requests|Allow\?/;
const LISTENING = /listening .*port (\d+)/;

/** Nobody's user and group on every Linux. */
const NOBODY = 65534;

/** What `serve` needs to be told here, and the flags that Deno needs. */
function leastArgs(store: string, discoveryPort: number): string[] {
  return ["serve", "--allow-read", store, "-p", "0", "--discovery-port", String(discoveryPort)];
}

/** The program from source with exactly the flags that the README gives. */
function leastProgram(store: string): Program {
  return { ...fromSource(["--allow-net", `--allow-read=${store}`]), name: "least" };
}

async function fetchByBroadcast(
  program: Program,
  digest: string,
  discoveryPort: number,
  { env }: Sandbox,
) {
  return await run(
    program,
    ["fetch", digest, "--discovery-port", String(discoveryPort), "--timeout", "10"],
    { env },
  );
}

Deno.test("from source, the flags of the README are enough to be found and to serve", async () => {
  const readme = Deno.readTextFileSync(join(ROOT, "README.md"));
  assert.match(
    readme,
    /^ {4}deno run --allow-net --allow-read=STORE main\.ts serve --allow-read STORE$/m,
  );
  await using directory = new TemporaryDirectory();
  const one = machine(directory, "one");
  const two = directory.sandbox("two");
  const { digest } = await addImplementation(one.store, SMALL);
  const discoveryPort = freePort();
  await using server = start(leastProgram(one.store), leastArgs(one.store, discoveryPort), {
    env: one.env,
  });
  await server.output(LISTENING);
  const fetched = await fetchByBroadcast(fromSource(), digest, discoveryPort, two);
  assert.equal(fetched.code, 0, fetched.stderr);
  assert.deepEqual(digestsIn(two.store), [digest]);
  const { code, stderr } = await server.stop(Deno.build.os === "windows" ? "SIGKILL" : "SIGINT");
  if (Deno.build.os !== "windows") assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /warning|error/);
});

Deno.test("from source, a store that may not be read is named, and none at all ends with 1", async () => {
  await using directory = new TemporaryDirectory();
  const one = machine(directory, "one");
  const other = machine(directory, "other");
  const refused = await run(leastProgram(one.store), leastArgs(other.store, freePort()), {
    env: one.env,
  });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, new RegExp(`Not permitted to read store "${other.store}"`));
  assert.match(refused.stderr, /^0share: hint: .*--allow-read=STORE/m);
});

Deno.test({
  name: "from source, a linked store needs the permission for its real place, and says so",
  ...needs("posix"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest } = await addImplementation(one.store, SMALL);
    const link = join(directory.path, "link");
    Deno.symlinkSync(one.store, link);
    const refused = await run(leastProgram(link), leastArgs(link, freePort()), { env: one.env });
    assert.equal(refused.code, 1);
    assert.ok(refused.stderr.includes(`it is really "${one.store}"`), refused.stderr);
    const discoveryPort = freePort();
    await using server = start(
      leastProgram(`${link},${one.store}`),
      leastArgs(link, discoveryPort),
      { env: one.env },
    );
    await server.output(LISTENING);
    const fetched = await fetchByBroadcast(fromSource(), digest, discoveryPort, two);
    assert.equal(fetched.code, 0, fetched.stderr);
  },
});

Deno.test({
  name: "from source, under the flags of the README, it never prompts on a terminal",
  // util-linux's `script` runs a command on a terminal of its own.
  ignore: needs("linux").ignore || !commandExists("script"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest } = await addImplementation(one.store, SMALL);
    const discoveryPort = freePort();
    const env = { ...one.env, TERM: "xterm" };
    const server = onTerminal(leastProgram(one.store), leastArgs(one.store, discoveryPort));
    await using serving = start(server, [], { env });
    await serving.output(LISTENING, "stdout");
    const fetched = await fetchByBroadcast(fromSource(), digest, discoveryPort, two);
    assert.equal(fetched.code, 0, fetched.stderr);
    await serving.output(/Sent .* of /, "stdout");
    for (const child of childrenOf(serving.pid)) Deno.kill(child, "SIGINT");
    const { code, stdout } = await serving.ended;
    assert.equal(code, 0, stdout);
    assert.doesNotMatch(stdout, PROMPT);

    // What does prompt is seen to do so.
    const asking = join(directory.path, "asking.ts");
    Deno.writeTextFileSync(asking, `Deno.env.get("HOME");`);
    const prompts = onTerminal({ name: "asking", command: [Deno.execPath(), "run", asking] }, []);
    await using prompting = start(prompts, [], { env });
    await prompting.output(PROMPT, "stdout");
  },
});

for (const program of programs()) {
  Deno.test(`${program.name}: the serving thread finds nothing that it must not do possible`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest } = await addImplementation(one.store, SMALL);
    const discoveryPort = freePort();
    await using server = start(
      program,
      ["serve", "--json", "-p", "0", "--discovery-port", String(discoveryPort)],
      { env: one.env, cwd: directory.path },
    );
    const [line] = await server.output(/^\{"event":"confined".*\}$/m, "stdout");
    assert.deepEqual(JSON.parse(line), { event: "confined", possible: [] });
    const fetched = await fetchByBroadcast(program, digest, discoveryPort, two);
    assert.equal(fetched.code, 0, fetched.stderr);
    const { stdout, stderr } = await server.stop();
    assert.equal(stderr, "");
    const kinds = stdout.trimEnd().split("\n").map((line) => JSON.parse(line).event);
    assert.deepEqual(kinds.slice(0, 2), ["started", "confined"]);
    for (const kind of ["query", "have", "reply", "get", "sent"]) assert.ok(kinds.includes(kind));
    // What the attempts would have left behind.
    assert.deepEqual(
      Array.from(Deno.readDirSync(directory.path), ({ name }) => name).sort(),
      ["one", "two"],
    );
  });
}

Deno.test({
  name: "an unprivileged user who can write nowhere serves from source with the least flags",
  ...needs("root", "linux"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest } = await addImplementation(one.store, SMALL);
    // Deno and this source may lie where others cannot look.
    const deno = join(directory.path, "deno");
    Deno.copyFileSync(Deno.execPath(), deno);
    Deno.chmodSync(deno, 0o755);
    for (const path of ["main.ts", "deno.json", "deno.lock", "lib"]) {
      copyTree(join(ROOT, path), join(directory.path, "source", path));
    }
    // The packages have to be in a cache that may be read; nothing can be written there.
    const cache = join(directory.path, "cache");
    copyTree(join(one.env["DENO_DIR"]!, "npm"), join(cache, "npm"));
    openUp(directory.path);
    const discoveryPort = freePort();
    await using server = start(
      {
        name: "as nobody",
        command: [
          ...asNobody(),
          deno,
          "run",
          "--no-prompt",
          "--allow-net",
          `--allow-read=${one.store}`,
          join(directory.path, "source/main.ts"),
        ],
      },
      leastArgs(one.store, discoveryPort),
      { env: { ...one.env, DENO_DIR: cache } },
    );
    await server.output(LISTENING);
    const fetched = await fetchByBroadcast(fromSource(), digest, discoveryPort, two);
    assert.equal(fetched.code, 0, fetched.stderr);
    const { code, stderr } = await server.stop();
    assert.equal(code, 0, stderr);
  },
});

Deno.test({
  name: "an unprivileged user who can write nowhere serves with the compiled program",
  ...needs("root", "linux", "compiled"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest } = await addImplementation(one.store, SMALL);
    const compiled = compiledProgram()!;
    const executable = join(directory.path, "0share");
    Deno.copyFileSync(compiled.command[0]!, executable);
    Deno.chmodSync(executable, 0o755);
    openUp(directory.path);
    const discoveryPort = freePort();
    await using server = start(
      { name: "as nobody", command: [...asNobody(), executable] },
      leastArgs(one.store, discoveryPort),
      { env: one.env },
    );
    await server.output(LISTENING);
    const fetched = await fetchByBroadcast(compiled, digest, discoveryPort, two);
    assert.equal(fetched.code, 0, fetched.stderr);
    const { code, stderr } = await server.stop();
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /warning|error/);
  },
});

function asNobody(): string[] {
  return ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
}

/** A command on a terminal of its own, whose screen is its stdout. */
function onTerminal(program: Program, args: readonly string[]): Program {
  const line = [...program.command, ...args].map((word) => `'${word}'`).join(" ");
  return { name: "on a terminal", command: ["script", "-qfec", `exec ${line}`, "/dev/null"] };
}

/** A temporary directory is its owner's alone; this one is to be looked into. */
function openUp(path: string): void {
  Deno.chmodSync(path, 0o755);
}

function copyTree(from: string, to: string): void {
  const { success } = new Deno.Command("sh", {
    args: ["-c", 'mkdir -p "$(dirname "$2")" && cp -R "$1" "$2"', "sh", from, to],
  }).outputSync();
  assert.ok(success, `cannot copy ${from}`);
}

function commandExists(name: string): boolean {
  try {
    return new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** Every process below one. */
function childrenOf(pid: number): number[] {
  const below: number[] = [];
  for (const thread of Deno.readDirSync(`/proc/${pid}/task`)) {
    const text = Deno.readTextFileSync(`/proc/${pid}/task/${thread.name}/children`);
    for (const child of text.split(" ").filter(Boolean).map(Number)) {
      below.push(...childrenOf(child), child);
    }
  }
  return below;
}

Deno.test({
  name: "the compiled program takes no code from the directory for temporary files",
  ...needs("posix", "compiled"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const { env } = directory.sandbox("one");
    const compiled = compiledProgram()!;
    // Where Deno would look for it. Whoever opens a pipe that nobody writes to waits.
    const planted = join(directory.path, `deno-compile-${basename(compiled.command[0]!)}.cache`);
    new Deno.Command("mkfifo", { args: [planted] }).outputSync();
    const { code, stderr } = await run(compiled, ["--version"], {
      env: { ...env, TMPDIR: directory.path },
      limit: 20_000,
    });
    assert.equal(code, 0, stderr);
  },
});
