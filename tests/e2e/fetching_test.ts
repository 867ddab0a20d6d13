/** Where a fetch looks, whom it asks, and where it puts what it gets. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { addImplementation, type Implementation } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { mountTmpfs } from "../store/tmpfs.ts";
import { file } from "../vectors/trees.ts";
import { FakePeer } from "./lib/fake_peer.ts";
import {
  digestsIn,
  freePort,
  LARGER,
  LINKED,
  machine,
  namesIn,
  serveOn,
  SMALL,
} from "./lib/machine.ts";
import { type Program, programs, run, start } from "./lib/program.ts";
import { type Sandbox, TemporaryDirectory } from "./lib/sandbox_env.ts";
import { staged } from "./lib/staged.ts";

const NODES = Deno.build.os === "windows" ? SMALL : LINKED;
const UNKNOWN = `sha256new_${"A".repeat(52)}`;

/** A peer with one implementation, and a machine that lacks it. */
async function withPeer(
  body: (
    peer: FakePeer,
    two: Sandbox,
    directory: TemporaryDirectory,
    implementation: Implementation,
  ) => Promise<void>,
  nodes = NODES,
): Promise<void> {
  await using directory = new TemporaryDirectory();
  const implementation = await addImplementation(machine(directory, "one").store, nodes);
  await using peer = new FakePeer(implementation);
  await body(peer, directory.sandbox("two"), directory, implementation);
}

/** Mounts `from` at `to` a second time, read-only. */
function mountReadOnly(from: string, to: string): Disposable {
  const sh = (line: string) => {
    const { success, stderr } = new Deno.Command("sh", { args: ["-ec", line, "sh", from, to] })
      .outputSync();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  sh('mount --bind "$1" "$2"; mount -o remount,ro,bind "$2"');
  return { [Symbol.dispose]: () => sh('umount --lazy "$2"') };
}

async function fetchFrom(
  program: Program,
  peer: FakePeer,
  env: Readonly<Record<string, string>>,
  ...args: string[]
) {
  return await run(program, ["fetch", peer.implementation.digest, "-H", peer.host, ...args], {
    env,
  });
}

for (const program of programs()) {
  Deno.test(`${program.name}: only the manifest and the content are asked for, each once`, async () => {
    await withPeer(async (peer, two) => {
      const fetched = await fetchFrom(program, peer, two.env);
      assert.equal(fetched.code, 0, fetched.stderr);
      const base = `/implementation/${peer.implementation.digest}`;
      assert.deepEqual(peer.asked, [
        { path: `${base}/manifest`, range: undefined },
        { path: `${base}/content`, range: { start: 0, end: peer.size } },
      ]);
      assert.deepEqual(namesIn(two.store), [peer.implementation.digest]);
    });
  });

  Deno.test(`${program.name}: a proxy in the environment is not used for a peer`, async () => {
    await withPeer(async (peer, two) => {
      const proxied: string[] = [];
      const proxy = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen: () => {} },
        (request) => {
          proxied.push(request.url);
          return new Response("from the proxy", { status: 502 });
        },
      );
      const url = `http://127.0.0.1:${proxy.addr.port}`;
      const env = { ...two.env };
      for (const name of ["http_proxy", "https_proxy", "all_proxy"]) {
        env[name] = url;
        env[name.toUpperCase()] = url;
      }
      const fetched = await fetchFrom(program, peer, env);
      await proxy.shutdown();
      assert.equal(fetched.code, 0, fetched.stderr);
      assert.deepEqual(proxied, []);
    });
  });

  Deno.test(`${program.name}: a peer is named by address, host name, or IPv6 address in brackets`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const { digest } = await addImplementation(one.store, NODES);
    await using server = await serveOn(program, one);
    const hosts = [`127.0.0.1:${server.port}`, `localhost:${server.port}`];
    if (Deno.networkInterfaces().some(({ address }) => address === "::1")) {
      hosts.push(`[::1]:${server.port}`);
    }
    for (const [index, host] of hosts.entries()) {
      const two = directory.sandbox(`two ${index}`);
      const fetched = await run(program, ["fetch", digest, "-H", host], { env: two.env });
      assert.equal(fetched.code, 0, `${host}: ${fetched.stderr}`);
    }
    await server.stop();
  });

  Deno.test(`${program.name}: of several named peers those that fail are passed over`, async () => {
    await withPeer(async (peer, two, directory) => {
      const other = await addImplementation(machine(directory, "three").store, [file("x", "y")]);
      await using ignorant = new FakePeer(other);
      const { digest } = peer.implementation;
      const fetched = await run(
        program,
        ["fetch", digest, "-H", `127.0.0.1:${closedPort()}`, "-H", ignorant.host, "-H", peer.host],
        { env: two.env },
      );
      assert.equal(fetched.code, 0, fetched.stderr);
      assert.deepEqual(digestsIn(two.store), [digest]);
    });
  });

  Deno.test(`${program.name}: where nobody is, it ends with 3 and a hint, and leaves nothing`, async () => {
    await using directory = new TemporaryDirectory();
    const { env, store } = directory.sandbox("one");
    const asked = await run(
      program,
      ["fetch", UNKNOWN, "--discovery-port", String(freePort())],
      { env },
    );
    assert.equal(asked.code, 3, asked.stderr);
    assert.match(asked.stderr, new RegExp(`^0share: error: Nobody has ${UNKNOWN}: no answer`, "m"));
    assert.match(asked.stderr, /^0share: hint: .*firewall.*-H HOST/m);
    const named = await run(program, ["fetch", UNKNOWN, "-H", `127.0.0.1:${closedPort()}`], {
      env,
    });
    assert.equal(named.code, 3, named.stderr);
    assert.match(named.stderr, /^0share: error: .*no peer that was named .*127\.0\.0\.1/ms);
    assert.match(named.stderr, /^0share: hint: check that "0share serve" runs there/m);
    assert.deepEqual(namesIn(store), []);
  });

  Deno.test(`${program.name}: --store puts it there, also if Zero Install's store has it`, async () => {
    await withPeer(async (peer, two, directory, { digest }) => {
      const elsewhere = join(directory.path, "else where", "store");
      const fetched = await fetchFrom(program, peer, two.env, "--store", elsewhere);
      assert.deepEqual([fetched.code, fetched.stdout], [0, `${join(elsewhere, digest)}\n`]);
      assert.deepEqual(namesIn(elsewhere), [digest]);
      assert.deepEqual(digestsIn(two.store), []);
      assert.equal((await fetchFrom(program, peer, two.env)).code, 0);
      assert.deepEqual(digestsIn(two.store), [digest]);
      const third = join(directory.path, "third");
      assert.equal((await fetchFrom(program, peer, two.env, "--store", third)).code, 0);
      assert.deepEqual(namesIn(third), [digest]);
    });
  });

  Deno.test({
    name: `${program.name}: --store works on another file system`,
    ...needs("root", "linux"),
    fn: async () => {
      await withPeer(async (peer, two, directory, { digest }) => {
        const at = join(directory.path, "mount");
        Deno.mkdirSync(at);
        using mount = mountTmpfs(at, "size=16m,mode=755");
        const fetched = await fetchFrom(program, peer, two.env, "--store", `${mount.path}/store`);
        assert.equal(fetched.code, 0, fetched.stderr);
        assert.deepEqual(namesIn(`${mount.path}/store`), [digest]);
      });
    },
  });

  Deno.test({
    name: `${program.name}: a full disk ends with 1 and a hint, and the next fetch goes on`,
    ...needs("root", "linux"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const implementation = await addImplementation(machine(directory, "one").store, LARGER);
      const two = directory.sandbox("two");
      const at = join(directory.path, "mount");
      Deno.mkdirSync(at);
      using mount = mountTmpfs(at, "size=8m,mode=755");
      const store = `${mount.path}/store`;
      // Full from the beginning: seen before anything is asked for in vain.
      const ballast = `${mount.path}/ballast`;
      fillUp(ballast, 500_000);
      {
        await using peer = new FakePeer(implementation);
        const early = await fetchFrom(program, peer, two.env, "--store", store);
        assert.equal(early.code, 1, early.stderr);
        assert.match(early.stderr, /^0share: error: .* \d+ bytes are needed, \d+ are free$/m);
        assert.match(early.stderr, /^0share: hint: .*make room/m);
        assert.deepEqual(digestsIn(store), []);
        assert.equal(peer.askedBytes, 0);
      }
      Deno.removeSync(ballast);
      // Full in the middle.
      await using peer = new FakePeer(implementation, { pauseAt: 3_000_000 });
      const args = ["fetch", implementation.digest, "-H", peer.host, "--store", store];
      await using fetching = start(program, args, { env: two.env });
      await peer.paused.promise;
      await staged(store, implementation.digest, peer.size, 1_000_000);
      fillUp(ballast, 0);
      peer.resume();
      const { code, stderr } = await fetching.ended;
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^0share: error: .*no space left on the device/m);
      assert.match(stderr, /^0share: hint: make room/m);
      assert.deepEqual(digestsIn(store), []);
      Deno.removeSync(ballast);
      peer.asked.length = 0;
      const again = await fetchFrom(program, peer, two.env, "--store", store);
      assert.equal(again.code, 0, again.stderr);
      assert.ok(peer.askedBytes < peer.size, "nothing was kept");
      assert.deepEqual(namesIn(store), [implementation.digest]);
    },
  });

  Deno.test({
    name: `${program.name}: a store that cannot be written ends with 1, its reason and a hint`,
    ...needs("root", "linux"),
    fn: async () => {
      await withPeer(async (peer, two, directory) => {
        const at = join(directory.path, "mount");
        Deno.mkdirSync(at);
        using mount = mountTmpfs(at, "size=1m,ro");
        const base = { ...two.env, XDG_CACHE_HOME: mount.path };
        for (
          const fetched of [
            await fetchFrom(program, peer, two.env, "--store", `${mount.path}/store`),
            await fetchFrom(program, peer, base),
          ]
        ) {
          assert.equal(fetched.code, 1, fetched.stderr);
          assert.match(fetched.stderr, /^0share: error: .*: the file system is read-only$/m);
          assert.match(fetched.stderr, /^0share: hint: .*--store DIR/m);
        }
        assert.deepEqual(namesIn(mount.path), []);
      });
    },
  });

  Deno.test({
    name: `${program.name}: the system's store is filled if it can be written`,
    ...needs("posix"),
    fn: async () => {
      await withPeer(async (peer, two, directory, { digest }) => {
        const system = join(directory.path, "system");
        const env = { ...two.env, XDG_CACHE_DIRS: system };
        const fetched = await fetchFrom(program, peer, env);
        const store = join(system, "0install.net/implementations");
        assert.deepEqual([fetched.code, fetched.stdout], [0, `${join(store, digest)}\n`]);
        assert.deepEqual(digestsIn(two.store), []);
      });
    },
  });

  for (
    const { what, script, inSystem, exists } of [
      {
        what: "the helper puts it into a system store that cannot be written",
        exists: true,
        inSystem: true,
        // As Zero Install calls it: a clean environment is the helper's business.
        script: `[ "$ENV_NOT_CLEARED" = Unclean ] && [ "$HOME" = Unclean ] || exit 7
          [ -f .manifest ] && exec cp -a . "$REAL_STORE/$1"`,
      },
      {
        what: "a helper that fails is told, and the user's store takes it",
        exists: true,
        inSystem: false,
        script: `echo "the helper is not set up" >&2; exit 3`,
      },
      {
        what: "a helper that does nothing is not believed, and the user's store takes it",
        exists: true,
        inSystem: false,
        script: "exit 0",
      },
      {
        what: "without a helper the user's store is filled when the system's cannot be",
        exists: false,
        inSystem: false,
        script: "",
      },
    ]
  ) {
    Deno.test({
      name: `${program.name}: ${what}`,
      ...needs("root", "linux"),
      fn: async () => {
        await withPeer(async (peer, two, directory, { digest }) => {
          const real = join(directory.path, "real", "0install.net", "implementations");
          const system = join(directory.path, "system");
          const bin = join(directory.path, "bin");
          for (const path of [real, system, bin]) Deno.mkdirSync(path, { recursive: true });
          if (exists) {
            Deno.writeTextFileSync(
              join(bin, "0store-secure-add-helper"),
              `#!/bin/sh\nREAL_STORE='${real}'\n${script}\n`,
              { mode: 0o755 },
            );
          }
          using _mount = mountReadOnly(join(directory.path, "real"), system);
          const env = {
            ...two.env,
            XDG_CACHE_DIRS: system,
            PATH: `${bin}:${two.env["PATH"]}`,
          };
          const fetched = await fetchFrom(program, peer, env);
          assert.equal(fetched.code, 0, fetched.stderr);
          const store = inSystem ? join(system, "0install.net/implementations") : two.store;
          assert.equal(fetched.stdout, `${join(store, digest)}\n`);
          assert.deepEqual(digestsIn(real), inSystem ? [digest] : []);
          assert.deepEqual(digestsIn(two.store), inSystem ? [] : [digest]);
          // Nothing of the building is left.
          assert.deepEqual(namesIn(two.store), inSystem ? [] : [digest]);
          if (exists && !inSystem) {
            assert.match(fetched.stderr, /^0share: warning: .*0store-secure-add-helper/m);
          }
        });
      },
    });
  }
}

/** A TCP port that nobody listens on. */
function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Writes a file until the disk is full, and takes its last `room` bytes away again. */
function fillUp(path: string, room: number): void {
  using file = Deno.openSync(path, { create: true, write: true });
  const block = new Uint8Array(4096);
  try {
    for (;;) file.writeSync(block);
  } catch {
    // Now it is full.
  }
  if (room > 0) file.truncateSync(file.statSync().size - room);
}
