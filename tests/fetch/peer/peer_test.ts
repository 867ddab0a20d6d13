import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { PeerFailed, PeerLied } from "../../../lib/errors.ts";
import { Peer } from "../../../lib/fetch/peer/peer.ts";
import type { Digest } from "../../../lib/manifest/digest.ts";
import { concatenate } from "../../serve/implementations.ts";
import { type Answerer, Rogue, say } from "../rogue.ts";

const DIGEST = `sha1new=${"a".repeat(40)}` as Digest;
const TEXT = "0123456789";

function signal(): AbortSignal {
  return new AbortController().signal;
}

/** Bytes 2 to 6 of ten, as a peer gives them. */
async function contentOf(peer: Peer, range = { start: 2, end: 7, size: 10 }): Promise<string> {
  using content = await peer.content(DIGEST, range, signal());
  if (content === undefined) return "it has not all of it";
  const parts = await Array.fromAsync(content.parts(), ({ bytes }) => bytes.slice());
  return new TextDecoder().decode(concatenate(parts));
}

const PARTIAL = { "content-range": "bytes 2-6/10", "content-length": 5 };

Deno.test("a peer is asked for exactly the range, and for no coding", async () => {
  await using rogue = new Rogue((to) => say(to, "206 Partial Content", PARTIAL, TEXT.slice(2, 7)));
  assert.equal(await contentOf(rogue.peer()), "23456");
  const [request] = rogue.requests;
  // Deno names the whole URL, as to a proxy, when it is told where to connect to.
  const target = `/implementation/${DIGEST}/content`;
  assert.match(request!, new RegExp(`^GET (http://127\\.0\\.0\\.1:\\d+)?${target} HTTP/1\\.1\r\n`));
  assert.match(request!, /\r\nrange: bytes=2-6\r\n/i);
  assert.match(request!, /\r\naccept-encoding: identity\r\n/i);
  assert.match(request!, new RegExp(`\r\nhost: 127\\.0\\.0\\.1:${rogue.port}\r\n`, "i"));
});

Deno.test("who knows no ranges may send all when all was asked for", async () => {
  await using rogue = new Rogue((to) => say(to, "200 OK", { "content-length": 10 }, TEXT));
  assert.equal(await contentOf(rogue.peer(), { start: 0, end: 10, size: 10 }), TEXT);
  await assert.rejects(contentOf(rogue.peer()), PeerFailed);
});

Deno.test("who has not all of a range has not failed, nor lied", async () => {
  await using rogue = new Rogue((to) => say(to, "404 Not Found", { "content-length": 0 }));
  assert.equal(await contentOf(rogue.peer()), "it has not all of it");
});

interface Case {
  answer: Answerer;
  error: typeof PeerFailed | typeof PeerLied;
  reason: RegExp;
}

const WRONG: Record<string, Case> = {
  "another range": {
    answer: (to) =>
      say(to, "206 Partial Content", { ...PARTIAL, "content-range": "bytes 0-4/10" }, "01234"),
    error: PeerLied,
    reason: /another range/,
  },
  "another size of the whole": {
    answer: (to) =>
      say(to, "206 Partial Content", { ...PARTIAL, "content-range": "bytes 2-6/11" }, "23456"),
    error: PeerLied,
    reason: /another range/,
  },
  "a range that it does not name": {
    answer: (to) => say(to, "206 Partial Content", { "content-length": 5 }, "23456"),
    error: PeerLied,
    reason: /another range/,
  },
  "several ranges": {
    answer: (to) =>
      say(to, "206 Partial Content", {
        "content-type": "multipart/byteranges; boundary=x",
        "content-length": 5,
      }, "--x--"),
    error: PeerLied,
    reason: /another range/,
  },
  "all in place of a part": {
    answer: (to) => say(to, "200 OK", { "content-length": 10 }, TEXT),
    error: PeerFailed,
    reason: /answered 200/,
  },
  "a redirection": {
    answer: (to, request) =>
      say(to, "302 Found", {
        "location": `http://127.0.0.1:${/host: .*:(\d+)/i.exec(request)![1]}/elsewhere`,
        "content-length": 0,
      }),
    error: PeerFailed,
    reason: /answered 302/,
  },
  "an error of its own": {
    answer: (to) => say(to, "500 Oops", { "content-length": 4 }, "oops"),
    error: PeerFailed,
    reason: /answered 500/,
  },
  "too little, and says so": {
    answer: (to) => say(to, "206 Partial Content", { ...PARTIAL, "content-length": 3 }, "234"),
    error: PeerFailed,
    reason: /ended 2 bytes early/,
  },
  "too little, and goes away": {
    answer: (to) => say(to, "206 Partial Content", PARTIAL, "234"),
    error: PeerFailed,
    reason: /failed/,
  },
  "too little without saying how much": {
    answer: (to) => say(to, "206 Partial Content", { "content-range": "bytes 2-6/10" }, "234"),
    error: PeerFailed,
    reason: /ended 2 bytes early/,
  },
  "a chunk that is cut off": {
    answer: (to) =>
      say(to, "206 Partial Content", {
        "content-range": "bytes 2-6/10",
        "transfer-encoding": "chunked",
      }, "5\r\n234"),
    error: PeerFailed,
    reason: /failed/,
  },
  "too much": {
    answer: (to) => say(to, "206 Partial Content", { ...PARTIAL, "content-length": 6 }, "234567"),
    error: PeerLied,
    reason: /more bytes/,
  },
  "nothing but an end": {
    answer: () => {},
    error: PeerFailed,
    reason: /failed/,
  },
  "something that is no HTTP": {
    answer: async (to) => void await to.write(new TextEncoder().encode("SSH-2.0-OpenSSH\r\n")),
    error: PeerFailed,
    reason: /failed/,
  },
};

for (const [what, { answer, error, reason }] of Object.entries(WRONG)) {
  Deno.test(`a peer that answers with ${what} is refused by name`, async () => {
    await using rogue = new Rogue(answer);
    await assert.rejects(contentOf(rogue.peer()), (found) => {
      assert.ok(found instanceof error, String(found));
      assert.equal(found.peer, `127.0.0.1:${rogue.port}`);
      assert.match(found.message, reason);
      return true;
    });
    assert.equal(rogue.requests.length, 1, "it is asked once, and nobody else is");
  });
}

Deno.test("an endless answer is broken off as soon as it is too long", async () => {
  let sent = 0;
  await using rogue = new Rogue(async (to) => {
    await say(to, "206 Partial Content", { "content-range": "bytes 2-6/10" });
    for (;;) sent += await to.write(new Uint8Array(65_536));
  });
  await assert.rejects(contentOf(rogue.peer()), PeerLied);
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes went out`);
});

Deno.test("a coded answer that unpacks to more than was asked for is refused", async () => {
  const bomb = gzipSync(new Uint8Array(10_000_000));
  await using rogue = new Rogue((to) =>
    say(to, "206 Partial Content", {
      "content-range": "bytes 2-6/10",
      "content-encoding": "gzip",
      "content-length": bomb.length,
    }, bomb)
  );
  await assert.rejects(contentOf(rogue.peer()), PeerLied);
});

Deno.test("a machine where nobody listens has failed, and is named", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  using peer = new Peer({ address: "127.0.0.1", port });
  await assert.rejects(contentOf(peer), (error) => {
    assert.ok(error instanceof PeerFailed);
    assert.match(error.message, /refused/i);
    return true;
  });
});
