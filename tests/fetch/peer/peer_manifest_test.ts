import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { PeerBusy, PeerFailed, PeerLied } from "../../../lib/errors.ts";
import { Peer } from "../../../lib/fetch/peer/peer.ts";
import type { Digest } from "../../../lib/manifest/digest.ts";
import {
  BUSY_RETRY_SECONDS,
  MANIFEST_FRAME_SIZE,
  MAX_MANIFEST_SIZE,
  MAX_RETRY_SECONDS,
  MIN_RETRY_SECONDS,
  PORT,
} from "../../../lib/wire/limits.ts";
import { compressFrame, hasZstd, storedFrame } from "../../../lib/wire/zstd.ts";
import { concatenate, noise } from "../../serve/implementations.ts";
import { Rogue, say } from "../rogue.ts";

/** A number in zstd.h: whether a frame says how much it holds. */
const CONTENT_SIZE_FLAG = 200;

const PLAIN = { zstd: false } as const;
const ZSTD = { zstd: true } as const;

const DIGEST = `sha1new=${"a".repeat(40)}` as Digest;

function signal(): AbortSignal {
  return new AbortController().signal;
}

async function textOf(archive: AsyncIterable<Uint8Array> | undefined): Promise<string | undefined> {
  if (archive === undefined) return undefined;
  return new TextDecoder().decode(concatenate(await Array.fromAsync(archive)));
}

Deno.test("a manifest is given as it was sent, an empty one too", async () => {
  for (const text of ["", "D /x\n", "no manifest at all\n"]) {
    await using rogue = new Rogue((to) =>
      say(to, "200 OK", { "content-length": text.length }, text)
    );
    const bytes = await rogue.peer().manifest(DIGEST, PLAIN, signal());
    assert.equal(new TextDecoder().decode(bytes), text);
  }
});

/** A manifest that comes in zstd frames: a part is one frame of so many bytes, or these bytes. */
async function coded(parts: readonly (number | Uint8Array)[]): Promise<Uint8Array | undefined> {
  const frames = parts.map((part) =>
    typeof part === "number" ? storedFrame(new Uint8Array(part).fill(7)) : part
  );
  await using rogue = new Rogue((to) =>
    say(to, "200 OK", { "content-encoding": "zstd" }, concatenate(frames))
  );
  const manifest = await rogue.peer().manifest(DIGEST, ZSTD, signal());
  assert.match(rogue.requests[0]!, /accept-encoding: zstd/i);
  return manifest;
}

Deno.test({
  name: "a manifest may come as zstd frames, end to end",
  ignore: !hasZstd(),
  async fn() {
    for (const sizes of [[], [1], [257], [MANIFEST_FRAME_SIZE, MANIFEST_FRAME_SIZE, 9]]) {
      const size = sizes.reduce((sum, size) => sum + size, 0);
      assert.deepEqual(await coded(sizes), new Uint8Array(size).fill(7));
    }
  },
});

Deno.test({
  name: "a manifest in frames that hold nothing, too much or something else is a lie",
  ignore: !hasZstd(),
  async fn() {
    const sizeless = new Uint8Array(
      zstdCompressSync(new Uint8Array(9), { params: { [CONTENT_SIZE_FLAG]: 0 } }),
    );
    const bomb = compressFrame(new Uint8Array(MANIFEST_FRAME_SIZE));
    for (const part of [0, MANIFEST_FRAME_SIZE + 1, sizeless, bomb, new Uint8Array(30)]) {
      await assert.rejects(coded([part]), PeerLied);
    }
    await assert.rejects(coded([1, 1]), PeerLied, "of small ones there is one, the last");
    const frame = storedFrame(new Uint8Array(5));
    frame[5] = 4;
    await assert.rejects(coded([frame]), PeerLied, "it holds more than it says");
  },
});

Deno.test("a manifest that ends inside a frame has not come", async () => {
  await assert.rejects(coded([storedFrame(new Uint8Array(500)).subarray(0, 400)]), PeerFailed);
});

Deno.test("a manifest in a coding that was not asked for is not expanded", async () => {
  const frame = storedFrame(new Uint8Array(5));
  await using rogue = new Rogue((to) => say(to, "200 OK", { "content-encoding": "zstd" }, frame));
  assert.deepEqual(await rogue.peer().manifest(DIGEST, PLAIN, signal()), frame);
});

Deno.test("a peer that does not have it, or knows no manifests, has not failed", async () => {
  for (const status of ["404 Not Found", "400 Bad Request"]) {
    await using rogue = new Rogue((to) => say(to, status, { "content-length": 0 }));
    assert.equal(await rogue.peer().manifest(DIGEST, PLAIN, signal()), undefined);
  }
});

Deno.test("a peer that refuses, or sends less than it says, has failed", async () => {
  for (const status of ["403 Forbidden", "421 Other", "500 Oops", "301 Moved", "204 No Content"]) {
    await using rogue = new Rogue((to) => say(to, status, { "content-length": 0 }));
    await assert.rejects(rogue.peer().manifest(DIGEST, PLAIN, signal()), PeerFailed, status);
  }
  await using rogue = new Rogue((to) => say(to, "200 OK", { "content-length": 9 }, "D /x\n"));
  await assert.rejects(rogue.peer().manifest(DIGEST, PLAIN, signal()), PeerFailed);
});

Deno.test("a peer that has no place now says when to come back, and has not failed", async () => {
  const cases: [header: string | undefined, seconds: number][] = [
    ["3", 3],
    ["0.5", 0.5],
    [undefined, BUSY_RETRY_SECONDS],
    ["0", BUSY_RETRY_SECONDS],
    ["-1", BUSY_RETRY_SECONDS],
    ["0.001", MIN_RETRY_SECONDS],
    ["soon", BUSY_RETRY_SECONDS],
    ["NaN", BUSY_RETRY_SECONDS],
    ["Infinity", MAX_RETRY_SECONDS],
    ["86400", MAX_RETRY_SECONDS],
  ];
  for (const [header, seconds] of cases) {
    const headers = header === undefined ? {} : { "retry-after": header };
    await using rogue = new Rogue((to) =>
      say(to, "503 Service Unavailable", { "content-length": 0, ...headers })
    );
    const peer = rogue.peer();
    for (
      const answer of [
        peer.manifest(DIGEST, PLAIN, signal()),
        peer.availability(DIGEST, 1, {}, signal()),
      ]
    ) {
      await assert.rejects(answer, (error) => {
        assert.ok(error instanceof PeerBusy, String(error));
        assert.equal(error.retryAfterSeconds, seconds, header);
        return true;
      });
    }
  }
});

Deno.test("an endless manifest is refused before it fills the memory", async () => {
  let sent = 0;
  await using rogue = new Rogue(async (to) => {
    await say(to, "200 OK", {});
    const part = new Uint8Array(1_000_000);
    for (;;) sent += await to.write(part);
  });
  await assert.rejects(rogue.peer().manifest(DIGEST, PLAIN, signal()), PeerLied);
  assert.ok(sent < MAX_MANIFEST_SIZE + 64_000_000, `${sent} bytes went out`);
});

Deno.test("an archive is asked for by the route of 2008 first, then by that of .NET", async () => {
  await using old = new Rogue((to) => say(to, "200 OK", { "content-length": 3 }, "tar"));
  assert.equal(await textOf(await old.peer().archive(DIGEST, signal())), "tar");
  assert.deepEqual(old.requests.map((request) => /[^/]*\/[^/]* HTTP/.exec(request)![0]), [
    `implementation/${DIGEST} HTTP`,
  ]);
  const packed = gzipSync("packed tar");
  await using dotnet = new Rogue((to, request) =>
    request.includes(".tar.gz")
      ? say(to, "200 OK", { "content-length": packed.length }, packed)
      : say(to, "404 Not Found", { "content-length": 0 })
  );
  assert.equal(await textOf(await dotnet.peer().archive(DIGEST, signal())), "packed tar");
  assert.equal(dotnet.requests.length, 2);
});

Deno.test("of an archive no more is read than it is paid for, packed or not", async () => {
  const packed = gzipSync(noise(1, 200_000));
  for (const route of ["implementation/", ".tar.gz"]) {
    await using rogue = new Rogue((to, request) =>
      request.includes(route)
        ? say(to, "200 OK", { "content-length": packed.length }, packed)
        : say(to, "404 Not Found", { "content-length": 0 })
    );
    let bytes = 0;
    let paying = false;
    const archive = await rogue.peer().archive(DIGEST, signal(), async (part) => {
      assert.equal(paying, false, "one part after the other");
      paying = true;
      await setTimeout(1);
      paying = false;
      bytes += part;
    });
    await textOf(archive);
    assert.equal(bytes, packed.length, route);
  }
});

Deno.test("a peer that has it under no route gives no archive", async () => {
  await using rogue = new Rogue((to) => say(to, "404 Not Found", { "content-length": 0 }));
  assert.equal(await rogue.peer().archive(DIGEST, signal()), undefined);
});

for (
  const [what, body, error] of [
    ["is not gzip", new TextEncoder().encode("tar in plain"), PeerLied],
    ["ends early", gzipSync("x".repeat(1000)).subarray(0, 20), PeerLied],
    ["goes on after its end", concatenate([gzipSync("x"), new Uint8Array(50).fill(7)]), PeerLied],
  ] as const
) {
  Deno.test(`a packed archive that ${what} is a lie`, async () => {
    await using rogue = new Rogue((to, request) =>
      request.includes(".tar.gz")
        ? say(to, "200 OK", { "content-length": body.length }, body)
        : say(to, "404 Not Found", { "content-length": 0 })
    );
    const archive = await rogue.peer().archive(DIGEST, signal());
    await assert.rejects(textOf(archive), error);
  });
}

Deno.test("a packed archive that breaks off is a failure, not a lie", async () => {
  const body = gzipSync("x".repeat(1000));
  await using rogue = new Rogue((to, request) =>
    request.includes(".tar.gz")
      ? say(to, "200 OK", { "content-length": body.length }, body.subarray(0, 20))
      : say(to, "404 Not Found", { "content-length": 0 })
  );
  await assert.rejects(textOf(await rogue.peer().archive(DIGEST, signal())), PeerFailed);
});

Deno.test("a proxy in the environment is never asked", async () => {
  await using proxy = new Rogue((to) => say(to, "200 OK", { "content-length": 5 }, "proxy"));
  await using rogue = new Rogue((to) => say(to, "200 OK", { "content-length": 4 }, "peer"));
  const names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of names) Deno.env.set(name, `http://127.0.0.1:${proxy.port}`);
  try {
    const bytes = await rogue.peer().manifest(DIGEST, PLAIN, signal());
    assert.equal(new TextDecoder().decode(bytes), "peer");
    assert.equal(proxy.requests.length, 0);
    // So that this test means something: who does not take care does ask the proxy.
    using client = Deno.createHttpClient({});
    const response = await fetch(`http://127.0.0.1:${rogue.port}/`, { client });
    assert.equal(await response.text(), "proxy");
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
});

Deno.test("a peer is called by its address, and by its port where that is unusual", () => {
  const cases: [address: string, port: number, name: string][] = [
    ["192.168.7.9", PORT, "192.168.7.9"],
    ["192.168.7.9", 80, "192.168.7.9:80"],
    ["fe80::1%eth0", PORT, "fe80::1%eth0"],
    ["fe80::1%eth0", 80, "[fe80::1%eth0]:80"],
  ];
  for (const [address, port, name] of cases) {
    using peer = new Peer({ address, port });
    assert.equal(peer.name, name);
  }
});

Deno.test("a peer is reached by IPv6, with a scope where there is one", async () => {
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({ hostname: "::1", port: 0, onListen: () => {} }, (request) => {
      return new Response(request.headers.get("host"));
    });
  } catch {
    return; // There is no IPv6 here.
  }
  await using _server = server;
  for (const address of ["::1", "::1%1"]) {
    using peer = new Peer({ address, port: server.addr.port });
    const bytes = await peer.manifest(DIGEST, PLAIN, signal());
    assert.equal(new TextDecoder().decode(bytes), `[::1]:${server.addr.port}`);
  }
});

for (
  const status of [
    "204 No Content",
    "304 Not Modified",
    "302 Found",
    "500 Oops",
    "999 \u00ff",
    "99 x",
  ]
) {
  Deno.test(`a peer that answers ${JSON.stringify(status)} for an archive has failed`, async () => {
    await using rogue = new Rogue((to) =>
      say(to, status, { "content-length": 0, "location": "http://127.0.0.1:1/" })
    );
    await assert.rejects(rogue.peer().archive(DIGEST, signal()), PeerFailed);
    assert.equal(rogue.requests.length, 1);
  });
}
