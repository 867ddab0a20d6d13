import assert from "node:assert/strict";
import type { Digest } from "../../lib/manifest/digest.ts";
import { verifyTree } from "../../lib/manifest/verify.ts";
import { findImplementation } from "../../lib/store/lookup.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { needs } from "../skips.ts";
import { makeSample, namesIn, Scratch } from "./sample.ts";

const DIGEST = `sha1new=${"a".repeat(40)}` as Digest;

/** A process that runs child.ts. */
class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  constructor(...args: string[]) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-prompt",
        "--no-check",
        "--allow-all",
        new URL("child.ts", import.meta.url).href,
        ...args,
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#lines = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stdin = this.#process.stdin.getWriter();
  }

  /** What it says next, undefined at its end. */
  async line(): Promise<string | undefined> {
    return (await this.#lines.read()).value?.trim();
  }

  async go(): Promise<void> {
    await this.#stdin.write(new Uint8Array([10]));
  }

  /** Waits for its end and gives its exit code. */
  async end(): Promise<number> {
    return (await this.#process.status).code;
  }

  /** Kills it so that nothing of it can run any more. */
  async kill(): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#lines.cancel();
    await this.#stdin.close().catch(() => {});
  }
}

Deno.test("a lock goes with the process that is killed, and its work is found", async () => {
  using scratch = new Scratch();
  const store = `${scratch.path}/store`;
  await using child = new Child("hold", store, DIGEST);
  assert.equal(await child.line(), "locked");
  let killed: Promise<void> | undefined;
  await using staging = await openStaging(store, DIGEST, {
    onWait: () => killed = child.kill(),
  });
  assert.ok(killed, "it did not wait for the lock");
  await killed;
  assert.equal(new TextDecoder().decode(staging.readManifest()), "a manifest");
  staging.discard();
});

Deno.test("of several processes one builds and all succeed", async () => {
  using scratch = new Scratch();
  const store = `${scratch.path}/store`;
  const children = ["1", "2", "3"].map((n) => new Child("build", store, scratch.directory(n)));
  const said: (string | undefined)[] = [];
  try {
    for (const child of children) assert.equal(await child.line(), "ready");
    await Promise.all(children.map((child) => child.go()));
    said.push(...await Promise.all(children.map((child) => child.line())));
    for (const child of children) assert.equal(await child.end(), 0);
  } finally {
    for (const child of children) await child[Symbol.asyncDispose]();
  }
  assert.deepEqual(said.sort(), ["already stored", "already stored", "built"]);
  const [name, ...more] = namesIn(store);
  assert.deepEqual(more, []);
  await verifyTree(name as Digest, `${store}/${name}`);
});

Deno.test("a process killed at any moment leaves nothing wrong under a digest", async () => {
  using scratch = new Scratch();
  const store = `${scratch.path}/store`;
  const sources = scratch.directory("sources");
  const { digest } = await makeSample(sources, "sha256new", { files: 200 });
  Deno.removeSync(`${sources}/source-sha256new`, { recursive: true });
  for (const delay of [0, 2, 5, 10, 20, 40, 205, 210, 220, 230]) {
    const directory = scratch.directory(`sources/${delay}`);
    await using child = new Child("build", store, directory);
    assert.equal(await child.line(), "ready");
    await child.go();
    await new Promise((resolve) => setTimeout(resolve, delay));
    await child.kill();
    const found = findImplementation([store], [digest]);
    if (found !== undefined) {
      await verifyTree(digest, found.path);
      Deno.renameSync(found.path, `${scratch.path}/${delay}`);
    }
  }
  await using child = new Child("build", store, scratch.directory("sources/last"));
  assert.equal(await child.line(), "ready");
  await child.go();
  assert.equal(await child.line(), "built");
  await verifyTree(digest, `${store}/${digest}`);
  assert.deepEqual(namesIn(store), [digest]);
});

for (const umask of ["077", "000", "022"]) {
  Deno.test({
    name: `modes are those of 0install under umask ${umask}`,
    ...needs("posix"),
    async fn() {
      using scratch = new Scratch();
      const store = `${scratch.path}/cache/store`;
      await using child = new Child("build", store, scratch.directory("source"), umask);
      assert.equal(await child.line(), "ready");
      await child.go();
      assert.equal(await child.line(), "built");
      const [name] = namesIn(store);
      const modes = (path: string) => (Deno.lstatSync(path).mode ?? 0) & 0o7777;
      assert.equal(modes(store), 0o755);
      const expected = {
        "": 0o555,
        "/.manifest": 0o444,
        "/README": 0o444,
        "/bin": 0o555,
        "/bin/run": 0o555,
        "/bin/deep": 0o555,
        "/bin/file7": 0o444,
        "/empty directory": 0o555,
      };
      for (const [path, mode] of Object.entries(expected)) {
        assert.equal(modes(`${store}/${name}${path}`), mode, path);
      }
    },
  });
}
