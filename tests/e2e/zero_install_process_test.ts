/** The program that is run: its input, output, exit status, signals and limits are its own. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { needs } from "../skips.ts";
import { archivesAmong, OUTPUT } from "./lib/application.ts";
import { freePort, machine, namesIn } from "./lib/machine.ts";
import { fromSource, type Program, programs, run, start } from "./lib/program.ts";
import { Publication } from "./lib/publication.ts";
import { type Sandbox, TemporaryDirectory } from "./lib/sandbox_env.ts";

const ALL = ["application", "recipe", "offset"];

/** A 0install that chooses what nobody has, and has an exit of its own when it is told to end. */
const IMPATIENT = `#!/bin/sh
trap 'kill $!; exit 1' TERM
for word; do
  case $word in
  select)
    cat <<'END'
<selections xmlns="http://zero-install.sourceforge.net/2004/injector/interface"
  interface="http://localhost/app.xml"><selection id="sha1new=${"0".repeat(40)}"
  interface="http://localhost/app.xml" version="1"/></selections>
END
    exit ;;
  download) echo downloading >&2; sleep 60 & wait $!; exit ;;
  run | list) echo called; exit ;;
  esac
done
`;

function withImpatient(directory: TemporaryDirectory): { one: Sandbox; real: string } {
  const one = machine(directory, "one");
  const real = join(one.home, "0install");
  Deno.writeTextFileSync(real, IMPATIENT, { mode: 0o755 });
  return { one, real };
}

interface Way {
  readonly program: Program;
  /** Whether 0share becomes the program, or is its parent. */
  readonly becomes: boolean;
}

/** Without native code 0share cannot become another program. */
const asParent: Program = {
  ...fromSource(["--allow-all", "--deny-ffi"]),
  name: "from source, as parent",
};

const WAYS: readonly Way[] = [
  ...programs().map((program) => ({ program, becomes: true })),
  { program: asParent, becomes: false },
];

for (const { program, becomes } of WAYS) {
  const test = (name: string, body: (publication: Publication) => Promise<void>) => {
    Deno.test({
      name: `${program.name}: ${name}`,
      ...needs("oracle", "publishing", "posix"),
      fn: async () => {
        await using publication = await Publication.open(program);
        await using _peer = await publication.peer(...ALL);
        await body(publication);
      },
    });
  };

  test("the program's exit status is that of run", async (publication) => {
    for (const status of [0, 1, 3, 42, 255]) {
      const { code } = await publication.run(
        "run",
        publication.application.uri,
        "exit",
        `${status}`,
      );
      assert.equal(code, status);
    }
  });

  test("the program gets its arguments as they are", async (publication) => {
    const args = ["--help", "-H", "--", "a b", "", "*", "--version", "-c", "ü"];
    const { uri } = publication.application;
    const { stdout, code } = await publication.run("run", uri, "x", ...args);
    assert.equal(code, 0);
    assert.equal(stdout.split("\n")[0], `arguments: x ${args.join(" ")}`);
  });

  test("a replacement character that was typed is an argument like any other", async (publication) => {
    const { stdout, stderr } = await publication.run("run", publication.application.uri, "\ufffd");
    assert.equal(stdout.split("\n")[0], "arguments: \ufffd", stderr);
  });

  test("the program reads standard input", async (publication) => {
    const { env } = publication.one;
    const { uri } = publication.application;
    // The first time with a fetch in front, the second without.
    for (const input of ["first\n", "second\n".repeat(50_000)]) {
      const [command, ...args] = program.command;
      const child = new Deno.Command(command!, {
        args: [...args, "run", "--discovery-port", publication.discoveryPort, uri, "stdin"],
        env: { ...env },
        clearEnv: true,
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const writer = child.stdin.getWriter();
      const writing = writer.write(new TextEncoder().encode(input)).then(() => writer.close());
      const { stdout } = await child.output();
      await writing;
      assert.equal(new TextDecoder().decode(stdout), input);
    }
  });

  test("0install's dialogs are on the terminal, for a key that is not trusted yet", async (publication) => {
    const { application, origin, directory, discoveryPort } = publication;
    const stranger = machine(directory, "stranger", { TZ: "UTC" });
    await origin.knownTo(stranger);
    for (const [answer, status] of [["N\n", 1], ["Y\n", 0]] as const) {
      const [command, ...args] = program.command;
      const child = new Deno.Command(command!, {
        args: [...args, "run", "--console", "--discovery-port", discoveryPort, application.uri],
        env: { ...stranger.env },
        clearEnv: true,
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(answer));
      await writer.close();
      const { code, stdout, stderr } = await child.output();
      const said = new TextDecoder().decode(stderr);
      assert.equal(code, status, said);
      assert.match(said, /Do you want to trust this key to sign feeds/);
      assert.equal(new TextDecoder().decode(stdout), status === 0 ? OUTPUT : "");
    }
    assert.deepEqual(archivesAmong(origin.log), []);
  });

  test("a signal sent to 0share is the program's", async (publication) => {
    await using running = publication.start("run", publication.application.uri, "trap");
    await running.output(/ready/, "stdout");
    const { code, stdout } = await running.stop("SIGTERM");
    assert.deepEqual([code, stdout], [7, "ready\ntrapped\n"]);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`${signal} during the search ends it, and nothing is downloaded`, async (publication) => {
      const { origin, application, one } = publication;
      // Nobody has this digest, so that the search goes on.
      const other = `${one.home}/selections.xml`;
      Deno.writeTextFileSync(
        other,
        `<selections xmlns="http://zero-install.sourceforge.net/2004/injector/interface"
          interface="${application.uri}"><selection id="sha1new=${"0".repeat(40)}"
          interface="${application.uri}" version="1"/></selections>`,
      );
      await using running = publication.start("run", "--timeout", "60", other);
      await running.output(/Broadcasting/);
      const result = await running.stop(signal);
      assert.equal(result.signal, signal, running.report());
      assert.deepEqual(origin.log, []);
      assert.deepEqual(namesIn(one.store), []);
    });
  }

  Deno.test({
    name:
      `${program.name}: a 0install that ends in its own way when it is told to end is not called again`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const { one, real } = withImpatient(directory);
      const options = ["--real", real, "--timeout", "0.1", "--discovery-port", `${freePort()}`];
      for (const more of [["--no-wait"], []]) {
        const args = ["0install", ...options, ...more, "run", "http://localhost/app.xml"];
        await using running = start(program, args, one);
        await running.output(/downloading/);
        const { signal, stdout } = await running.stop("SIGTERM");
        assert.deepEqual([signal, stdout], ["SIGTERM", ""], running.report());
      }
    },
  });

  Deno.test({
    name: `${program.name}: 0install is called whatever the limit of open files is said to be`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const { one, real } = withImpatient(directory);
      for (const limit of ["1024", "1073741816", String(2n ** 63n - 1n), "unlimited"]) {
        const args = ["0install", "--real", real, "--open-files", limit, "--", "list"];
        const { code, stdout, stderr } = await run(program, args, one);
        assert.deepEqual([code, stdout], [0, "called\n"], stderr);
      }
    },
  });

  test("with --json standard output is still the program's", async (publication) => {
    const { stdout, stderr } = await publication.run("run", "--json", publication.application.uri);
    assert.equal(stdout, OUTPUT);
    const kinds = stderr.trimEnd().split("\n").map((line) => JSON.parse(line).event);
    assert.equal(kinds.filter((kind) => kind === "fetched").length, ALL.length, stderr);
  });

  test("whoever waits sees the signal that ended the program", async (publication) => {
    const { code, signal } = await publication.run("run", publication.application.uri, "die");
    assert.deepEqual([code, signal], [137, "SIGKILL"]);
  });

  test("0install's own failure is passed on", async (publication) => {
    const missing = publication.origin.uri("/missing.xml");
    const failed = await publication.run("run", "--console", missing);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /missing\.xml/);
    assert.doesNotMatch(failed.stderr, /0share/);
    const unknown = await publication.run("run", "--unheard-of", publication.application.uri);
    assert.equal(unknown.code, 1);
    assert.equal(unknown.stderr, "Unknown option '--unheard-of'\n");
  });

  if (!becomes) continue;

  // Who may not call native code may not read either what tells it.
  Deno.test({
    name: `${program.name}: an argument that is not UTF-8 is refused, as it would be changed`,
    ...needs("linux"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const { one, real } = withImpatient(directory);
      const prefix = ["sh", "-c", 'exec "$@" "$(printf "caf\\351")"', "sh"];
      const calls = [["run", "URI"], ["download"], ["0install", "--real", real, "--", "list"]];
      for (const args of calls) {
        const { code, stdout, stderr } = await run(program, args, { ...one, prefix });
        assert.equal(stdout, "");
        assert.notEqual(code, 0, stderr);
        // Deno 2.6 does not even start the program.
        if (/panicked|invalid UTF-8/.test(stderr)) continue;
        assert.equal(code, 2, stderr);
        assert.match(stderr, /error: .*"caf\ufffd": it is not UTF-8\n0share: hint: .*0install/);
      }
    },
  });

  test("0share becomes the program: there is no process between", async (publication) => {
    await using running = publication.start("run", publication.application.uri, "pid");
    const { pid } = running;
    assert.equal((await running.ended).stdout, `${pid}\n`);
  });
}
