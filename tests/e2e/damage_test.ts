/** Damaged and forged store entries: never served as good, and nothing outside a store leaves it. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";

import { digestOf } from "../../lib/manifest/digest_of.ts";
import { addImplementation, type Implementation, noise } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { directory as folder, file, type Node } from "../vectors/trees.ts";
import { digestsIn, freePort, machine, serveOn } from "./lib/machine.ts";
import { type Program, programs, run } from "./lib/program.ts";
import { rawRequest } from "./lib/raw_http.ts";
import { type Sandbox, TemporaryDirectory } from "./lib/sandbox_env.ts";

const SECRET = "this is the secret that must not leave";

/** As long as the secret, so that the size alone does not betray the exchange. */
const GOOD = noise(9, SECRET.length);

const NODES: readonly Node[] = [
  file("a", noise(7, 5000)),
  folder("d"),
  file("d/target", GOOD),
  file("z", noise(8, 300_000)),
];

interface Damage {
  /** `secret` is a directory outside the store, with a file "target" that holds the secret. */
  readonly inflict: (implementation: Implementation, secret: string) => void;
  /** Whether the damage is seen only when the content is read. */
  readonly inContent?: boolean;
}

const DAMAGES: Readonly<Record<string, Damage>> = {
  "a missing manifest": { inflict: ({ path }) => Deno.removeSync(join(path, ".manifest")) },
  "a manifest of something else": {
    inflict: ({ path }) => Deno.writeTextFileSync(join(path, ".manifest"), "D /d\n"),
  },
  "a manifest that is a symlink": {
    inflict({ path, manifestBytes }, secret) {
      Deno.writeFileSync(join(secret, "manifest"), manifestBytes);
      Deno.removeSync(join(path, ".manifest"));
      Deno.symlinkSync(join(secret, "manifest"), join(path, ".manifest"));
    },
  },
  "a changed file": {
    inflict: ({ path }) => Deno.writeTextFileSync(join(path, "d/target"), SECRET.toUpperCase()),
    inContent: true,
  },
  "a file that shrank": {
    inflict: ({ path }) => Deno.truncateSync(join(path, "z"), 100_000),
    inContent: true,
  },
  "a file that grew": {
    inflict: ({ path }) => Deno.writeTextFileSync(join(path, "a"), "more", { append: true }),
    inContent: true,
  },
  "a missing file": { inflict: ({ path }) => Deno.removeSync(join(path, "a")), inContent: true },
  "a symlink where a file should be": {
    inflict({ path }, secret) {
      Deno.removeSync(join(path, "d/target"));
      Deno.symlinkSync(join(secret, "target"), join(path, "d/target"));
    },
    inContent: true,
  },
  "a symlink where a directory should be": {
    inflict({ path }, secret) {
      Deno.removeSync(join(path, "d"), { recursive: true });
      Deno.symlinkSync(secret, join(path, "d"));
    },
    inContent: true,
  },
  "a pipe where a file should be": {
    inflict({ path }) {
      Deno.removeSync(join(path, "a"));
      const { success } = new Deno.Command("mkfifo", { args: [join(path, "a")] }).outputSync();
      assert.ok(success);
    },
    inContent: true,
  },
};

/** A file outside of every store, in a directory of its own. */
function makeSecret(directory: TemporaryDirectory): string {
  const secret = join(directory.path, "secret");
  Deno.mkdirSync(secret);
  Deno.writeTextFileSync(join(secret, "target"), SECRET);
  return secret;
}

/** Everything that a server says of a digest over HTTP, whether it comes to an end or not. */
async function everything(port: number, digest: string) {
  const base = `/implementation/${digest}`;
  const paths = [`${base}/content`, base, `/${digest}.tar`, `${base}/manifest`];
  const answers = [];
  for (const path of paths) answers.push({ path, ...await rawRequest(port, path) });
  // Only the part in which the secret would be, which is too small to be hashed in passing.
  const headers = ["Range: bytes=5001-5020"];
  answers.push({ path: "a range", ...await rawRequest(port, `${base}/content`, { headers }) });
  return answers;
}

async function fetchFrom(program: Program, port: number, digest: string, two: Sandbox) {
  return await run(program, ["fetch", digest, "-H", `127.0.0.1:${port}`], { env: two.env });
}

for (const program of programs()) {
  for (const [what, { inflict, inContent }] of Object.entries(DAMAGES)) {
    Deno.test({
      name: `${program.name}: ${what} is never served as good, and is logged once`,
      ...needs("posix"),
      fn: async () => {
        await using directory = new TemporaryDirectory();
        const secret = makeSecret(directory);
        const one = machine(directory, "one");
        const two = directory.sandbox("two");
        const implementation = await addImplementation(one.store, NODES);
        const { digest } = implementation;
        inflict(implementation, secret);
        await using server = await serveOn(program, one);

        const fetched = await fetchFrom(program, server.port, digest, two);
        assert.ok(fetched.code === 3 || fetched.code === 4, fetched.stderr);
        assert.match(fetched.stderr, /^0share: error: .*\b127\.0\.0\.1\b/ms);
        assert.equal(fetched.stdout, "");
        assert.deepEqual(digestsIn(two.store), []);

        for (const { path, status, text, complete } of await everything(server.port, digest)) {
          assert.ok(!text.includes(SECRET.slice(0, 12)), `${path} has the secret`);
          assert.ok(status === 404 || !complete, `${path}: a whole answer with status ${status}`);
        }
        const again = await fetchFrom(program, server.port, digest, two);
        assert.equal(again.code, 3, again.stderr);

        const { stderr } = await server.stop();
        const warnings = stderr.match(/^0share: warning: .*damaged and not served.*$/gm) ?? [];
        assert.equal(warnings.length, 1, stderr);
        assert.ok(warnings[0]!.includes(digest));
        if (inContent) assert.match(warnings[0]!, /Cannot use (a|d\/target|z) of/);
      },
    });
  }

  Deno.test({
    name:
      `${program.name}: who offered what turns out to be damaged is named, and what to do there`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const two = directory.sandbox("two");
      const { digest, path } = await addImplementation(one.store, [file("only", "right")]);
      Deno.chmodSync(join(path, "only"), 0o644);
      Deno.writeTextFileSync(join(path, "only"), "wrong");
      const discoveryPort = freePort();
      await using server = await serveOn(program, one, { discoveryPort });
      const port = ["--discovery-port", String(discoveryPort), "--timeout", "1"];
      const { code, stderr } = await run(program, ["fetch", digest, ...port], { env: two.env });
      assert.equal(code, 3, stderr);
      const reason =
        "it does not give what it offered; .0share verify. there tells if it is damaged";
      assert.match(stderr, new RegExp(`^Peer [\\d.]+:${server.port} failed: ${reason}$`, "m"));
      assert.doesNotMatch(stderr, /Nobody has/);
    },
  });

  Deno.test({
    name: `${program.name}: over UDP nothing is said of what has no good manifest`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const two = directory.sandbox("two");
      const { digest, path } = await addImplementation(one.store, NODES);
      Deno.removeSync(join(path, ".manifest"));
      const good = await addImplementation(one.store, [file("other", "x")]);
      const discoveryPort = freePort();
      await using server = await serveOn(program, one, { discoveryPort });
      const fetched = await run(
        program,
        ["fetch", digest, good.digest, "--discovery-port", String(discoveryPort), "--timeout", "1"],
        { env: two.env },
      );
      assert.equal(fetched.code, 3, fetched.stderr);
      assert.match(fetched.stderr, new RegExp(`Nobody has ${digest}`));
      assert.deepEqual(digestsIn(two.store), [good.digest]);
      const { stderr } = await server.stop();
      assert.ok(!stderr.includes(`Yes, we have ${digest}`));
      assert.equal(stderr.match(/damaged and not served/g)?.length, 1, stderr);
    },
  });

  Deno.test(`${program.name}: what was damaged is served again when it was put right`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const two = directory.sandbox("two");
    const { digest, path, manifestBytes } = await addImplementation(one.store, NODES);
    Deno.writeTextFileSync(join(path, ".manifest"), "damaged");
    await using server = await serveOn(program, one);
    assert.equal((await fetchFrom(program, server.port, digest, two)).code, 3);
    Deno.writeFileSync(join(path, ".manifest"), manifestBytes);
    // The first question makes it look again, in the background.
    await rawRequest(server.port, `/implementation/${digest}/manifest`);
    await server.running.output(/verifies again and is served/);
    const fetched = await fetchFrom(program, server.port, digest, two);
    assert.equal(fetched.code, 0, fetched.stderr);
    await server.stop();
  });

  Deno.test({
    name: `${program.name}: an implementation that is a symlink out of the store is not served`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      // All of it is right: it only is not in the store.
      const outside = machine(directory, "outside");
      const { digest, path } = await addImplementation(outside.store, [file("target", SECRET)]);
      Deno.symlinkSync(path, join(one.store, digest));
      await using server = await serveOn(program, one);
      for (const { path, status, text } of await everything(server.port, digest)) {
        assert.equal(status, 404, path);
        assert.ok(!text.includes(SECRET), path);
      }
      await server.stop();
    },
  });

  Deno.test({
    name: `${program.name}: a forged manifest does not lead out of the store`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const secret = makeSecret(directory);
      const one = machine(directory, "one");
      const hash = createHash("sha256").update(SECRET).digest("hex");
      const listed = `F ${hash} 1200000000 ${SECRET.length} target\n`;
      const forgeries: [manifest: string, build: (path: string) => void][] = [
        // True to the letter, but for what lies in between.
        [`D /d\n${listed}`, (path) => Deno.symlinkSync(secret, join(path, "d"))],
        [listed, (path) => Deno.symlinkSync(join(secret, "target"), join(path, "target"))],
        [`D /d\nD /d/e\n${listed}`, (path) => {
          Deno.mkdirSync(join(path, "d"));
          Deno.symlinkSync(secret, join(path, "d/e"));
        }],
        // Names that no manifest has.
        [`F ${hash} 1200000000 ${SECRET.length} ../../secret/target\n`, () => {}],
        [`D /../../secret\n${listed}`, () => {}],
        [`D /..\n${listed}`, () => {}],
      ];
      const digests = forgeries.map(([manifest, build]) => {
        const bytes = new TextEncoder().encode(manifest);
        const digest = digestOf("sha256new", bytes);
        const path = join(one.store, digest);
        Deno.mkdirSync(path);
        Deno.writeFileSync(join(path, ".manifest"), bytes);
        build(path);
        return digest;
      });
      await using server = await serveOn(program, one);
      for (const [index, digest] of digests.entries()) {
        for (const { path, status, text, complete } of await everything(server.port, digest)) {
          assert.ok(!text.includes(SECRET), `${forgeries[index]![0]}: ${path}`);
          // A manifest that can be read is given out: it was not the server that forged it.
          assert.ok(status === 404 || !complete || path.endsWith("/manifest"), path);
        }
      }
      await server.stop();
    },
  });
}
