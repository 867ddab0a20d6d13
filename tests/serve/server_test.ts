/** A whole server, on this machine alone: datagrams and requests, as a fetching process starts it. */

import assert from "node:assert/strict";
import type { Digest } from "../../lib/manifest/digest.ts";
import { fromSystem } from "../../lib/net/interfaces.ts";
import type { ServeEvent } from "../../lib/serve/events.ts";
import { type Server, type ServerOptions, startServer } from "../../lib/serve/server.ts";
import { parseAvailability } from "../../lib/wire/availability.ts";
import { encodeBitfield } from "../../lib/wire/bitfield.ts";
import { encodeQuery } from "../../lib/wire/query.ts";
import { decodeReply, type Reply } from "../../lib/wire/reply.ts";
import { Scratch } from "../store/sample.ts";
import { file } from "../vectors/trees.ts";
import { Download } from "./downloads.ts";
import { addImplementation, type Implementation, noise, streamOf } from "./implementations.ts";

const PIECE = 262_144;
const NONCE = "0123456789abcdef";
const ID = "00ff00ff00ff00ff";
const ABSENT = `sha1new=${"0".repeat(40)}` as Digest;

const LOOPBACK = fromSystem([
  { name: "lo", family: "IPv4", address: "127.0.0.1", netmask: "255.0.0.0", scopeid: null },
]);

class Fixture implements AsyncDisposable {
  readonly scratch = new Scratch();
  readonly store = this.scratch.directory("store");
  readonly events: ServeEvent[] = [];
  readonly discoveryPort = freePort();
  #server: Server | undefined;
  #port = 0;

  /** An implementation of this size elsewhere, and its download into the store. */
  async download(size: number): Promise<{ added: Implementation; download: Download }> {
    const origin = this.scratch.directory("origin");
    const added = await addImplementation(origin, [file("f", noise(1, size))]);
    return { added, download: new Download(this.store, added) };
  }

  start(options: Partial<ServerOptions> = {}): Server {
    this.#server = startServer({
      stores: [this.store],
      port: 0,
      discoveryPort: this.discoveryPort,
      allow: [],
      names: [],
      interfaces: LOOPBACK,
      ...options,
    }, (event) => {
      this.events.push(event);
      if (event.kind === "started") this.#port = event.port;
    });
    return this.#server;
  }

  get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#port}${path}`);
  }

  /** Asks once for each of these, then for what is complete, and gives the replies before that one. */
  async query(complete: Digest, ...queries: Uint8Array<ArrayBuffer>[]): Promise<Reply[]> {
    const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    try {
      const to = { transport: "udp", hostname: "127.0.0.1", port: this.discoveryPort } as const;
      const last = encodeQuery({ digests: [complete] });
      for (const query of [...queries, ...last]) await socket.send(query, to);
      const replies: Reply[] = [];
      for (;;) {
        const reply = decodeReply((await socket.receive())[0])!;
        if (reply.nonce === undefined) return replies;
        replies.push(reply);
      }
    } finally {
      socket.close();
    }
  }

  of<K extends ServeEvent["kind"]>(kind: K): (ServeEvent & { kind: K })[] {
    return this.events.filter((event): event is ServeEvent & { kind: K } => event.kind === kind);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.stop();
    this.scratch[Symbol.dispose]();
  }
}

function freePort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  socket.close();
  return (socket.addr as Deno.NetAddr).port;
}

Deno.test("a download is offered as a part, also before it has a piece, and a whole as a whole", async () => {
  await using fixture = new Fixture();
  const { added, download } = await fixture.download(3 * PIECE);
  using _download = download;
  const whole = await addImplementation(fixture.store, [file("x", "y")]);
  fixture.start();
  const digests = [ABSENT, added.digest, whole.digest];
  const [reply] = await fixture.query(whole.digest, ...encodeQuery({ digests, nonce: NONCE }));
  assert.deepEqual(reply?.offers, [
    { digest: added.digest, state: "partial" },
    { digest: whole.digest, state: "have" },
  ]);
  assert.deepEqual(fixture.of("partial"), [{ kind: "partial", digest: added.digest }]);
});

Deno.test("who else downloads the same is told of, once, with address and port", async () => {
  await using fixture = new Fixture();
  const { added, download } = await fixture.download(3 * PIECE);
  using _download = download;
  const whole = await addImplementation(fixture.store, [file("x", "y")]);
  fixture.start();
  const { digest } = added;
  const digests = [ABSENT, whole.digest, digest];
  const [silent] = encodeQuery({ digests, nonce: "0000000000000000" });
  const id = "00000000000000ab";
  const [asking] = encodeQuery({ digests, port: 40_123, id, nonce: NONCE });
  const [another] = encodeQuery({ digests, port: 40_124, nonce: "fedcba9876543210" });
  const replies = await fixture.query(whole.digest, silent!, asking!, asking!, another!);
  assert.equal(replies.length, 4);
  assert.deepEqual(fixture.of("downloader"), [
    {
      kind: "downloader",
      peer: { address: "127.0.0.1", port: 40_123 },
      digest,
      id,
    },
    {
      kind: "downloader",
      peer: { address: "127.0.0.1", port: 40_124 },
      digest,
      id: undefined,
    },
  ]);
});

Deno.test("who asks is told of as a downloader as soon as there is a download", async () => {
  await using fixture = new Fixture();
  const whole = await addImplementation(fixture.store, [file("x", "y")]);
  const { added, download } = await fixture.download(3 * PIECE);
  download.abandon();
  fixture.start();
  const [asking] = encodeQuery({ digests: [added.digest], port: 40_123, nonce: NONCE });
  assert.deepEqual(await fixture.query(whole.digest, asking!), []);
  assert.deepEqual(fixture.of("downloader"), []);
  using _again = new Download(fixture.store, added);
  assert.equal((await fixture.query(whole.digest, asking!)).length, 1);
  assert.equal(fixture.of("downloader").length, 1);
});

Deno.test("what is being downloaded from its origin is said so until it is here", async () => {
  await using fixture = new Fixture();
  const whole = await addImplementation(fixture.store, [file("x", "y")]);
  const server = fixture.start();
  const [query] = encodeQuery({ digests: [ABSENT, whole.digest], nonce: NONCE });
  const offers = async () => (await fixture.query(whole.digest, query!))[0]?.offers;
  const here = { digest: whole.digest, state: "have" };
  assert.deepEqual(await offers(), [here]);
  server.pending.add(ABSENT);
  // As it is when 0install has put it into the store, and goes on with something else.
  server.pending.add(whole.digest);
  assert.deepEqual(await offers(), [{ digest: ABSENT, state: "pending" }, here]);
  server.pending.delete(ABSENT);
  assert.deepEqual(await offers(), [here]);
});

Deno.test("claims of others are told of each time, and neither one's own nor those of nobody", async () => {
  await using fixture = new Fixture();
  const whole = await addImplementation(fixture.store, [file("x", "y")]);
  const server = fixture.start();
  const claim = (id: string | undefined, claims = true) =>
    encodeQuery({ digests: [ABSENT, whole.digest], id, claims, nonce: NONCE })[0]!;
  const other = server.id === ID ? NONCE : ID;
  await fixture.query(
    whole.digest,
    claim(other),
    claim(server.id),
    claim(undefined),
    claim(other, false),
    claim(other),
  );
  const once = [
    { kind: "claim", digest: ABSENT, id: other },
    { kind: "claim", digest: whole.digest, id: other },
  ];
  assert.deepEqual(fixture.of("claim"), [...once, ...once]);
});

Deno.test("a server for one digest knows no other, over UDP and HTTP alike", async () => {
  await using fixture = new Fixture();
  const whole = await addImplementation(fixture.store, [file("x", "y")]);
  const other = await addImplementation(fixture.store, [file("x", "z")]);
  fixture.start({ only: [whole.digest] });
  const query = encodeQuery({ digests: [other.digest, whole.digest], nonce: NONCE });
  const [reply] = await fixture.query(whole.digest, ...query);
  assert.deepEqual(reply?.offers.map(({ digest }) => digest), [whole.digest]);
  const of = async (digest: Digest) => {
    const response = await fixture.get(`/implementation/${digest}/manifest`);
    await response.body!.cancel();
    return response.status;
  };
  assert.deepEqual([await of(whole.digest), await of(other.digest)], [200, 404]);
});

Deno.test("a machine gets a download's pieces from another one as they come", async () => {
  await using fixture = new Fixture();
  const { added, download } = await fixture.download(5 * PIECE + 1000);
  using _download = download;
  fixture.start({ only: [added.digest] });
  const path = `/implementation/${added.digest}/pieces`;
  const lacks = new Uint8Array(download.count).fill(1);
  const got = new Uint8Array(5 * PIECE + 1000);
  const coming = (async () => {
    for (const piece of [3, 0, 5, 1, 4, 2]) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      download.set(2, piece);
    }
  })();
  let known = encodeBitfield(new Uint8Array(download.count));
  while (lacks.includes(1)) {
    const response = await fixture.get(`${path}/any?lacks=${encodeBitfield(lacks)}`);
    if (response.status === 404) {
      await response.body!.cancel();
      const said = await (await fixture.get(`${path}?wait=20&known=${known}`)).text();
      known = encodeBitfield(parseAvailability(said)!.pieces as Uint8Array);
      continue;
    }
    const piece = Number(/\/(\d+)$/.exec(response.headers.get("content-location")!)![1]);
    assert.equal(lacks[piece], 1);
    assert.match(response.headers.get("0share-pieces")!, /^[\w-]{2}$/);
    got.set(await response.bytes(), piece * PIECE);
    lacks[piece] = 0;
  }
  await coming;
  assert.deepEqual(got, streamOf(added));
});

Deno.test("a server that is stopped does not wait for those who only wait", async () => {
  await using fixture = new Fixture();
  const { added, download } = await fixture.download(PIECE);
  using _download = download;
  const server = fixture.start();
  const waiting = fixture.get(`/implementation/${added.digest}/pieces?wait=3600`);
  while (fixture.of("get").length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await server.stop();
  const response = await waiting;
  assert.equal(response.status, 200);
  await response.body!.cancel();
});

Deno.test("an upload limit changes nothing of what is sent", async () => {
  await using fixture = new Fixture();
  const added = await addImplementation(fixture.store, [file("f", noise(1, PIECE))]);
  fixture.start({ uploadLimit: 2_000_000 });
  const [manifest, content, piece] = await Promise.all(
    ["manifest", "content", "pieces/0"].map(async (what) =>
      await (await fixture.get(`/implementation/${added.digest}/${what}`)).bytes()
    ),
  );
  assert.deepEqual(manifest, added.manifestBytes);
  assert.deepEqual(content, streamOf(added));
  assert.deepEqual(piece, streamOf(added));
});
