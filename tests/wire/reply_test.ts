import assert from "node:assert/strict";
import fc from "fast-check";
import type { Digest } from "../../lib/manifest/digest.ts";
import { MAX_DATAGRAM_SIZE } from "../../lib/wire/limits.ts";
import { decodeReply, encodeReply, type OfferState } from "../../lib/wire/reply.ts";
import { bytes, datagram, digest, id, nonce, text } from "./arbitraries.ts";

const SHA1NEW = "sha1new=84e37424bbb87a077e25cec87d3c668f12726817" as Digest;
const SHA256NEW = "sha256new_3TFGCZWVXWFMWJRSCEDRIOTDCXXYDGW4XPMOXLVBQJBEX3LBAFKA" as Digest;
const NONCE = "0123456789abcdef";
const ID = "00ff00ff00ff00ff";

const reply = fc.record({
  port: fc.integer({ min: 1, max: 65535 }),
  id: fc.option(id, { nil: undefined }),
  offers: fc.uniqueArray(
    fc.record({ digest, state: fc.constantFrom<OfferState>("have", "partial", "pending") }, {
      noNullPrototype: true,
    }),
    { minLength: 1, maxLength: 16, selector: (offer) => offer.digest },
  ),
  nonce: fc.option(nonce, { nil: undefined }),
}, { noNullPrototype: true });

Deno.test("a reply is the port, a line for each offer, and the nonce last", () => {
  const offers = [
    { digest: SHA256NEW, state: "have" },
    { digest: SHA1NEW, state: "pending" },
  ] as const;
  assert.equal(
    text(encodeReply({ port: 38339, offers, nonce: NONCE })),
    `0share-reply\nport 38339\nhave ${SHA256NEW}\npending ${SHA1NEW}\nnonce ${NONCE}\n`,
  );
});

Deno.test("a server that is reached on several ways says that it is the same", () => {
  const datagram = encodeReply({
    port: 38339,
    id: ID,
    offers: [{ digest: SHA1NEW, state: "have" }],
    nonce: NONCE,
  });
  assert.equal(
    text(datagram),
    `0share-reply\nport 38339\nid ${ID}\nhave ${SHA1NEW}\nnonce ${NONCE}\n`,
  );
  assert.equal(decodeReply(datagram)?.id, ID);
});

Deno.test("an id that is none is passed over, and of several the last one counts", () => {
  const head = `0share-reply\nport 1\nhave ${SHA1NEW}\n`;
  for (const id of ["", "0", ID.toUpperCase(), `${ID}0`, ` ${ID}`, `${ID} `, `${ID}\r`]) {
    assert.equal(decodeReply(bytes(`${head}id ${id}\n`))?.id, undefined, id);
    assert.equal(decodeReply(bytes(`${head}id ${NONCE}\nid ${ID}\nid ${id}\n`))?.id, ID, id);
  }
});

Deno.test("what is replied is what is heard", () => {
  fc.assert(fc.property(reply, (reply) => {
    const { id, ...rest } = reply;
    // What has no id is read without one, not with one that is undefined.
    const expected = id === undefined ? rest : reply;
    assert.deepEqual(decodeReply(encodeReply(reply)), expected);
  }));
});

Deno.test("offers that do not fit are left out, and the nonce is not", () => {
  const offers = Array.from({ length: 40 }, (_, index) => ({
    digest: `sha1=${String(index).padStart(40, "0")}` as Digest,
    state: "have" as const,
  }));
  const datagram = encodeReply({ port: 65535, id: ID, offers, nonce: NONCE });
  const heard = decodeReply(datagram)!;
  assert.ok(datagram.length <= MAX_DATAGRAM_SIZE && datagram.length > MAX_DATAGRAM_SIZE - 51);
  assert.deepEqual(heard.offers, offers.slice(0, heard.offers.length));
  assert.equal(heard.nonce, NONCE);
});

Deno.test("refuses to send a port, a nonce or an id that is none", () => {
  for (const port of [0, -1, 65536, 1.5, NaN]) {
    assert.throws(() => encodeReply({ port, offers: [] }), RangeError);
  }
  assert.throws(() => encodeReply({ port: 1, offers: [], nonce: "x" }), TypeError);
  assert.throws(() => encodeReply({ port: 1, offers: [], id: "x" }), TypeError);
});

Deno.test("what is no reply is undefined", () => {
  const not = [
    "",
    "0share-reply\n",
    `0share-reply\nport 38339\n`,
    `0share-reply\nhave ${SHA1NEW}\n`,
    `0share-reply\nport 0\nhave ${SHA1NEW}\n`,
    `0share-reply\nport 65536\nhave ${SHA1NEW}\n`,
    `0share-reply\nport 038339\nhave ${SHA1NEW}\n`,
    `0share-reply\nport +8\nhave ${SHA1NEW}\n`,
    `0share-reply\nport 1e3\nhave ${SHA1NEW}\n`,
    `0share-reply\nport 1\nport 2\nhave ${SHA1NEW}\n`,
    `0share-reply\nport 1\nport x\nhave ${SHA1NEW}\n`,
    `0share-reply\nport 1\nhave ${SHA1NEW.slice(1)}\n`,
    `0share-reply\nport 1\nhas ${SHA1NEW}\n`,
    `0share\nport 1\nhave ${SHA1NEW}\n`,
    `0share-reply\nport 1\nhave ${SHA1NEW}\n${"x".repeat(MAX_DATAGRAM_SIZE)}`,
  ];
  for (const datagram of not) assert.equal(decodeReply(bytes(datagram)), undefined, datagram);
});

Deno.test("of two lines about one digest the first counts", () => {
  const heard = decodeReply(bytes(`0share-reply\nport 1\npartial ${SHA1NEW}\nhave ${SHA1NEW}\n`));
  assert.deepEqual(heard?.offers, [{ digest: SHA1NEW, state: "partial" }]);
});

Deno.test("lines that are not known are passed over", () => {
  const heard = decodeReply(
    bytes(`0share-reply\n\nspeed 9\nport 7\nlost ${SHA1NEW}\nhave ${SHA256NEW}`),
  );
  assert.deepEqual(heard, {
    port: 7,
    offers: [{ digest: SHA256NEW, state: "have" }],
    nonce: undefined,
  });
});

Deno.test("reads whatever bytes without throwing, and finds in them only what it could send", () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    datagram("0share-reply"),
    datagram("0share-reply\nport 9"),
  );
  fc.assert(fc.property(anything, (datagram) => {
    const found = decodeReply(datagram);
    if (found !== undefined) assert.deepEqual(decodeReply(encodeReply(found)), found);
  }));
});
