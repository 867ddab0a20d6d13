import assert from "node:assert/strict";
import fc from "fast-check";
import { type Digest, parseDigestList } from "../../lib/manifest/digest.ts";
import { MAX_PATH_LENGTH } from "../../lib/wire/limits.ts";
import {
  formatRoute,
  parseRoute,
  requestAuthority,
  requestPath,
  requestQuery,
  type Route,
} from "../../lib/wire/routes.ts";
import { digest } from "./arbitraries.ts";

const SHA1NEW = "sha1new=84e37424bbb87a077e25cec87d3c668f12726817" as Digest;
const SHA256NEW = "sha256new_3TFGCZWVXWFMWJRSCEDRIOTDCXXYDGW4XPMOXLVBQJBEX3LBAFKA" as Digest;

const plain = { noNullPrototype: true } as const;

/** One digest for each of some algorithms, preferred first, as one tree may have. */
const digests = fc.uniqueArray(digest, {
  minLength: 1,
  maxLength: 4,
  selector: (digest) => digest.replace(/[=_].*/, ""),
}).map((digests) => parseDigestList(digests.join(",")));

const bitfield = fc.stringMatching(/^[A-Za-z0-9_-]{0,342}$/);

const route: fc.Arbitrary<Route> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("tree", "manifest", "content", "piece-digests"),
    digest,
  }, plain),
  fc.record({
    kind: fc.constant("availability"),
    digest,
    wait: fc.integer({ min: 0, max: 99_999_999 }).map((n) => n / 1000),
    known: bitfield,
  }, { ...plain, requiredKeys: ["kind", "digest"] }),
  fc.tuple(digest, fc.nat(3000), fc.nat(3000)).map(([digest, first, more]) => ({
    kind: "pieces",
    digest,
    first,
    last: first + more,
  })),
  fc.record({ kind: fc.constant("any-piece"), digest, lacks: bitfield }, plain),
  fc.record({
    kind: fc.constant("archive"),
    digests,
    format: fc.constantFrom("tar", "tar.gz", "tar.zst"),
  }, plain),
) as fc.Arbitrary<Route>;

/** Reads a path with its query, as a request has it. */
function parseTarget(target: string): Route | undefined {
  const url = `http://h${target}`;
  return parseRoute(requestPath(url), requestQuery(url));
}

Deno.test("every route reads as what it was written for", () => {
  fc.assert(fc.property(route, (route) => {
    assert.deepEqual(parseTarget(formatRoute(route)), route);
  }));
});

Deno.test("the routes are those of the protocol", () => {
  const routes: [string, Route][] = [
    [`/implementation/${SHA1NEW}`, { kind: "tree", digest: SHA1NEW }],
    [`/implementation/${SHA1NEW}/manifest`, { kind: "manifest", digest: SHA1NEW }],
    [`/implementation/${SHA256NEW}/content`, { kind: "content", digest: SHA256NEW }],
    [`/implementation/${SHA1NEW}/pieces`, { kind: "availability", digest: SHA1NEW }],
    [
      `/implementation/${SHA1NEW}/pieces?wait=2.5&known=gA`,
      { kind: "availability", digest: SHA1NEW, wait: 2.5, known: "gA" },
    ],
    [
      `/implementation/${SHA1NEW}/pieces/0`,
      { kind: "pieces", digest: SHA1NEW, first: 0, last: 0 },
    ],
    [
      `/implementation/${SHA1NEW}/pieces/7-12`,
      { kind: "pieces", digest: SHA1NEW, first: 7, last: 12 },
    ],
    [
      `/implementation/${SHA1NEW}/pieces/any?lacks=_w`,
      { kind: "any-piece", digest: SHA1NEW, lacks: "_w" },
    ],
    [`/implementation/${SHA1NEW}/piece-digests`, { kind: "piece-digests", digest: SHA1NEW }],
    [`/${SHA256NEW}.tar`, { kind: "archive", digests: [SHA256NEW], format: "tar" }],
    [
      `/${SHA256NEW},${SHA1NEW}.tar.gz`,
      { kind: "archive", digests: [SHA256NEW, SHA1NEW], format: "tar.gz" },
    ],
    [`/${SHA1NEW}.tar.zst`, { kind: "archive", digests: [SHA1NEW], format: "tar.zst" }],
  ];
  for (const [path, route] of routes) {
    assert.deepEqual(parseTarget(path), route);
    assert.equal(formatRoute(route), path);
  }
});

Deno.test("what need not be encoded may be, once", () => {
  const encoded = (text: string) =>
    [...text].map((char) => `%${char.charCodeAt(0).toString(16)}`).join("");
  const safe = SHA1NEW.replace("sha", encoded("sha")).replace("=", "%3D");
  assert.deepEqual(parseRoute(`/${encoded("implementation")}/${safe}/%6danifest`), {
    kind: "manifest",
    digest: SHA1NEW,
  });
  assert.deepEqual(parseRoute(`/${SHA256NEW}%2C${SHA1NEW.replace("=", "%3d")}.tar.gz`), {
    kind: "archive",
    digests: [SHA256NEW, SHA1NEW],
    format: "tar.gz",
  });
});

Deno.test("a path that tricks is bad, not unknown", () => {
  const tricks = [
    "/implementation/..",
    "/../etc/passwd",
    "/./x",
    `/implementation/%2e%2e/${SHA1NEW}`,
    `/implementation/%2E%2E`,
    `/implementation/.%2e`,
    `/implementation/${SHA1NEW}%2fmanifest`,
    `/implementation%2F${SHA1NEW}`,
    `/implementation/${SHA1NEW}%00`,
    `/implementation/${SHA1NEW}\0`,
    `/implementation/..\\..`,
    `/implementation/%5c`,
    `/implementation/${SHA1NEW.replace("=", "%253d")}`,
    "/%25",
    "/%",
    "/%zz",
    "/%e2%82",
    "/%ff",
    "/%c0%ae",
    "/%ed%a0%80",
    `/${"a".repeat(MAX_PATH_LENGTH)}`,
  ];
  for (const path of tricks) assert.equal(parseRoute(path)?.kind, "bad", path);
});

Deno.test("a digest that is none is bad", () => {
  const none = [
    "sha1=",
    "md5=84e37424bbb87a077e25cec87d3c668f12726817",
    SHA1NEW.slice(0, -1),
    `${SHA1NEW}0`,
    SHA1NEW.toUpperCase(),
    SHA256NEW.toLowerCase(),
    ` ${SHA1NEW}`,
    `${SHA1NEW},${SHA256NEW},`,
    "",
  ];
  for (const name of none) {
    assert.equal(parseRoute(`/implementation/${name}`)?.kind, "bad", name);
    assert.equal(parseRoute(`/implementation/${name}/content`)?.kind, "bad", name);
    assert.equal(parseRoute(`/${name}.tar.gz`)?.kind, "bad", name);
  }
});

Deno.test("two trees in one archive are bad", () => {
  const other = SHA1NEW.replace("84", "85");
  assert.equal(parseRoute(`/${SHA1NEW},${other}.tar`)?.kind, "bad");
});

Deno.test("pieces that are none are bad", () => {
  const none = [
    "pieces/",
    "pieces/x",
    "pieces/-1",
    "pieces/01",
    "pieces/1-",
    "pieces/2-1",
    "pieces/1-2-3",
    "pieces/1,2",
    "pieces/1.5",
    "pieces/9999999999999999",
    "pieces/Any?lacks=AA",
    "pieces/any",
    "pieces/any?lacks=A%20",
    "pieces/any?lacks=A+A",
    "pieces/any?lacks=A%3D%3D",
    "pieces?wait=",
    "pieces?wait=-1",
    "pieces?wait=1e3",
    "pieces?wait=123456",
    "pieces?known=*",
  ];
  for (const what of none) {
    assert.equal(parseTarget(`/implementation/${SHA1NEW}/${what}`)?.kind, "bad", what);
  }
});

Deno.test("what a query says beside what is known is ignored, and no other route has one", () => {
  const of = (target: string) => parseTarget(`/implementation/${SHA1NEW}/${target}`);
  assert.deepEqual(of("pieces?x=1&wait=3&&y"), { kind: "availability", digest: SHA1NEW, wait: 3 });
  assert.deepEqual(of("pieces/3?lacks=AA"), {
    kind: "pieces",
    digest: SHA1NEW,
    first: 3,
    last: 3,
  });
  assert.deepEqual(of("manifest?wait=x"), { kind: "manifest", digest: SHA1NEW });
  assert.equal(of(`pieces?x=${"a".repeat(MAX_PATH_LENGTH)}`)?.kind, "bad");
});

Deno.test("every other path is unknown", () => {
  const unknown = [
    "",
    "/",
    "*",
    "//",
    "/favicon.ico",
    "/implementation",
    `/${SHA1NEW}`,
    `/${SHA1NEW}.zip`,
    `/${SHA1NEW}.tar.xz`,
    `/Implementation/${SHA1NEW}`,
    `/implementation/${SHA1NEW}/`,
    `/implementation/${SHA1NEW}/Manifest`,
    `/implementation/${SHA1NEW}/manifest/`,
    `/implementation/${SHA1NEW}/manifest/7`,
    `/implementation/${SHA1NEW}/Pieces`,
    `/implementation/${SHA1NEW}/pieces/7/`,
    `/implementation/${SHA1NEW}/piece-digests/7`,
    `//implementation/${SHA1NEW}`,
    `implementation/${SHA1NEW}`,
    `/x/${SHA1NEW}.tar`,
  ];
  for (const path of unknown) assert.equal(parseRoute(path), undefined, path);
});

Deno.test("reads whatever path without throwing, and what it finds has one plain spelling", () => {
  const part = fc.oneof(
    digest,
    fc.constantFrom(
      "/",
      "implementation",
      "manifest",
      "content",
      "pieces",
      "piece-digests",
      "0-7",
      "any",
      ".tar",
      ".gz",
      ",",
      "%",
      "%2e",
    ),
    fc.constantFrom("%3D", "%2C", "%00", "..", ".", "\\", "\0"),
    fc.string({ unit: "binary" }),
  );
  const path = fc.array(part, { maxLength: 8 }).map((parts) => `/${parts.join("")}`);
  const query = fc.constantFrom("", "wait=3", "lacks=AA", "known=AA&wait=0", "lacks=%", "x");
  fc.assert(fc.property(path, query, (path, query) => {
    const route = parseRoute(path, query);
    if (route === undefined || route.kind === "bad") return;
    const plain = formatRoute(route);
    assert.match(
      plain,
      /^\/(?:[A-Za-z0-9_=,.]+|implementation\/[A-Za-z0-9_=]+(?:\/[a-z0-9/-]+)?(?:\?[\w=&-]+)?)$/,
    );
    assert.deepEqual(parseTarget(plain), route);
  }));
});

Deno.test("a path counts with its question mark and its query", () => {
  const longest = (more: number) => {
    const path = `/implementation/${SHA1NEW}/pieces`;
    return parseRoute(path, "x".repeat(MAX_PATH_LENGTH - path.length - 1 + more));
  };
  assert.equal(longest(0)?.kind, "availability");
  assert.equal(longest(1)?.kind, "bad");
});

Deno.test("whom a URL names is found as it was sent", () => {
  assert.equal(requestAuthority("http://evil.example:80/x?http://mine/"), "evil.example:80");
  assert.equal(requestAuthority("http://[::1]"), "[::1]");
  assert.equal(requestAuthority("http:///x"), null);
});

Deno.test("a bad route has no path", () => {
  assert.throws(() => formatRoute({ kind: "bad", reason: "x" }), TypeError);
});

Deno.test("the path of a request is not resolved before it is read", async () => {
  const paths: string[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      paths.push(requestPath(request.url));
      return new Response();
    },
  );
  const sent = ["/a/../b", "/implementation/%2e%2e/x?q=/y", "/a//b", "/\\..", "/%00", "/?q", "/"];
  for (const path of sent) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
    const request = `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(request));
    await connection.read(new Uint8Array(1024));
  }
  assert.deepEqual(paths, sent.map((path) => path.replace(/\?.*/, "")));
  assert.equal(requestQuery("http://h/a?b=%20&c?d#e?f"), "b=%20&c?d");
  assert.equal(requestQuery("http://h/a#b?c"), "");
});
