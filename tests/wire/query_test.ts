import assert from "node:assert/strict";
import fc from "fast-check";
import type { Digest } from "../../lib/manifest/digest.ts";
import { MAX_DATAGRAM_SIZE } from "../../lib/wire/limits.ts";
import { decodeQuery, encodeQuery } from "../../lib/wire/query.ts";
import { encodeReply } from "../../lib/wire/reply.ts";
import { bytes, datagram, digest, id, nonce, text } from "./arbitraries.ts";

const SHA1NEW = "sha1new=84e37424bbb87a077e25cec87d3c668f12726817" as Digest;
const SHA256NEW = "sha256new_3TFGCZWVXWFMWJRSCEDRIOTDCXXYDGW4XPMOXLVBQJBEX3LBAFKA" as Digest;
const NONCE = "0123456789abcdef";
const ID = "00ff00ff00ff00ff";

const query = fc.record({
  digests: fc.uniqueArray(digest, { minLength: 1, maxLength: 80 }),
  port: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
  id: fc.option(id, { nil: undefined }),
  claims: fc.constantFrom(true, undefined),
  nonce: fc.option(nonce, { nil: undefined }),
}, { noNullPrototype: true });

Deno.test("a query is a line for each digest, and the nonce last", () => {
  const [only, ...more] = encodeQuery({ digests: [SHA256NEW, SHA1NEW], nonce: NONCE });
  assert.equal(text(only!), `0share\n${SHA256NEW}\n${SHA1NEW}\nnonce ${NONCE}\n`);
  assert.equal(more.length, 0);
});

Deno.test("reads the query of 2008's program, which has neither nonce nor last newline", () => {
  const found = decodeQuery(bytes(`0share\n${SHA1NEW}`));
  assert.deepEqual(found, { digests: [SHA1NEW], nonce: undefined });
});

Deno.test("what is asked is what is heard, whatever the number of datagrams", () => {
  fc.assert(fc.property(query, ({ digests, port, id, claims, nonce }) => {
    const datagrams = encodeQuery({ digests, port, id, claims, nonce });
    const heard = datagrams.map((datagram) => decodeQuery(datagram)!);
    assert.deepEqual(heard.flatMap((query) => query.digests), digests);
    assert.ok(
      heard.every((query) =>
        query.port === port && query.id === id && query.claims === claims && query.nonce === nonce
      ),
    );
  }));
});

Deno.test("a query and every reply to it fit in a datagram, and the reply is hardly larger", () => {
  fc.assert(fc.property(query, id, ({ digests, port, id, claims, nonce }, own) => {
    for (const datagram of encodeQuery({ digests, port, id, claims, nonce })) {
      const asked = decodeQuery(datagram)!;
      const offers = asked.digests.map((digest) => ({ digest, state: "partial" as const }));
      const reply = encodeReply({ port: 65535, id: own, offers, nonce: asked.nonce });
      assert.ok(datagram.length <= MAX_DATAGRAM_SIZE && reply.length <= MAX_DATAGRAM_SIZE);
      assert.ok(reply.length - datagram.length <= 37 + 8 * offers.length);
      for (const digest of asked.digests) assert.ok(text(reply).includes(` ${digest}\n`));
    }
  }));
});

Deno.test("uses no more datagrams than are needed", () => {
  const digests = Array.from(
    { length: 40 },
    (_, index) => `sha1=${String(index).padStart(40, "0")}` as Digest,
  );
  assert.deepEqual(encodeQuery({ digests }).map((each) => decodeQuery(each)!.digests.length), [
    24,
    16,
  ]);
});

Deno.test("asks for a digest once", () => {
  const [only] = encodeQuery({ digests: [SHA1NEW, SHA1NEW] });
  assert.equal(text(only!), `0share\n${SHA1NEW}\n`);
  assert.deepEqual(decodeQuery(bytes(`0share\n${SHA1NEW}\n${SHA1NEW}\n`))?.digests, [SHA1NEW]);
});

Deno.test("sends nothing for no digest", () => {
  assert.deepEqual(encodeQuery({ digests: [], nonce: NONCE }), []);
});

Deno.test("refuses to send a nonce that is none", () => {
  for (const nonce of ["", "0123", NONCE.toUpperCase(), `${NONCE}\n${SHA1NEW}`]) {
    assert.throws(() => encodeQuery({ digests: [SHA1NEW], nonce }), TypeError);
  }
});

Deno.test("passes over lines that it does not know, and digests that are none", () => {
  const lines = ["0share", "future thing", `${SHA1NEW}0`, SHA1NEW.toUpperCase(), SHA256NEW, "\0"];
  assert.deepEqual(decodeQuery(bytes(lines.join("\n"))), {
    digests: [SHA256NEW],
    nonce: undefined,
  });
});

Deno.test("who gets what it asks for says where it shares it", () => {
  const [only] = encodeQuery({ digests: [SHA1NEW], port: 40_123, nonce: NONCE });
  assert.equal(text(only!), `0share\n${SHA1NEW}\nport 40123\nnonce ${NONCE}\n`);
  assert.equal(decodeQuery(only!)?.port, 40_123);
});

Deno.test("a port that is none is passed over, and of several the last one counts", () => {
  for (const port of ["0", "65536", "080", "+80", "80 ", "8e1", "x", ""]) {
    assert.equal(decodeQuery(bytes(`0share\n${SHA1NEW}\nport ${port}\n`))?.port, undefined, port);
    const found = decodeQuery(bytes(`0share\nport 7\n${SHA1NEW}\nport 8\nport ${port}\n`));
    assert.equal(found?.port, 8, port);
  }
});

Deno.test("who gets what it asks for says which server that is, on all of its addresses", () => {
  const [only] = encodeQuery({ digests: [SHA1NEW], port: 40_123, id: ID, nonce: NONCE });
  assert.equal(text(only!), `0share\n${SHA1NEW}\nport 40123\nid ${ID}\nnonce ${NONCE}\n`);
  assert.equal(decodeQuery(only!)?.id, ID);
});

Deno.test("an id that is none is passed over, and of several the last one counts", () => {
  for (const id of ["", "0", ID.toUpperCase(), `${ID}0`, ` ${ID}`, `${ID} `, `${ID}\r`]) {
    assert.equal(decodeQuery(bytes(`0share\n${SHA1NEW}\nid ${id}\n`))?.id, undefined, id);
    const found = decodeQuery(bytes(`0share\nid ${NONCE}\n${SHA1NEW}\nid ${ID}\nid ${id}\n`));
    assert.equal(found?.id, ID, id);
  }
});

Deno.test("refuses to send an id that is none", () => {
  for (const id of ["", "0123", ID.toUpperCase(), `${ID}\n${SHA1NEW}`]) {
    assert.throws(() => encodeQuery({ digests: [SHA1NEW], id }), TypeError);
  }
});

Deno.test("who is going to download what it asks for claims it", () => {
  const [only] = encodeQuery({ digests: [SHA1NEW], id: ID, claims: true, nonce: NONCE });
  assert.equal(text(only!), `0share\n${SHA1NEW}\nid ${ID}\nclaim\nnonce ${NONCE}\n`);
  assert.equal(decodeQuery(only!)?.claims, true);
  assert.equal(
    text(encodeQuery({ digests: [SHA1NEW], claims: false })[0]!),
    `0share\n${SHA1NEW}\n`,
  );
});

Deno.test("what is nearly a claim is none", () => {
  for (const line of ["claim ", " claim", "Claim", "claims", "claim\r", `claim ${SHA1NEW}`, ""]) {
    assert.equal(decodeQuery(bytes(`0share\n${SHA1NEW}\n${line}\n`))?.claims, undefined, line);
  }
});

Deno.test("refuses to send a port that is none", () => {
  for (const port of [0, -1, 65536, 1.5, NaN]) {
    assert.throws(() => encodeQuery({ digests: [SHA1NEW], port }), RangeError);
  }
});

Deno.test("of several nonces the last counts, wherever it stands", () => {
  const other = "fedcba9876543210";
  const found = decodeQuery(bytes(`0share\nnonce ${other}\nnonce ${NONCE}\n${SHA1NEW}\n`));
  assert.equal(found?.nonce, NONCE);
});

Deno.test("what is no query is undefined", () => {
  const not = [
    "",
    "\n",
    "0share",
    "0share\n",
    `0share \n${SHA1NEW}`,
    `0share\r\n${SHA1NEW}`,
    `0SHARE\n${SHA1NEW}`,
    `\uFEFF0share\n${SHA1NEW}`,
    `0share-reply\n${SHA1NEW}`,
    `0share\nsha1new=../../etc\n`,
    `0share\n${SHA1NEW}\n${"x".repeat(MAX_DATAGRAM_SIZE)}`,
  ];
  for (const datagram of not) assert.equal(decodeQuery(bytes(datagram)), undefined, datagram);
});

Deno.test("reads whatever bytes without throwing, and finds in them only what it could send", () => {
  const anything = fc.oneof(fc.uint8Array({ maxLength: 2000 }), datagram("0share"));
  fc.assert(fc.property(anything, (datagram) => {
    const found = decodeQuery(datagram);
    if (found === undefined) return;
    const again = encodeQuery(found).map((each) => decodeQuery(each)!);
    assert.deepEqual(again.flatMap((each) => each.digests), found.digests);
    assert.equal(again[0]!.port, found.port);
    assert.equal(again[0]!.id, found.id);
    assert.equal(again[0]!.claims, found.claims);
    assert.equal(again[0]!.nonce, found.nonce);
  }));
});

Deno.test("a query with one byte changed asks for nothing that it does not spell out", () => {
  const [datagram] = encodeQuery({ digests: [SHA256NEW], nonce: NONCE });
  fc.assert(
    fc.property(fc.nat(datagram!.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const changed = datagram!.slice();
      changed[at] = (changed[at]! + by) % 256;
      const found = decodeQuery(changed);
      if (found === undefined) return;
      const lines = new TextDecoder("latin1").decode(changed).split("\n");
      assert.deepEqual([lines[0], found.digests], [
        "0share",
        lines.filter((line) => line.startsWith("sha")),
      ]);
    }),
  );
});
