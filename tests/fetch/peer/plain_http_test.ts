import assert from "node:assert/strict";
import { plainGet, plainHead } from "../../../lib/fetch/peer/plain_http.ts";

interface Talk {
  /** What the server sends, in this order, each in a write of its own. */
  readonly sends: readonly string[];
  /** What it does then. */
  readonly then: "close" | "wait";
}

/** Lets a server say something to `plainGet`, and gives what was asked and what came of it. */
async function talk(
  { sends, then }: Talk,
  options: { hostname?: string; abortAfter?: number } = {},
): Promise<{ asked: string; status?: number; text: string; error?: Error }> {
  const { hostname = "127.0.0.1", abortAfter } = options;
  using listener = Deno.listen({ hostname, port: 0 });
  const abort = new AbortController();
  let asked = "";
  const serving = (async () => {
    using connection = await listener.accept();
    const buffer = new Uint8Array(4096);
    asked = new TextDecoder().decode(buffer.subarray(0, (await connection.read(buffer))!));
    for (const text of sends) await connection.write(new TextEncoder().encode(text));
    // It ends when the client goes away.
    if (then === "wait") await connection.read(buffer).catch(() => {});
  })();
  const where = { address: hostname, port: (listener.addr as Deno.NetAddr).port };
  let text = "";
  let status: number | undefined;
  let error: Error | undefined;
  try {
    const response = await plainGet(where, "/a/path", { accept: "anything" }, abort.signal);
    status = response.status;
    assert.ok(response.body);
    for await (const part of response.body) {
      text += new TextDecoder().decode(part);
      if (abortAfter !== undefined && text.length >= abortAfter) abort.abort(new Error("enough"));
    }
  } catch (caught) {
    error = caught as Error;
  }
  await serving;
  return { asked, text, ...(status && { status }), ...(error && { error }) };
}

const OK = "HTTP/1.1 200 OK\r\n";

Deno.test("the request line has the path alone", async () => {
  const { asked } = await talk({ sends: [`${OK}Content-Length: 0\r\n\r\n`], then: "wait" });
  assert.match(asked, /^GET \/a\/path HTTP\/1\.1\r\n/);
  assert.match(asked, /\r\nhost: 127\.0\.0\.1:\d+\r\n/);
  assert.match(asked, /\r\naccept: anything\r\n/);
  assert.match(asked, /\r\nconnection: close\r\n/);
  assert.ok(asked.endsWith("\r\n\r\n"));
});

const WHOLE: Readonly<Record<string, Talk>> = {
  "a length": { sends: [`${OK}Content-Length: 5\r\n\r\nhello and more`], then: "wait" },
  "a length, byte by byte": {
    sends: [...`${OK}Content-Length: 5\r\n\r\nhello`],
    then: "wait",
  },
  "chunks": {
    sends: [`${OK}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2 \r\nlo\r\n0\r\n\r\n`],
    then: "wait",
  },
  "chunks, byte by byte": {
    sends: [...`${OK}Transfer-Encoding: Chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n`],
    then: "wait",
  },
  "the end of the connection": { sends: ["HTTP/1.0 200 OK\r\n\r\nhel", "lo"], then: "close" },
  "bare newlines": { sends: ["HTTP/1.0 200\nContent-Length:5\n\nhello"], then: "wait" },
};

for (const [what, conversation] of Object.entries(WHOLE)) {
  Deno.test(`a body that is ended by ${what} comes whole`, async () => {
    const { status, text, error } = await talk(conversation);
    assert.deepEqual([error, status, text], [undefined, 200, "hello"]);
  });
}

const BROKEN: Readonly<Record<string, readonly string[]>> = {
  "before its length": [`${OK}Content-Length: 6\r\n\r\nhello`],
  "inside a chunk": [`${OK}Transfer-Encoding: chunked\r\n\r\n6\r\nhello`],
  "between chunks": [`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`],
  "in the headers": [`${OK}Content-Length: 5\r\n`],
  "before it says anything": [],
};

for (const [what, sends] of Object.entries(BROKEN)) {
  Deno.test(`an answer that breaks off ${what} is an error`, async () => {
    const { error } = await talk({ sends, then: "close" });
    assert.equal(error?.message, "connection closed before message completed");
  });
}

Deno.test("an answer that is not HTTP, or not one that was asked for, is an error", async () => {
  for (
    const text of [
      "SSH-2.0-server\r\n\r\n",
      "HTTP/2 200 OK\r\n\r\n",
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\n\r\n",
      `${OK}no header\r\n\r\n`,
      `${OK}Content-Length: -1\r\n\r\n`,
      `${OK}Content-Length: 5, 6\r\n\r\nhello`,
      `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`,
      `${OK}Transfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n`,
      `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n`,
      `${OK}Long: ${"x".repeat(100_000)}\r\n\r\n`,
      "x".repeat(100_000),
    ]
  ) {
    const { error } = await talk({ sends: [text], then: "wait" });
    assert.ok(error !== undefined, text.slice(0, 60));
  }
});

Deno.test("statuses that refuse are given as they are", async () => {
  const { status, text } = await talk({
    sends: ["HTTP/1.0 404 Not Found\r\n\r\nno"],
    then: "close",
  });
  assert.deepEqual([status, text], [404, "no"]);
});

for (const headers of ["Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n", ""]) {
  Deno.test(`an abort in the middle is that, and no end (${headers.trim() || "no length"})`, async () => {
    const start = headers.startsWith("Transfer") ? "5\r\n" : "";
    const { error, text } = await talk(
      { sends: [`${OK}${headers}\r\n${start}hel`], then: "wait" },
      { abortAfter: 3 },
    );
    assert.deepEqual([error?.message, text], ["enough", "hel"]);
  });
}

Deno.test("an abort before the answer is that", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const where = { address: "127.0.0.1", port: (listener.addr as Deno.NetAddr).port };
  const abort = new AbortController();
  const asking = plainGet(where, "/", {}, abort.signal);
  using connection = await listener.accept();
  assert.ok(await connection.read(new Uint8Array(1)));
  abort.abort(new Error("enough"));
  await assert.rejects(asking, /^Error: enough$/);
  await assert.rejects(plainGet(where, "/", {}, abort.signal), /^Error: enough$/);
});

Deno.test("a body that nobody wants closes the connection", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const where = { address: "127.0.0.1", port: (listener.addr as Deno.NetAddr).port };
  const asking = plainGet(where, "/", {}, new AbortController().signal);
  using connection = await listener.accept();
  await connection.read(new Uint8Array(4096));
  await connection.write(new TextEncoder().encode(`${OK}\r\nhello`));
  await (await asking).body!.cancel();
  // A close with something unread may come as a reset.
  assert.equal(await connection.read(new Uint8Array(1)).catch(() => null), null);
});

Deno.test({
  name: "an IPv6 address stands in brackets in the Host header",
  ignore: !Deno.networkInterfaces().some(({ address }) => address === "::1"),
  fn: async () => {
    const { asked } = await talk(
      { sends: [`${OK}Content-Length: 0\r\n\r\n`], then: "wait" },
      { hostname: "::1" },
    );
    assert.match(asked, /\r\nhost: \[::1\]:\d+\r\n/);
  },
});

/** What `plainHead` makes of an answer. */
async function head(answer: string, hostname = "127.0.0.1") {
  using listener = Deno.listen({ hostname, port: 0 });
  let asked = "";
  const serving = (async () => {
    using connection = await listener.accept();
    const buffer = new Uint8Array(4096);
    asked = new TextDecoder().decode(buffer.subarray(0, (await connection.read(buffer))!));
    await connection.write(new TextEncoder().encode(answer));
    await connection.read(buffer).catch(() => {});
  })();
  const where = { address: hostname, port: (listener.addr as Deno.NetAddr).port };
  try {
    return { ...await plainHead(where, "/a.tar.gz", new AbortController().signal), asked };
  } finally {
    await serving;
  }
}

Deno.test("a HEAD gives status and headers, and does not wait for the body that they announce", async () => {
  const { status, headers, asked } = await head(`${OK}ETag: "x"\r\nContent-Length: 99\r\n\r\n`);
  assert.deepEqual([status, headers.get("etag")], [200, '"x"']);
  assert.match(asked, /^HEAD \/a\.tar\.gz HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\n/);
  assert.equal((await head("HTTP/1.1 404 Not Found\r\n\r\n")).status, 404);
  assert.match((await head(`${OK}\r\n`, "::1")).asked, /\r\nhost: \[::1\]:\d+\r\n/);
});

Deno.test("a HEAD whose answer is none fails", async () => {
  await assert.rejects(head("what?\r\n\r\n"), /its answer is not HTTP/);
});
