/** What a server answers over HTTP and UDP, asked without a client that mends anything. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { digestOf } from "../../lib/manifest/digest_of.ts";
import { addImplementation, type Implementation, streamOf } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { freePort, LARGER, LINKED, machine, serveOn, SMALL } from "./lib/machine.ts";
import { programs, run, start } from "./lib/program.ts";
import { chunksOf, openRequest, type RawOptions, rawRequest } from "./lib/raw_http.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";
import type { Server } from "./lib/server.ts";

const NODES = Deno.build.os === "windows" ? SMALL : LINKED;
const UNKNOWN = `sha256new_${"A".repeat(52)}`;

function text(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

/** A server with one implementation. */
async function withServer(
  program: ReturnType<typeof programs>[number],
  body: (
    server: Server,
    implementation: Implementation,
    more: { discoveryPort: number; secret: string },
  ) => Promise<void>,
  options: { args?: readonly string[] } = {},
): Promise<void> {
  await using directory = new TemporaryDirectory();
  const one = machine(directory, "one");
  const secret = join(directory.path, "secret");
  Deno.writeTextFileSync(secret, "the secret");
  const implementation = await addImplementation(one.store, NODES);
  const discoveryPort = freePort();
  await using server = await serveOn(program, one, { discoveryPort, ...options });
  await body(server, implementation, { discoveryPort, secret });
  await server.stop();
}

for (const program of programs()) {
  Deno.test({
    name:
      `${program.name}: a store that is none is refused, and what stands in the way of one is told`,
    ...needs("linux", "root"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const [text, closed] = ["text", "closed"].map((name) => join(directory.path, name));
      Deno.writeTextFileSync(text!, "");
      Deno.mkdirSync(closed!, { mode: 0o300 });
      const options = ["-p", "0", "--discovery-port", String(freePort())];
      const none = await run(program, ["serve", "--allow-read", text!], { env: one.env });
      assert.deepEqual([none.code, none.stdout], [2, ""]);
      assert.match(none.stderr, /^0share: error: Cannot serve ".*text": it is not a directory$/m);
      const stores = ["later", "closed"].flatMap((name) => [
        "--allow-read",
        join(directory.path, name),
      ]);
      // Root without its power to read everything.
      const prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
      await using server = start(program, ["serve", ...options, ...stores], {
        env: one.env,
        prefix,
      });
      await server.output(/listening for requests/);
      const { stderr } = await server.stop();
      assert.match(stderr, /^0share: warning: The store ".*later" is not there yet$/m);
      assert.match(stderr, /^0share: warning: Cannot read the store ".*closed": .*denied/m);
    },
  });

  Deno.test(`${program.name}: the manifest and any range of the content are had exactly`, async () => {
    await withServer(program, async ({ port }, implementation) => {
      const { digest, manifestBytes } = implementation;
      const stream = text(streamOf(implementation));
      const size = stream.length;
      const base = `/implementation/${digest}`;
      const get = (path: string, headers: string[] = [], options: RawOptions = {}) =>
        rawRequest(port, base + path, { headers, ...options });

      const manifest = await get("/manifest");
      assert.deepEqual([manifest.status, manifest.text], [200, text(manifestBytes)]);
      assert.equal(manifest.headers.get("etag"), `"${digest}"`);

      const whole = await get("/content");
      assert.deepEqual([whole.status, whole.text], [200, stream]);
      assert.equal(whole.headers.get("accept-ranges"), "bytes");
      for (
        const [range, start, end] of [
          ["0-0", 0, 1],
          ["5-9", 5, 10],
          ["7-", 7, size],
          ["-4", size - 4, size],
          [`-${size + 1}`, 0, size],
          [`1-${size * 2}`, 1, size],
          [`${size - 1}-`, size - 1, size],
        ] as const
      ) {
        const part = await get("/content", [`Range: bytes=${range}`]);
        assert.deepEqual([part.status, part.text], [206, stream.slice(start, end)], range);
        assert.equal(part.headers.get("content-range"), `bytes ${start}-${end - 1}/${size}`);
        assert.equal(part.headers.get("content-length"), String(end - start));
      }
      for (const range of [`${size}-`, `${size}-${size + 5}`, "-0", "99999999999999999999-"]) {
        const none = await get("/content", [`Range: bytes=${range}`]);
        assert.equal(none.status, 416, range);
        assert.equal(none.headers.get("content-range"), `bytes */${size}`);
      }
      // What is not a range means all of it (RFC 9110, section 14.2).
      for (const range of ["bytes=5-4", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=-"]) {
        assert.equal((await get("/content", [`Range: ${range}`])).status, 200, range);
      }
      // Never content-coded, whatever the client would take.
      const coded = await get("/content", ["Accept-Encoding: gzip, zstd, br", "Range: bytes=0-9"]);
      assert.equal(coded.headers.get("content-encoding"), undefined);
      assert.equal(coded.text, stream.slice(0, 10));
    });
  });

  Deno.test(`${program.name}: HEAD has the headers of GET and no body`, async () => {
    await withServer(program, async ({ port }, { digest }) => {
      for (
        const path of [
          `/implementation/${digest}/manifest`,
          `/implementation/${digest}/content`,
          `/implementation/${digest}`,
          `/${digest}.tar`,
          `/${digest}.tar.gz`,
          `/${digest}.tar.zst`,
        ]
      ) {
        const get = await rawRequest(port, path);
        const head = await rawRequest(port, path, { method: "HEAD" });
        assert.deepEqual([get.status, head.status, head.text], [200, 200, ""], path);
        assert.ok(get.complete, path);
        for (const name of ["content-type", "etag", "accept-ranges", "content-length"]) {
          // A length that only sending would tell is left out of both.
          assert.equal(head.headers.get(name), get.headers.get(name), `${path}: ${name}`);
        }
      }
      assert.equal((await rawRequest(port, `/${UNKNOWN}.tar`, { method: "HEAD" })).status, 404);
    });
  });

  Deno.test(`${program.name}: what is not here is 404, what is no question 400, what is no reading 405`, async () => {
    await withServer(program, async ({ port }, { digest, path: own }, { secret }) => {
      const base = `/implementation/${digest}`;
      for (
        const path of [
          "/",
          "/nothing",
          `/implementation/${UNKNOWN}`,
          `/implementation/${UNKNOWN}/manifest`,
          `/implementation/${UNKNOWN}/content`,
          `/${UNKNOWN}.tar.gz`,
          `${base}/README`,
          `${base}/content/README`,
          `${base}/.manifest`,
        ]
      ) assert.equal((await rawRequest(port, path)).status, 404, path);
      for (
        const path of [
          `/implementation/../${digest}/manifest`,
          `${base}/../../../../../../../../etc/passwd`,
          `${base}/%2e%2e/%2e%2e/%2E%2E/etc/passwd`,
          `${base}/..%2f..%2fetc%2fpasswd`,
          `${base}/..\\..\\etc\\passwd`,
          `${base}%00/manifest`,
          `${base}/manifest%00`,
          `/implementation/${digest.toLowerCase()}/manifest`,
          `/implementation/${digest.slice(0, -1)}/manifest`,
          `/implementation/${digest}A/manifest`,
          `/implementation/md5=${"0".repeat(32)}`,
          `/implementation/..`,
          `/implementation/.`,
          `/..${secret}.tar`,
          `/%2e%2e${secret}`,
          `/${digest},../${own}.tar`,
          `/implementation/%ff/manifest`,
          `/${"A".repeat(5000)}`,
        ]
      ) {
        const { status, text } = await rawRequest(port, path);
        assert.ok(status === 400 || status === 404, `${path}: ${status}`);
        assert.ok(!text.includes("the secret") && !text.includes("root:"), path);
      }
      for (const path of [`${base}/../x`, `${base}%2fmanifest`, `/implementation/sha1new=0`]) {
        assert.equal((await rawRequest(port, path)).status, 400, path);
      }
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
        const { status, headers } = await rawRequest(port, `${base}/manifest`, { method });
        assert.deepEqual([status, headers.get("allow")], [405, "GET, HEAD"], method);
      }
      // Encoded as some clients do, and with a query that means nothing.
      const encoded = `/implementation/${digest.replace("_", "%5F")}/manifest?x=../..`;
      assert.equal((await rawRequest(port, encoded)).status, 200);
    });
  });

  Deno.test(`${program.name}: a name that is not this machine's is refused with 421`, async () => {
    await withServer(program, async ({ port }, { digest }) => {
      const path = `/implementation/${digest}/manifest`;
      const status = async (host: string | null) => (await rawRequest(port, path, { host })).status;
      for (
        const host of [
          null,
          "localhost",
          `localhost:${port}`,
          `127.0.0.1:${port}`,
          "[::1]",
          `[fe80::1]:${port}`,
          Deno.hostname(),
          `${Deno.hostname()}.local:${port}`,
        ]
      ) assert.equal(await status(host), 200, String(host));
      for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example"]) {
        assert.equal(await status(host), 421, host);
      }
    });
  });

  const own = Deno.networkInterfaces().find(({ family, address }) =>
    family === "IPv4" && !address.startsWith("127.")
  )?.address;
  Deno.test({
    name: `${program.name}: an address outside --allow gets 403 and no datagram`,
    ignore: own === undefined,
    fn: async () => {
      await withServer(program, async ({ port }, { digest }, { discoveryPort }) => {
        const path = `/implementation/${digest}/manifest`;
        const refused = await rawRequest(port, path, { address: own! });
        assert.equal(refused.status, 403);
        assert.ok(!refused.text.includes(digest));
        assert.equal((await rawRequest(port, path)).status, 200, "this machine is always answered");
        // Two sockets: from the address that is refused, and from this machine, a moment later.
        const outside = Deno.listenDatagram({ transport: "udp", hostname: own!, port: 0 });
        const inside = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
        const query = new TextEncoder().encode(`0share\n${digest}\n`);
        const heard: string[] = [];
        const listening = outside.receive().then(() => heard.push("outside"), () => {});
        await outside.send(query, { transport: "udp", hostname: own!, port: discoveryPort });
        await inside.send(query, { transport: "udp", hostname: "127.0.0.1", port: discoveryPort });
        const [reply] = await inside.receive();
        assert.match(text(reply), /^0share-reply\n/);
        outside.close();
        inside.close();
        await listening;
        assert.deepEqual(heard, []);
      }, { args: ["--allow", "203.0.113.0/24"] });
    },
  });

  Deno.test(`${program.name}: datagrams that are no good question get silence, a good one its answer`, async () => {
    await withServer(program, async (server, { digest }, { discoveryPort }) => {
      const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
      const ask = async (content: string | Uint8Array) => {
        const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
        await socket.send(bytes, { transport: "udp", hostname: "127.0.0.1", port: discoveryPort });
      };
      const nonce = "0123456789abcdef";
      for (
        const bad of [
          "",
          "\0",
          "0share",
          "0share\n",
          `0share-reply\nport 1\nhave ${digest}\n`,
          digest,
          `0share\n${UNKNOWN}\n`,
          `0share\n../${digest}\n`,
          `0share\n${digest.toLowerCase()}\n`,
          `0share\n${digest}A\n`,
          `0share\n%2e%2e%2f${digest}\n`,
          `0share\n${digest}\0\n`,
          `0share\nmd5=${"0".repeat(32)}\n`,
          ` 0share\n${digest}\n`,
          `0share\r\n${digest}\r\n`,
          `0share\n${`${digest}\n`.repeat(1000)}`,
          crypto.getRandomValues(new Uint8Array(1400)),
        ]
      ) await ask(bad);
      // Datagrams of one sender to one socket of this machine keep their order.
      await ask(`0share\nsomething new\n${UNKNOWN}\n${digest}\nnonce ${nonce}\n`);
      const [reply, from] = await socket.receive();
      // Which server it is, it says every time, with the same 64 bits.
      const [, id] = /^id ([0-9a-f]{16})$/m.exec(text(reply)) ?? [];
      const head = `0share-reply\nport ${server.port}\nid ${id}\nhave ${digest}\n`;
      assert.equal(text(reply), `${head}nonce ${nonce}\n`);
      assert.equal((from as Deno.NetAddr).port, discoveryPort);
      // As the program of 2008 asked: no nonce, no newline at the end.
      await ask(`0share\n${digest}`);
      assert.equal(text((await socket.receive())[0]), head);
      socket.close();
    });
  });

  Deno.test(`${program.name}: an empty implementation is served by every route`, async () => {
    await using directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const empty = await addImplementation(one.store, []);
    assert.equal(empty.digest, digestOf("sha256new", new Uint8Array()));
    await using server = await serveOn(program, one);
    const base = `/implementation/${empty.digest}`;
    for (const path of [`${base}/manifest`, `${base}/content`]) {
      const { status, text } = await rawRequest(server.port, path);
      assert.deepEqual([status, text], [200, ""], path);
    }
    assert.equal(
      (await rawRequest(server.port, `${base}/content`, { headers: ["Range: bytes=0-0"] })).status,
      416,
    );
    const archive = await rawRequest(server.port, base);
    assert.deepEqual([archive.status, archive.complete], [200, true]);
    await server.stop();
  });

  Deno.test(`${program.name}: a port that is in use ends with 1, a message and a hint`, async () => {
    await withServer(program, async ({ port, running }) => {
      await using directory = new TemporaryDirectory();
      const { env } = machine(directory, "two");
      assert.ok(running.pid > 0);
      await using second = start(
        program,
        ["serve", "-p", String(port), "--discovery-port", String(freePort())],
        { env },
      );
      const { code, stderr } = await second.ended;
      assert.equal(code, 1, stderr);
      assert.match(
        stderr,
        new RegExp(`^0share: error: Cannot listen on TCP port ${port}: it is in use$`, "m"),
      );
      assert.match(stderr, /^0share: hint: .*-p/m);
    });
  });

  Deno.test({
    name: `${program.name}: SIGINT and SIGTERM end it with 0 after a transfer that is under way`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      // More than the sockets' buffers hold, so that it is under way until it is read.
      const size = 64 * 1024 * 1024;
      const { digest } = await addImplementation(one.store, [file("zeros", size)]);
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        await using server = await serveOn(program, one);
        using connection = await openRequest(server.port, `/implementation/${digest}/content`);
        const chunks = chunksOf(connection);
        let received = (await chunks.next()).value!.length;
        const stopped = server.stop(signal);
        for await (const chunk of chunks) received += chunk.length;
        assert.ok(received > size, `${signal}: only ${received} bytes came`);
        const { stderr } = await stopped;
        assert.match(stderr, new RegExp(`^Sent 67\\.1 MB of ${digest}`, "m"));
      }
    },
  });

  Deno.test({
    name: `${program.name}: a reader that reads nothing does not keep it from ending`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const one = machine(directory, "one");
      const { digest } = await addImplementation(one.store, [
        file("zeros", 64 * 1024 * 1024),
        ...LARGER,
      ]);
      await using server = await serveOn(program, one);
      using connection = await openRequest(server.port, `/implementation/${digest}/content`);
      await server.running.output(/^GET /m);
      const { stderr } = await server.stop("SIGTERM");
      assert.match(stderr, /^Gave up sending .*: the server was told to stop$/m);
      // The answer is broken off: never a short one that looks complete.
      let received = 0;
      try {
        for await (const chunk of chunksOf(connection)) received += chunk.length;
      } catch (error) {
        assert.ok(error instanceof Deno.errors.ConnectionReset, String(error));
      }
      assert.ok(received < 64 * 1024 * 1024);
    },
  });
}
