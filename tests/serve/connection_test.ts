/** What only shows over a real connection: paths that no URL parser has touched, broken answers. */

import assert from "node:assert/strict";
import http2 from "node:http2";
import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { Answering } from "./answering.ts";
import { noise } from "./implementations.ts";

const SECRET = "not for anybody";

function get(path: string, headers: readonly string[] = []): string {
  const lines = [`GET ${path} HTTP/1.1`, "Host: 127.0.0.1", "Connection: close", ...headers];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.[01] (\d{3}) /.exec(answer)?.[1]);
}

const DIGEST = `sha256=${"ab".repeat(32)}`;

/** Each names the file beside the stores, or would if somebody resolved it, or is no digest. */
const TRICKS: Record<string, number> = {
  [`/implementation/../secret`]: 400,
  [`/implementation/%2e%2e/secret`]: 400,
  [`/implementation/%2E%2e%2Fsecret`]: 400,
  [`/implementation/..%2fsecret`]: 400,
  [`/implementation/%252e%252e%252fsecret`]: 400,
  [`/implementation/${DIGEST}/../../secret`]: 400,
  [`/implementation/${DIGEST}%2f..%2f..%2fsecret/manifest`]: 400,
  [`/implementation/${DIGEST}%00/manifest`]: 400,
  [`/implementation/${DIGEST}\\..\\secret`]: 400,
  [`/implementation/${DIGEST.toUpperCase().replace("SHA", "sha")}/manifest`]: 400,
  [`/implementation/sha256=${"ab".repeat(31)}/manifest`]: 400,
  [`/implementation/sha1=/manifest`]: 400,
  [`/implementation/sha1=abc`]: 400,
  [`/implementation/md5=${"a".repeat(32)}`]: 400,
  [`/implementation/${DIGEST}%20/manifest`]: 400,
  [`/implementation/%C3/manifest`]: 400,
  [`/implementation/${"x".repeat(3000)}/manifest`]: 400,
  [`/../secret.tar`]: 400,
  [`/secret.tar`]: 400,
  [`/${DIGEST},../secret.tar.gz`]: 404,
  [`/${DIGEST},.tar`]: 400,
  [`/secret`]: 404,
  [`//secret`]: 404,
  [`/implementation/`]: 400,
  [`/implementation//manifest`]: 400,
};

for (const [path, status] of Object.entries(TRICKS)) {
  Deno.test(`answers ${JSON.stringify(path.slice(0, 100))} with ${status}, and with no file`, async () => {
    using answering = new Answering();
    Deno.writeTextFileSync(`${answering.scratch.path}/secret`, SECRET);
    Deno.writeTextFileSync(`${answering.stores[0]}/secret`, SECRET);
    Deno.mkdirSync(`${answering.stores[0]}/${DIGEST}`);
    const answer = await answering.exchange(get(path));
    assert.equal(statusOf(answer), status, answer.slice(0, 200));
    assert.ok(!answer.includes(SECRET));
  });
}

Deno.test("a digest may be percent-encoded, and a query does not matter", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", "content")]);
  const encoded = digest.replace("_", "%5F").replace("s", "%73");
  const answer = await answering.exchange(get(`/implementation/${encoded}/content?x=/../y`));
  assert.equal(statusOf(answer), 200);
  assert.ok(answer.endsWith("\r\n\r\ncontent"), answer);
});

Deno.test("a request in absolute form is judged by its Host header all the same", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", "content")]);
  const target = `http://evil.example/implementation/${digest}/content`;
  const answer = await answering.exchange(
    `GET ${target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`,
  );
  assert.equal(statusOf(answer), 421);
});

Deno.test("a request over HTTP/2 is judged by whom it names, too", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", "content")]);
  await using server = answering.listen();
  const client = http2.connect(`http://127.0.0.1:${server.addr.port}`);
  const statusFor = async (authority: string) => {
    const path = `/implementation/${digest}/content`;
    const request = client.request({ ":path": path, ":authority": authority });
    const status = await new Promise<number>((resolve) =>
      request.on("response", (headers) => resolve(headers[":status"]!))
    );
    request.resume();
    await new Promise((resolve) => request.on("end", resolve));
    return status;
  };
  assert.equal(await statusFor("evil.example"), 421);
  assert.equal(await statusFor("mine.local:38339"), 200);
  await new Promise<void>((resolve) => client.close(() => resolve()));
});

Deno.test("a request without a Host header is no browser's", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", "content")]);
  const answer = await answering.exchange(`GET /implementation/${digest}/content HTTP/1.0\r\n\r\n`);
  assert.equal(statusOf(answer), 200);
});

Deno.test("a range over a connection has exactly its bytes", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", noise(1, 700_000))]);
  const answer = await answering.exchange(
    get(`/implementation/${digest}/content`, ["Range: bytes=100000-599999"]),
  );
  assert.equal(statusOf(answer), 206);
  const [head, ...body] = answer.split("\r\n\r\n");
  assert.match(head!, /content-length: 500000/i);
  assert.match(head!, /content-range: bytes 100000-599999\/700000/i);
  assert.doesNotMatch(head!, /content-encoding|transfer-encoding/i);
  assert.equal(body.join("\r\n\r\n"), noise(1, 700_000).slice(100_000, 600_000));
});

Deno.test("HEAD says the length and sends nothing", async () => {
  using answering = new Answering();
  const { digest, manifestBytes } = await answering.add([file("a", noise(1, 700_000))]);
  for (const [what, size] of [["content", 700_000], ["manifest", manifestBytes.length]]) {
    const answer = await answering.exchange(
      get(`/implementation/${digest}/${what}`).replace("GET", "HEAD"),
    );
    assert.equal(statusOf(answer), 200);
    assert.match(answer, new RegExp(`content-length: ${size}\r\n`, "i"));
    assert.ok(answer.endsWith("\r\n\r\n"), "there is a body");
  }
});

Deno.test("a damaged file never makes an answer that looks complete", async () => {
  using answering = new Answering();
  const { digest, path } = await answering.add([file("a", noise(1, 700_000))]);
  Deno.writeTextFileSync(`${path}/a`, noise(2, 700_000));
  const answer = await answering.exchange(get(`/implementation/${digest}/content`));
  const [head, ...body] = answer.split("\r\n\r\n");
  assert.match(head!, /content-length: 700000/i);
  assert.ok(body.join("\r\n\r\n").length < 700_000);
  const sent = answering.events.find((event) => event.kind === "sent");
  assert.match(String(sent?.reason), /hash should be/);
});

Deno.test({
  name: "a symlink where a file should be leads nowhere",
  ...needs("posix"),
  async fn() {
    using answering = new Answering();
    const { digest, path } = await answering.add([file("a", "x".repeat(SECRET.length))]);
    Deno.writeTextFileSync(`${answering.scratch.path}/secret`, SECRET);
    Deno.removeSync(`${path}/a`);
    Deno.symlinkSync(`${answering.scratch.path}/secret`, `${path}/a`);
    const answer = await answering.exchange(get(`/implementation/${digest}/content`));
    assert.ok(!answer.includes(SECRET));
    assert.ok(answering.events.some(({ kind }) => kind === "damaged"));
  },
});

Deno.test("a client that goes away gives its place back", async () => {
  using answering = new Answering();
  // More than any socket buffers.
  const { digest } = await answering.add([file("a", 100_000_000)]);
  await using server = answering.listen();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
  await connection.write(new TextEncoder().encode(get(`/implementation/${digest}/content`)));
  await connection.read(new Uint8Array(1000));
  connection.close();
  const sent = await answering.reported("sent");
  assert.ok(sent.kind === "sent" && sent.reason !== undefined && sent.bytes < 100_000_000);
});
