/** The wrapper named 0install: what goes through 0share, and what straight to the real one. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { needs } from "../skips.ts";
import { archivesAmong, OUTPUT } from "./lib/application.ts";
import { namesIn } from "./lib/machine.ts";
import { type Answer, zeroInstall } from "./lib/oracle.ts";
import { programs, run } from "./lib/program.ts";
import { Publication } from "./lib/publication.ts";
import { sandboxEnv, TemporaryDirectory } from "./lib/sandbox_env.ts";

const ALL = ["application", "recipe", "offset"];

/** A machine with a directory of its own in front of the PATH, with the wrapper in it. */
class Wrapped {
  readonly bin: string;
  readonly env: Record<string, string>;

  constructor(readonly publication: Publication) {
    this.bin = join(publication.one.home, "bin");
    this.env = { ...publication.one.env, PATH: `${this.bin}:${publication.one.env["PATH"]}` };
  }

  async sh(line: string, env: Record<string, string> = this.env): Promise<Answer> {
    const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
      args: ["-c", line],
      env,
      clearEnv: true,
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  async wrap(...args: string[]): Promise<Answer> {
    return await this.sh(this.wrapLine(...args));
  }

  wrapLine(...args: string[]): string {
    const { program, discoveryPort } = this.publication;
    const command = program.command.map((word) => `'${word}'`).join(" ");
    return `${command} wrap ${args.join(" ")} --discovery-port ${discoveryPort} --no-share`;
  }
}

for (const program of programs()) {
  const test = (name: string, body: (wrapped: Wrapped) => Promise<void>) => {
    Deno.test({
      name: `${program.name}: ${name}`,
      ...needs("oracle", "publishing", "posix"),
      fn: async () => {
        await using publication = await Publication.open(program);
        await body(new Wrapped(publication));
      },
    });
  };

  test("an application of 0install add is fetched from peers by its launcher", async (wrapped) => {
    const { publication, bin } = wrapped;
    const { origin, application } = publication;
    await using _peer = await publication.peer(...ALL);
    const { code, stdout, stderr } = await wrapped.wrap(bin);
    assert.equal(code, 0, stderr);
    assert.deepEqual(stdout.trim().split("\n"), [join(bin, "0install"), join(bin, "0launch")]);
    assert.equal(stderr, "");

    const added = await wrapped.sh(`0install add launcher ${application.uri}`);
    assert.deepEqual([added.code, added.stdout], [0, ""], added.stderr);
    assert.match(await Deno.readTextFile(join(bin, "launcher")), /^exec 0install run /m);
    origin.log.splice(0);
    for (let time = 0; time < 2; time++) {
      const launched = await wrapped.sh("launcher");
      assert.deepEqual([launched.code, launched.stdout, launched.stderr], [0, OUTPUT, ""]);
    }
    assert.deepEqual(origin.log, []);

    // Lost from the store, it comes from the peer again.
    await wrapped.sh(`chmod -R u+w "$XDG_CACHE_HOME" && rm -r ${publication.one.store}`);
    const relaunched = await wrapped.sh("launcher");
    assert.deepEqual([relaunched.code, relaunched.stdout], [0, OUTPUT], relaunched.stderr);
    assert.deepEqual(archivesAmong(origin.log), []);

    const updated = await wrapped.sh("0install update launcher");
    assert.equal(updated.code, 0, updated.stderr);
    assert.deepEqual(archivesAmong(origin.log), []);
  });

  test("run, download and 0launch go through 0share", async (wrapped) => {
    const { publication, bin } = wrapped;
    const { origin, application, one } = publication;
    await using _peer = await publication.peer(...ALL);
    await wrapped.wrap(bin);
    for (
      const line of [
        `0install run ${application.uri}`,
        `0install -c run ${application.uri}`,
        `0launch ${application.uri}`,
        `0launch -c -- ${application.uri}`,
        `0install download ${application.uri}`,
      ]
    ) {
      await wrapped.sh(`chmod -R u+w "$XDG_CACHE_HOME" && rm -rf ${one.store}`);
      const { code, stdout, stderr } = await wrapped.sh(line);
      assert.deepEqual([code, stdout], [0, line.includes("download") ? "" : OUTPUT], stderr);
      assert.deepEqual(archivesAmong(origin.log), [], line);
    }
  });

  test("the program gets an argument as it is, also one that is not UTF-8", async (wrapped) => {
    const { publication, bin } = wrapped;
    const { application, origin } = publication;
    await using _peer = await publication.peer(...ALL);
    await wrapped.wrap(bin);
    // In UTF-8 it comes from the peer first; in Latin-1 0install has it by then.
    for (const [format, hex] of [["\\303\\251", "c3 a9"], ["\\351", "e9"]] as const) {
      for (const call of ["0install run", "0launch"]) {
        const line = `${call} ${application.uri} "$(printf '${format}')"`;
        const { stdout, stderr } = await wrapped.sh(`${line} | head -n 1 | od -An -tx1`);
        assert.equal(stdout, ` 61 72 67 75 6d 65 6e 74 73 3a 20 ${hex} 0a\n`, stderr);
      }
    }
    assert.deepEqual(archivesAmong(origin.log), []);
  });

  test("everything else is the real one's, to the byte", async (wrapped) => {
    const { publication, bin } = wrapped;
    await wrapped.wrap(bin);
    for (
      const args of [
        ["--version"],
        ["--help"],
        ["run", "--help"],
        ["download", "-h"],
        ["update"],
        ["run"],
        ["add", "name"],
        ["add", "--help"],
        ["store", "list"],
        ["list"],
        ["select", "--unheard-of"],
        ["config"],
        ["no-such-command"],
        ["run", "--dry-run", "no-such-file.xml"],
        [],
      ]
    ) {
      const line = ["0install", ...args].join(" ");
      assert.deepEqual(
        await wrapped.sh(line),
        await zeroInstall(publication.one.env, ...args),
        line,
      );
    }
  });

  test("without 0share the wrapper runs the real one", async (wrapped) => {
    const { publication, bin } = wrapped;
    const { application, origin } = publication;
    await wrapped.wrap(bin);
    const wrapper = join(bin, "0install");
    const text = await Deno.readTextFile(wrapper);
    await Deno.writeTextFile(
      wrapper,
      text.replaceAll(`'${program.command[0]}'`, "'/nowhere/0share'"),
    );
    const { code, stdout, stderr } = await wrapped.sh(`0install run ${application.uri}`);
    assert.deepEqual([code, stdout], [0, OUTPUT], stderr);
    assert.deepEqual(archivesAmong(origin.log), application.archivesOf(...ALL));
  });

  test("wrappers never call each other", async (wrapped) => {
    const { publication, bin } = wrapped;
    await wrapped.wrap(bin);
    // A copy, a symlink, and itself again, all before the real one; then nothing but them.
    const more = join(publication.one.home, "more");
    const linked = join(publication.one.home, "linked");
    await wrapped.sh(
      `mkdir ${more} ${linked}; cp ${bin}/* ${more}; ln -s ${bin}/0install ${linked}/0install`,
    );
    const path = `${bin}:${more}:${linked}:${bin}`;
    const found = await wrapped.sh("0install --version", {
      ...wrapped.env,
      PATH: `${path}:${publication.one.env["PATH"]}`,
    });
    assert.equal(found.code, 0, found.stderr);
    const through = await wrapped.sh(`0install run ${publication.application.uri}`, {
      ...wrapped.env,
      PATH: `${path}:${publication.one.env["PATH"]}`,
    });
    assert.deepEqual([through.code, through.stdout], [0, OUTPUT], through.stderr);
    const alone = await wrapped.sh("0install --version", { ...wrapped.env, PATH: path });
    assert.equal(alone.code, 127);
    assert.match(alone.stderr, /0install: not found/);
    const named = await publication.call("0install", "--real", join(more, "0install"), "list");
    assert.equal(named.code, 1);
    assert.match(named.stderr, /is a wrapper of 0share/);
  });

  test("wrap removes what it made, and touches nothing else", async (wrapped) => {
    const { publication, bin } = wrapped;
    await wrapped.wrap(bin);
    await Deno.writeTextFile(join(bin, "mine"), "mine");
    assert.equal((await wrapped.wrap(bin)).code, 0, "a second time");
    const removed = await wrapped.wrap("--remove");
    assert.equal(removed.code, 0, removed.stderr);
    assert.deepEqual(namesIn(bin), ["mine"]);

    const other = join(publication.one.home, "other");
    await wrapped.sh(`mkdir ${other}; echo '#!/bin/sh' > ${other}/0install`);
    const refused = await wrapped.wrap(other);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /0share: error: .*something else already\n0share: hint: /);
    assert.equal((await wrapped.wrap("--remove", other)).code, 0);
    assert.deepEqual(namesIn(other), ["0install"]);
    assert.equal(await Deno.readTextFile(join(other, "0install")), "#!/bin/sh\n");
  });

  test("wrap says when the PATH does not lead to it", async (wrapped) => {
    const away = join(wrapped.publication.one.home, "away");
    Deno.mkdirSync(away);
    const { code, stderr } = await wrapped.wrap(away);
    assert.equal(code, 0);
    assert.match(stderr, /warning: .*is not before .* on the PATH/);
    const none = await wrapped.sh(`PATH=/usr/bin:/bin; ${wrapped.wrapLine()}`);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /hint: .*0share wrap DIR/);
  });

  test("wrap chooses no directory behind the real one, be that in the working directory", async (wrapped) => {
    const { bin } = wrapped;
    const here = join(wrapped.publication.one.home, "here");
    const path = "/usr/bin:/bin";
    await wrapped.sh(`mkdir ${here} && ln -s "$(PATH=${path}; command -v 0install)" ${here}`);
    const behind = await wrapped.sh(`cd ${here}; PATH=:${bin}:${path}; ${wrapped.wrapLine()}`);
    assert.equal(behind.code, 1, behind.stdout);
    assert.match(behind.stderr, /error: .* none of .* comes before "\.\/0install" on the PATH/);
    const before = await wrapped.sh(`cd ${here}; PATH=${bin}::${path}; ${wrapped.wrapLine()}`);
    assert.deepEqual([before.code, before.stderr], [0, ""]);
    assert.deepEqual(namesIn(bin), ["0install", "0launch"]);
  });

  test("wrap makes a directory of the PATH, and no other", async (wrapped) => {
    const { bin, publication } = wrapped;
    const { home } = publication.one;
    const before = namesIn(home);
    const refused = await wrapped.wrap(join(home, "mistyped", "bin"));
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /error: .*no such directory.* on the PATH\n0share: hint: .* DIR/);
    assert.deepEqual(namesIn(home), before);
    // Named in another way than on the PATH.
    const made = await wrapped.sh(
      `cd ${home}; PATH=${bin}/:/usr/bin:/bin; ${wrapped.wrapLine("bin")}`,
    );
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    assert.deepEqual(namesIn(bin), ["0install", "0launch"]);
  });

  test("wrap writes nothing where one of the names is somebody else's", async (wrapped) => {
    const { bin } = wrapped;
    Deno.mkdirSync(bin);
    Deno.writeTextFileSync(join(bin, "0launch"), "#!/bin/sh\n", { mode: 0o755 });
    const { code, stderr } = await wrapped.wrap(bin);
    assert.equal(code, 1);
    assert.match(stderr, /error: .*0launch/);
    assert.deepEqual(namesIn(bin), ["0launch"]);
  });

  test("the wrapper keeps the limit of open files", async (wrapped) => {
    const { publication, bin } = wrapped;
    await using _peer = await publication.peer(...ALL);
    await wrapped.wrap(bin);
    const line = `ulimit -Sn 321; 0install run ${publication.application.uri} limit`;
    const { stdout } = await wrapped.sh(line);
    assert.equal(stdout, "321\n");
  });

  Deno.test({
    name: `${program.name}: without 0install there is an error that says what to do`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const env = { ...sandboxEnv(directory.path).env, PATH: directory.path };
      for (const args of [["run", "URI"], ["download", "URI"], ["0install", "list"], ["wrap"]]) {
        const { code, stderr } = await run(program, args, { env });
        assert.equal(code, 1);
        assert.match(
          stderr,
          /0share: error: Cannot run "0install": .*\n0share: hint: install Zero/,
        );
      }
    },
  });
}
