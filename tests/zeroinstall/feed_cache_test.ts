import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  cachedFeeds,
  feedDirectories,
  type FeedDirectory,
} from "../../lib/zeroinstall/feed_cache.ts";
import { MAX_XML_BYTES } from "../../lib/zeroinstall/xml.ts";
import { TemporaryDirectory } from "../e2e/lib/sandbox_env.ts";
import { needs } from "../skips.ts";

const PASSWD = `root:x:0:0:root:/home/admin:/bin/bash
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
me:x:1000:1000:Me,,,:/home/me:/bin/bash
her:x:1001:1001::/home/her/:/bin/bash
top:x:7:7::/:/bin/sh

# broken
nobody:x:-2:65534::/nonexistent:/bin/false
relative:x:5:5::home:/bin/sh
short:x:6
`;

function texts(directories: readonly FeedDirectory[]): string[] {
  return Array.from(cachedFeeds(directories), (bytes) => new TextDecoder().decode(bytes));
}

Deno.test("feeds are in this user's cache, then the machine's, then other people's", () => {
  const caches = ["/home/me/.cache/0install.net", "/var/cache/0install.net"];
  assert.deepEqual(feedDirectories(caches, PASSWD), [
    { path: "/home/me/.cache/0install.net/interfaces", owner: undefined },
    { path: "/var/cache/0install.net/interfaces", owner: undefined },
    { path: "/home/admin/.cache/0install.net/interfaces", owner: 0 },
    { path: "/usr/sbin/.cache/0install.net/interfaces", owner: 1 },
    { path: "/home/her/.cache/0install.net/interfaces", owner: 1001 },
    { path: "/.cache/0install.net/interfaces", owner: 7 },
  ]);
  assert.deepEqual(feedDirectories([], ""), []);
});

Deno.test("every feed is read whole, in the order of directories and names", async () => {
  await using temporary = new TemporaryDirectory();
  const directories = ["two", "one", "missing"].map((name) => ({
    path: join(temporary.path, name),
    owner: undefined,
  }));
  for (const { path } of directories.slice(0, 2)) {
    mkdirSync(join(path, "directory"), { recursive: true });
    Deno.writeTextFileSync(join(path, "http%3a##b"), `${path} b`.repeat(100_000));
    Deno.writeTextFileSync(join(path, "http%3a##a"), `${path} a`);
    Deno.writeTextFileSync(join(path, ".hidden"), "hidden");
    Deno.writeTextFileSync(join(path, "empty"), "");
    Deno.truncateSync(join(path, "empty"), 0);
    Deno.writeTextFileSync(join(path, "large"), "");
    Deno.truncateSync(join(path, "large"), MAX_XML_BYTES + 1);
  }
  const [two, one] = directories.map(({ path }) => path);
  assert.deepEqual(texts(directories), [
    `${two} a`,
    `${two} b`.repeat(100_000),
    `${one} a`,
    `${one} b`.repeat(100_000),
  ]);
});

Deno.test("nothing is read before it is asked for", async () => {
  await using temporary = new TemporaryDirectory();
  const directory = { path: temporary.path, owner: undefined };
  const feeds = cachedFeeds([directory]);
  Deno.writeTextFileSync(join(temporary.path, "a"), "late");
  assert.equal(new TextDecoder().decode(feeds.next().value as Uint8Array), "late");
  feeds.return(undefined);
});

Deno.test({
  name: "of another person's cache only ordinary files of that person are opened",
  ...needs("posix"),
  fn: async () => {
    await using temporary = new TemporaryDirectory();
    const path = join(temporary.path, "interfaces");
    mkdirSync(path);
    Deno.writeTextFileSync(join(path, "own"), "own");
    Deno.writeTextFileSync(join(temporary.path, "secret"), "secret");
    Deno.symlinkSync("../secret", join(path, "link"));
    Deno.symlinkSync("/dev/zero", join(path, "device"));
    // Opening it would wait for ever for somebody who writes.
    assert.ok(new Deno.Command("mkfifo", { args: [join(path, "fifo")] }).outputSync().success);
    const owner = Deno.uid()!;
    assert.deepEqual(texts([{ path, owner }]), ["own"]);
    assert.deepEqual(texts([{ path, owner: owner + 1 }]), []);
    // One's own may be links to elsewhere.
    assert.deepEqual(texts([{ path, owner: undefined }]), ["secret", "own"]);
  },
});

Deno.test({
  name: "a cache that may not be read, or is a link to nowhere, has no feeds",
  ...needs("posix"),
  fn: async () => {
    await using temporary = new TemporaryDirectory();
    Deno.symlinkSync("nowhere", join(temporary.path, "dangling"));
    Deno.writeTextFileSync(join(temporary.path, "file"), "file");
    const paths = ["dangling", "file"].map((name) => join(temporary.path, name));
    assert.deepEqual(texts(paths.map((path) => ({ path, owner: undefined }))), []);
  },
});
