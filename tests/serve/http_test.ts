import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Digest } from "../../lib/manifest/digest.ts";
import { MANIFEST_FRAME_SIZE, MAX_TRANSFERS_PER_ADDRESS } from "../../lib/wire/limits.ts";
import { expandFrame, hasZstd } from "../../lib/wire/zstd.ts";
import { contentSize, FrameSplitter } from "../../lib/wire/zstd_frames.ts";
import { directory, file, type Node } from "../vectors/trees.ts";
import { Answering } from "./answering.ts";
import { noise } from "./implementations.ts";

const NODES: readonly Node[] = [
  file("a", noise(1, 600)),
  directory("d"),
  file("d/b", noise(2, 400)),
];
const CONTENT = noise(1, 600) + noise(2, 400);

function headersOf(response: Response, ...names: string[]): Record<string, string | null> {
  return Object.fromEntries(names.map((name) => [name, response.headers.get(name)]));
}

Deno.test("the manifest is answered with its exact bytes", async () => {
  using answering = new Answering();
  const { digest, manifestBytes } = await answering.add(NODES);
  const response = await answering.ask(`/implementation/${digest}/manifest`);
  assert.equal(response.status, 200);
  assert.deepEqual(headersOf(response, "content-length", "etag", "content-encoding"), {
    "content-length": String(manifestBytes.length),
    "etag": `"${digest}"`,
    "content-encoding": null,
  });
  assert.match(response.headers.get("cache-control")!, /immutable.*no-transform/);
  assert.deepEqual(await response.bytes(), manifestBytes);
});

Deno.test({
  name: "a manifest is compressed for those who understand that, in frames that say what they hold",
  ignore: !hasZstd(),
  async fn() {
    const files = Array.from({ length: 4000 }, (_, n) => file(`file-${n + 1000}`, `${n}`));
    for (const [nodes, frames] of [[files.slice(0, 40), 1], [files, 2]] as const) {
      using answering = new Answering();
      const { digest, manifestBytes } = await answering.add(nodes);
      const path = `/implementation/${digest}/manifest`;
      const headers = { "accept-encoding": "gzip, zstd" };
      const response = await answering.ask(path, { headers });
      assert.deepEqual(headersOf(response, "vary", "content-encoding", "etag"), {
        "vary": "accept-encoding",
        "etag": `W/"${digest}"`,
        "content-encoding": "zstd",
      });
      const found: Uint8Array[] = [];
      const bytes = await response.bytes();
      assert.ok(bytes.length < 0.6 * manifestBytes.length);
      for (const frame of new FrameSplitter(MANIFEST_FRAME_SIZE).push(bytes)) {
        assert.ok(contentSize(frame)! <= MANIFEST_FRAME_SIZE);
        found.push(expandFrame(frame, contentSize(frame)!));
      }
      assert.equal(found.length, frames);
      assert.equal(Buffer.compare(Buffer.concat(found), manifestBytes), 0);

      const head = await answering.ask(path, { method: "HEAD", headers });
      assert.equal(head.headers.get("content-encoding"), "zstd");
      assert.equal(head.headers.get("content-length"), null);
      const plain = await answering.ask(path, { headers: { "accept-encoding": "gzip" } });
      assert.deepEqual(headersOf(plain, "vary", "content-encoding", "content-length"), {
        "vary": "accept-encoding",
        "content-encoding": null,
        "content-length": String(manifestBytes.length),
      });
      await plain.body?.cancel();
    }
  },
});

Deno.test("a manifest that fits a packet is sent as it is", async () => {
  using answering = new Answering();
  for (const nodes of [[], NODES]) {
    const { digest, manifestBytes } = await answering.add(nodes);
    const headers = { "accept-encoding": "zstd" };
    const response = await answering.ask(`/implementation/${digest}/manifest`, { headers });
    assert.equal(response.headers.get("content-encoding"), null);
    assert.deepEqual(await response.bytes(), manifestBytes);
  }
});

Deno.test("the content stream is answered whole, with its length and never coded", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const response = await answering.ask(`/implementation/${digest}/content`, {
    headers: { "accept-encoding": "gzip, zstd, br" },
  });
  assert.equal(response.status, 200);
  assert.deepEqual(
    headersOf(response, "content-length", "accept-ranges", "content-range", "content-encoding"),
    {
      "content-length": "1000",
      "accept-ranges": "bytes",
      "content-range": null,
      "content-encoding": null,
    },
  );
  assert.equal(await response.text(), CONTENT);
});

const RANGES: [range: string, status: number, contentRange: string | null, content: string][] = [
  ["bytes=0-0", 206, "bytes 0-0/1000", CONTENT.slice(0, 1)],
  ["bytes=599-600", 206, "bytes 599-600/1000", CONTENT.slice(599, 601)],
  ["bytes=990-", 206, "bytes 990-999/1000", CONTENT.slice(990)],
  ["bytes=-10", 206, "bytes 990-999/1000", CONTENT.slice(990)],
  ["bytes=0-999", 206, "bytes 0-999/1000", CONTENT],
  ["bytes=999-5000", 206, "bytes 999-999/1000", CONTENT.slice(999)],
  ["bytes=0-1,5-6", 200, null, CONTENT],
  ["bytes=7-3", 200, null, CONTENT],
  ["lines=1-2", 200, null, CONTENT],
  ["bytes=1000-", 416, "bytes */1000", "There is no such range\n"],
  ["bytes=-0", 416, "bytes */1000", "There is no such range\n"],
];

for (const [range, status, contentRange, content] of RANGES) {
  Deno.test(`the range ${range} of 1,000 bytes is answered with ${status}`, async () => {
    using answering = new Answering();
    const { digest } = await answering.add(NODES);
    const response = await answering.ask(`/implementation/${digest}/content`, {
      headers: { range },
    });
    assert.equal(response.status, status);
    assert.equal(response.headers.get("content-range"), contentRange);
    if (status !== 416) assert.equal(response.headers.get("content-length"), `${content.length}`);
    assert.equal(await response.text(), content);
  });
}

Deno.test("a range counts only for the version that it was asked of", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const ask = (condition: string) =>
    answering.ask(`/implementation/${digest}/content`, {
      headers: { range: "bytes=0-9", "if-range": condition },
    });
  const same = await ask(`"${digest}"`);
  assert.equal(same.status, 206);
  assert.equal((await same.text()).length, 10);
  for (const other of [`"x"`, `W/"${digest}"`, digest, "Sat, 01 Jan 2028 00:00:00 GMT"]) {
    const response = await ask(other);
    assert.equal(response.status, 200, other);
    assert.equal(await response.text(), CONTENT);
  }
});

Deno.test("who has it already is told so, without a body", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const strong = `"${digest}"`;
  const weak = `W/"${digest}"`;
  const told = { [strong]: strong, [weak]: weak, "*": strong, [`"x", ${weak}`]: weak };
  for (const path of ["/manifest", "/content"]) {
    for (const [known, etag] of Object.entries(told)) {
      const response = await answering.ask(`/implementation/${digest}${path}`, {
        headers: { "if-none-match": known },
      });
      assert.equal(response.status, 304, known);
      assert.equal(response.headers.get("etag"), etag);
      assert.equal(response.headers.get("vary"), path === "/manifest" ? "accept-encoding" : null);
      assert.equal(response.body, null);
    }
    for (const unknown of [`"x"`, digest, `W/${digest}`, ""]) {
      const response = await answering.ask(`/implementation/${digest}${path}`, {
        headers: { "if-none-match": unknown },
      });
      assert.equal(response.status, 200, unknown);
      await response.body?.cancel();
    }
  }
});

Deno.test("what is not here is 404, and so is what nobody knows", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const absent = `sha1new=${"0".repeat(40)}`;
  for (
    const path of [
      `/implementation/${absent}`,
      `/implementation/${absent}/manifest`,
      `/implementation/${absent}/content`,
      `/${absent}.tar`,
      `/implementation/${digest}/other`,
      `/implementation/${digest}/content/a`,
      "/",
      "/favicon.ico",
      `/${digest}`,
    ]
  ) {
    const response = await answering.ask(path);
    assert.equal(response.status, 404, path);
    await response.body?.cancel();
  }
});

Deno.test("an archive is answered by any of its names", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const absent = `sha1new=${"0".repeat(40)}`;
  const types = {
    "tar": "application/x-tar",
    "tar.gz": "application/gzip",
    ...(hasZstd() ? { "tar.zst": "application/zstd" } : {}),
  };
  for (const [format, type] of Object.entries(types)) {
    const response = await answering.ask(`/${absent},${digest}.${format}`, { method: "HEAD" });
    assert.equal(response.status, 200, format);
    assert.deepEqual(headersOf(response, "content-type", "etag", "content-encoding"), {
      "content-type": type,
      "etag": format === "tar" ? `"${digest}"` : `W/"${digest}"`,
      "content-encoding": null,
    });
  }
});

Deno.test("only GET and HEAD are answered", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const response = await answering.ask(`/implementation/${digest}/content`, { method });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), "GET, HEAD");
    assert.equal(response.headers.get("access-control-allow-origin"), null);
    await response.body?.cancel();
  }
});

Deno.test("strange addresses get 403 and strange hosts 421, and nothing is looked up for them", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const path = `/implementation/${digest}/manifest`;
  const stranger = await answering.ask(path, { from: "8.8.8.8" });
  assert.equal(stranger.status, 403);
  const rebound = await answering.ask(path, { headers: { host: "evil.example" } });
  assert.equal(rebound.status, 421);
  assert.deepEqual(answering.events.map(({ kind }) => kind), ["refused", "refused"]);
  for (const response of [stranger, rebound]) assert.ok(!(await response.text()).includes(digest));
});

Deno.test("an address that takes too much at once is asked to come back", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const path = `/implementation/${digest}/content`;
  const begun = [];
  for (let index = 0; index < MAX_TRANSFERS_PER_ADDRESS; index++) {
    begun.push(await answering.ask(path));
  }
  const refused = await answering.ask(path);
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  assert.equal((await answering.ask(path, { method: "HEAD" })).status, 200);
  const other = await answering.ask(path, { from: "192.168.1.3" });
  assert.equal(other.status, 200);
  await begun[0]!.body!.cancel();
  const again = await answering.ask(path);
  assert.equal(again.status, 200);
  for (const { body } of [...begun.slice(1), other, again]) await body!.cancel();
});

Deno.test("a changed file breaks the answer off, is reported once, and is then out of service", async () => {
  using answering = new Answering();
  const first = await answering.add(NODES, 0);
  const second = await answering.add(NODES, 1);
  Deno.writeTextFileSync(`${first.path}/d/b`, noise(3, 400));
  const path = `/implementation/${first.digest}/content`;
  await assert.rejects((await answering.ask(path)).text(), /hash should be/);
  const damaged = answering.events.filter(({ kind }) => kind === "damaged");
  assert.equal(damaged.length, 1);
  // The other store's copy serves from now on.
  assert.equal(await (await answering.ask(path)).text(), CONTENT);
  Deno.truncateSync(`${second.path}/a`, 5);
  await assert.rejects((await answering.ask(path)).text(), /should have 600 bytes/);
  assert.equal((await answering.ask(path)).status, 404);
});

Deno.test("an empty tree has an empty content stream", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([directory("d")]);
  const path = `/implementation/${digest as Digest}/content`;
  const whole = await answering.ask(path);
  assert.equal(whole.status, 200);
  assert.equal(whole.headers.get("content-length"), "0");
  assert.equal(await whole.text(), "");
  assert.equal((await answering.ask(path, { headers: { range: "bytes=0-0" } })).status, 416);
});

Deno.test("an answer that the system fails is broken off, and nothing is taken for damaged", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", noise(1, 600_000))]);
  const { openSync } = Deno;
  const routes = ["content", "pieces/0", "piece-digests"].map((what) =>
    `/implementation/${digest}/${what}`
  );
  Deno.openSync = () => {
    throw Object.assign(new Error("Too many open files"), { code: "EMFILE" });
  };
  try {
    for (const route of routes) {
      for (const coding of ["identity", "zstd"]) {
        const answer = await answering.ask(route, { headers: { "accept-encoding": coding } });
        if (answer.status === 200) await assert.rejects(answer.bytes(), /Too many open files/);
        else assert.deepEqual([answer.status, await answer.text()], [500, "Internal error\n"]);
      }
    }
  } finally {
    Deno.openSync = openSync;
  }
  assert.ok(answering.events.every(({ kind }) => kind !== "damaged"));
  // Whether it began or not, it is told why.
  const reasons = answering.events.flatMap((event) =>
    event.kind === "trouble" || event.kind === "sent" ? [event.reason] : []
  );
  assert.equal(reasons.length, 2 * routes.length);
  for (const reason of reasons) assert.match(reason ?? "", /Too many open files/);
  for (const route of routes) {
    const response = await answering.ask(route);
    assert.equal(response.status, 200);
    await response.bytes();
  }
});
