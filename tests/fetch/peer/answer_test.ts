import assert from "node:assert/strict";
import { PeerFailed, PeerSlow } from "../../../lib/errors.ts";
import { Answer, Watch } from "../../../lib/fetch/peer/answer.ts";
import type { Bytes } from "../../../lib/fetch/peer/bytes.ts";
import { Peer } from "../../../lib/fetch/peer/peer.ts";
import type { Digest } from "../../../lib/manifest/digest.ts";
import { CONNECT_TIMEOUT_MS, STALL_TIMEOUT_MS, TRICKLE } from "../../../lib/wire/limits.ts";
import { Rogue, say, writeAll } from "../rogue.ts";

const DIGEST = `sha1new=${"a".repeat(40)}` as Digest;
const RANGE = { start: 0, end: 10, size: 10 };
const PARTIAL = { "content-range": "bytes 0-9/10", "content-length": 10 };

async function* bytesOf(content: Bytes): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of content.parts()) yield bytes;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

Deno.test("piece digests may take longer to be made than the headers of their answer", async () => {
  const digests = "d".repeat(64);
  await using rogue = new Rogue(async (to) => {
    await say(to, "200 OK", { "content-length": digests.length });
    await pause(STALL_TIMEOUT_MS + 700);
    await writeAll(to, new TextEncoder().encode(digests));
  });
  const { signal } = new AbortController();
  const bytes = await rogue.peer().pieceDigests(DIGEST, 2, signal);
  assert.equal(new TextDecoder().decode(bytes), digests);
});

Deno.test("who crawls makes way with what takes a place, and not with piece digests", async () => {
  await using rogue = new Rogue(async (to, request) => {
    const size = request.includes("/manifest") ? 100_000 : 2560;
    await say(to, "200 OK", { "content-length": size });
    for (let at = 0; at < size; at += 128) {
      await writeAll(to, new Uint8Array(Math.min(128, size - at)));
      await pause(600);
    }
  });
  const asked: number[] = [];
  const where = { address: "127.0.0.1", port: rogue.port };
  using peer = new Peer(where, (bytesPerSecond) => asked.push(bytesPerSecond) > 0);
  const { signal } = new AbortController();
  await Promise.all([
    assert.rejects(peer.manifest(DIGEST, { zstd: false }, signal), PeerSlow),
    peer.pieceDigests(DIGEST, 80, signal).then((bytes) => assert.equal(bytes!.length, 2560)),
  ]);
  assert.equal(asked.length, 1);
  assert.ok(asked[0]! > 51 && asked[0]! < 1000, `${asked[0]} bytes a second`);
});

Deno.test("what keeps this process busy excuses a silent peer for a while, and one stall wholly", () => {
  const { now } = performance;
  let later = 0;
  performance.now = () => now.call(performance) + later;
  try {
    const { signal } = new AbortController();
    const stalled = new Watch("the peer", signal);
    later += 60_000;
    assert.equal(stalled.look(60_000), false);
    stalled.end();
    const flooded = new Watch("the peer", signal);
    let seconds = 0;
    do later += 1000; while (++seconds < 60 && !flooded.look(900));
    assert.ok(seconds > CONNECT_TIMEOUT_MS / 1000 && seconds < 15, `${seconds} seconds`);
    assert.ok(flooded.explain(undefined) instanceof PeerFailed);
    flooded.end();
  } finally {
    performance.now = now;
  }
});

Deno.test("of what only one brings, also who brings enough may make way", async () => {
  const part = new Uint8Array(TRICKLE.bytesInTheWay / 10);
  await using rogue = new Rogue(async (to) => {
    await say(to, "200 OK", {});
    for (;;) {
      await writeAll(to, part);
      await pause(100);
    }
  });
  const asked: number[][] = [];
  const where = { address: "127.0.0.1", port: rogue.port };
  using peer = new Peer(where, (...how) => asked.push(how) > 0);
  const { signal } = new AbortController();
  const read = async (parts: AsyncIterable<Uint8Array>) => {
    for await (const _part of parts);
  };
  await Promise.all([
    assert.rejects(peer.manifest(DIGEST, { zstd: false }, signal), PeerSlow),
    assert.rejects(async () => await read((await peer.archive(DIGEST, signal))!), PeerSlow),
  ]);
  assert.equal(asked.length, 2);
  for (const [bytesPerSecond, milliseconds] of asked) {
    assert.ok(bytesPerSecond! > TRICKLE.bytesInTheWay / 10, `${bytesPerSecond} bytes a second`);
    assert.ok(milliseconds! >= TRICKLE.ms, `${milliseconds} ms`);
  }
});

Deno.test("a peer that falls silent midway has failed, and what it sent was handed on", async () => {
  const silence = Promise.withResolvers<void>();
  await using rogue = new Rogue(async (to, request) => {
    if (request.includes("/content")) await say(to, "206 Partial Content", PARTIAL, "0123");
    else await say(to, "200 OK", { "content-length": 10 }, "0123");
    await silence.promise;
  });
  using _end = { [Symbol.dispose]: () => silence.resolve() };
  const peer = rogue.peer();
  const { signal } = new AbortController();
  const content = (await peer.content(DIGEST, RANGE, signal))!;
  const parts = {
    content: bytesOf(content),
    archive: (await peer.archive(DIGEST, signal))!,
  };
  await Promise.all(
    Object.entries(parts).map(async ([what, parts]) => {
      let received = 0;
      await assert.rejects(
        async () => {
          for await (const part of parts) received += part.length;
        },
        (error) => {
          assert.ok(error instanceof PeerFailed, `${what}: ${error}`);
          assert.match(error.message, /it sent nothing for 2 seconds/);
          return true;
        },
      );
      assert.equal(received, 4, what);
    }),
  );
});

Deno.test("whoever takes his time with what came does not make the peer fail", async () => {
  await using rogue = new Rogue(async (to) => {
    await say(to, "206 Partial Content", PARTIAL, "01234");
    await pause(100);
    await writeAll(to, new TextEncoder().encode("56789"));
  });
  const peer = rogue.peer();
  let text = "";
  using content = await peer.content(DIGEST, RANGE, new AbortController().signal);
  for await (const { bytes } of content!.parts()) {
    text += new TextDecoder().decode(bytes);
    if (text.length === 5) await pause(STALL_TIMEOUT_MS + 500);
  }
  assert.equal(text, "0123456789");
});

Deno.test("an aborted signal ends a request with its reason, before and after its answer began", async () => {
  const silence = Promise.withResolvers<void>();
  await using rogue = new Rogue(async (to, request) => {
    if (request.includes("/content")) await say(to, "206 Partial Content", PARTIAL, "0123");
    await silence.promise;
  });
  using _end = { [Symbol.dispose]: () => silence.resolve() };
  const reason = new Error("nobody wants it any more");
  const peer = rogue.peer();
  await assert.rejects(peer.manifest(DIGEST, { zstd: false }, AbortSignal.abort(reason)), reason);

  const early = new AbortController();
  const manifest = peer.manifest(DIGEST, { zstd: false }, early.signal);
  setTimeout(() => early.abort(reason), 50);
  await assert.rejects(manifest, reason);

  const midway = new AbortController();
  using content = await peer.content(DIGEST, RANGE, midway.signal);
  await assert.rejects(async () => {
    for await (const _part of content!.parts()) midway.abort(reason);
  }, reason);
});

/** An answer of which nothing comes from a network. */
function answerOf(response: Response): Answer {
  return new Answer("the peer", response, new Watch("the peer", new AbortController().signal));
}

Deno.test("an answer that is not read to its end is closed", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(10)),
    cancel: () => void (cancelled = true),
  });
  for await (const _part of answerOf(new Response(body)).body()) break;
  await pause(0);
  assert.equal(cancelled, true);
});

Deno.test("an answer that is not read at all is closed", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) });
  {
    using answer = answerOf(new Response(body, { status: 404 }));
    assert.equal(answer.status, 404);
    assert.throws(() => answer.require(200), /Peer the peer failed: it answered 404/);
  }
  await pause(0);
  assert.equal(cancelled, true);
});

Deno.test("what went wrong is told by the innermost reason", () => {
  const watch = new Watch("the peer", new AbortController().signal);
  const cause = new TypeError("error sending request", { cause: new Error("connection refused") });
  const error = watch.explain(cause);
  watch.end();
  assert.ok(error instanceof PeerFailed);
  assert.equal(error.message, "Peer the peer failed: connection refused");
  assert.equal(error.cause, cause);
});

Deno.test("time in which this process is busy with something else is no silence of the peer", async () => {
  const watch = new Watch("peer", new AbortController().signal);
  try {
    watch.came(1);
    watch.waits();
    // As a slow disk does that files are created on.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_TIMEOUT_MS + 300);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(watch.signal.aborted, false);
  } finally {
    watch.end();
  }
});

Deno.test("what a peer may take to begin its answer is no sign that it brings little", () => {
  let now = 0;
  const own = performance.now;
  performance.now = () => now;
  try {
    for (const [patience, isGivenUp] of [[10_000, false], [0, true]] as const) {
      now = 0;
      const watch = new Watch("peer", new AbortController().signal, patience);
      now = 10_100;
      watch.came(0);
      watch.waits();
      now += 400;
      watch.look();
      assert.equal(watch.signal.aborted, isGivenUp);
      watch.end();
    }
  } finally {
    performance.now = own;
  }
});
