/** What `0share verify` says of stores and of what is in them. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { addImplementation } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { eventsOf } from "./lib/events.ts";
import { machine, SMALL } from "./lib/machine.ts";
import { programs, run } from "./lib/program.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";

/** Root without the right to read everything; others have none that could be taken. */
const WITHOUT_RIGHTS = Deno.build.os === "linux" && Deno.uid() === 0
  ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
  : [];

const UNKNOWN = `sha256new_${"A".repeat(52)}`;

for (const program of programs()) {
  Deno.test(`${program.name}: verify checks all or one, and lists what differs with exit 4`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const good = await addImplementation(one.store, SMALL);
    const bad = await addImplementation(
      one.store,
      [file("good", "good"), file("x", "x")],
      "sha1new",
    );
    const verify = (...args: string[]) => run(program, ["verify", ...args], { env: one.env });
    const before = await verify();
    assert.equal(before.code, 0, before.stderr);
    assert.deepEqual(
      before.stdout.trimEnd().split("\n").sort(),
      [`${good.path}: OK`, `${bad.path}: OK`].sort(),
    );
    Deno.writeTextFileSync(join(bad.path, "good"), "evil");
    Deno.writeTextFileSync(join(bad.path, "extra"), "");
    for (const args of [[], [bad.digest], [good.digest, bad.digest]]) {
      const { code, stdout, stderr } = await verify(...args);
      assert.equal(code, 4, stderr);
      assert.match(stderr, new RegExp(bad.digest));
      assert.match(stderr, /^- F .* 4 good$/m);
      assert.match(stderr, /^\+ F .* 4 good$/m);
      assert.match(stderr, /^\+ F .* 0 extra$/m);
      assert.equal(stdout, args.length === 1 ? "" : `${good.path}: OK\n`);
    }
    const fine = await verify(good.digest);
    assert.deepEqual([fine.code, fine.stdout], [0, `${good.path}: OK\n`]);
    const missing = await verify(UNKNOWN);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /^0share: error: Cannot verify .*: it is in no store$/m);
    assert.match(missing.stderr, /^0share: hint: /m);
  });

  Deno.test({
    name: `${program.name}: verify goes on behind what cannot be read, and its exit is the worst`,
    ...needs("linux"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const trees = await Promise.all(
        ["a", "b", "c"].map((name) => addImplementation(one.store, [file(name, name)])),
      );
      const [bad, unreadable, good] = trees.toSorted((a, b) => a.digest < b.digest ? -1 : 1);
      Deno.writeTextFileSync(join(bad!.path, "extra"), "");
      for (const { name } of Deno.readDirSync(unreadable!.path)) {
        Deno.chmodSync(join(unreadable!.path, name), 0);
      }
      const digests = [bad!, unreadable!, good!].map(({ digest }) => digest);
      const verified = await run(program, ["verify", ...digests], {
        env: one.env,
        prefix: WITHOUT_RIGHTS,
      });
      assert.deepEqual([verified.code, verified.stdout], [4, `${good!.path}: OK\n`]);
      assert.match(verified.stderr, new RegExp(`Cannot verify "${unreadable!.path}": .*denied`));
    },
  });

  Deno.test({
    name: `${program.name}: of a store that cannot be read verify and list warn, and verify fails`,
    ...needs("linux"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const { digest } = await addImplementation(one.store, SMALL);
      const options = { env: one.env, prefix: WITHOUT_RIGHTS };
      const warning = `0share: warning: Cannot read the store "${one.store}": permission denied\n`;
      // One cannot be listed; of the other one the names can be read, and nothing else.
      for (const mode of [0o000, 0o444]) {
        Deno.chmodSync(one.store, mode);
        for (const [command, expected] of [["list", 0], ["verify", 1]] as const) {
          for (const json of [[], ["--json"]]) {
            const { code, stdout, stderr } = await run(program, [command, ...json], options);
            assert.deepEqual([code, stdout, stderr], [expected, "", warning]);
          }
        }
        const verified = await run(program, ["verify", digest], options);
        assert.equal(verified.code, 1);
        const error =
          `0share: error: Cannot verify ${digest}: it is in no store that can be read\n`;
        assert.ok(verified.stderr.startsWith(warning + error), verified.stderr);
      }
    },
  });

  Deno.test({
    name: `${program.name}: of what cannot be read list says so, and verify says why`,
    ...needs("linux"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const { digest, path } = await addImplementation(one.store, SMALL);
      Deno.chmodSync(path, 0);
      const options = { env: one.env, prefix: WITHOUT_RIGHTS };
      const listed = await run(program, ["list"], options);
      const line = `${digest}  unreadable  ${one.store}\n`;
      assert.deepEqual([listed.code, listed.stdout, listed.stderr], [0, line, ""]);
      const { code, stderr } = await run(program, ["verify", digest], options);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`^0share: error: Cannot verify "${path}": .*denied`));
    },
  });

  Deno.test({
    name: `${program.name}: what no manifest can describe does not verify`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const { digest, path } = await addImplementation(one.store, SMALL);
      const pipe = join(path, "bin/pipe");
      await new Deno.Command("mkfifo", { args: [pipe] }).output();
      const { code, stdout, stderr } = await run(program, ["verify"], { env: one.env });
      assert.deepEqual([code, stdout], [4, ""]);
      assert.ok(
        stderr.startsWith(`0share: error: "${path}" does not verify:\n${digest} (expected`),
      );
      assert.match(stderr, new RegExp(`^Cannot make a manifest of "${pipe}": it is neither `, "m"));
    },
  });

  Deno.test({
    name: `${program.name}: what changes while it is read may verify another time`,
    ...needs("namespaces"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const { path } = await addImplementation(one.store, SMALL);
      // It says that it is empty, and there is something to read.
      const mount = 'mount --bind /proc/version "$0" && exec "$@"';
      const prefix = ["unshare", "-m", "sh", "-c", mount, join(path, "nothing")];
      const { code, stderr } = await run(program, ["verify"], { env: one.env, prefix });
      assert.match(stderr, new RegExp(`^0share: error: Cannot verify "${path}": .* it changed`));
      assert.equal(code, 1);
    },
  });

  Deno.test(`${program.name}: verify --json says of what does not verify which and where it is`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const { digest, path } = await addImplementation(one.store, SMALL);
    Deno.writeTextFileSync(join(path, "extra"), "");
    const verified = await run(program, ["verify", "--json"], { env: one.env });
    assert.equal(verified.code, 4, verified.stderr);
    const [error, ...more] = eventsOf(verified);
    const { event, name, exitCode, message } = error!;
    assert.deepEqual([event, name, exitCode], ["error", "VerificationFailed", 4]);
    assert.deepEqual([error!["digest"], error!["path"], more], [digest, path, []]);
    assert.match(String(message), /^\+ F .* 0 extra$/m);
  });
}
