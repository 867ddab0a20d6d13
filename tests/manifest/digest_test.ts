import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidDigest } from "../../lib/errors.ts";
import {
  algorithmOf,
  ALGORITHMS,
  type Digest,
  hashNameOf,
  isDigest,
  parseDigest,
  parseDigestList,
} from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";

// Of an empty manifest, as Zero Install names an empty tree.
const EMPTY = {
  sha256new: "sha256new_4OYMIQUY7QOBJGX36TEJS35ZEQT24QPEMSNZGTFESWMRW6CSXBKQ",
  sha256: "sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  sha1new: "sha1new=da39a3ee5e6b4b0d3255bfef95601890afd80709",
  sha1: "sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709",
};

const digests: fc.Arbitrary<Digest> = fc.tuple(
  fc.constantFrom(...ALGORITHMS),
  fc.uint8Array(),
).map(([algorithm, bytes]) => digestOf(algorithm, bytes));

Deno.test("a digest is the algorithm's name and the hash of the manifest", () => {
  for (const algorithm of ALGORITHMS) {
    assert.equal(digestOf(algorithm, new Uint8Array()), EMPTY[algorithm]);
  }
});

Deno.test("reads every digest that it makes, and says its algorithm", () => {
  fc.assert(fc.property(fc.constantFrom(...ALGORITHMS), fc.uint8Array(), (algorithm, bytes) => {
    const digest = digestOf(algorithm, bytes);
    assert.equal(parseDigest(digest), digest);
    assert.ok(isDigest(digest));
    assert.equal(algorithmOf(digest), algorithm);
  }));
});

Deno.test("each pair of algorithms shares a hash function", () => {
  assert.deepEqual(ALGORITHMS.map(hashNameOf), ["sha256", "sha256", "sha1", "sha1"]);
});

const REFUSED: readonly [why: string, text: string][] = [
  ["an empty text", ""],
  ["an algorithm alone", "sha256new_"],
  ["an unknown algorithm", EMPTY.sha1.replace("sha1=", "md5=")],
  ["sha256new with an equals sign", EMPTY.sha256new.replace("_", "=")],
  ["sha256 with an underscore", EMPTY.sha256.replace("=", "_")],
  ["an upper-case algorithm", EMPTY.sha1.replace("sha1", "SHA1")],
  ["upper-case hexadecimal", EMPTY.sha1new.replace(/=.*/, (value) => value.toUpperCase())],
  ["lower-case base32", "sha256new_" + EMPTY.sha256new.slice(10).toLowerCase()],
  ["base32 digits that do not exist", EMPTY.sha256new.replace("4", "1")],
  ["base32 whose unused bits are not 0", EMPTY.sha256new.replace(/.$/, "R")],
  ["base32 with padding", EMPTY.sha256new + "===="],
  ["a hexadecimal value for sha256new", EMPTY.sha256.replace("sha256=", "sha256new_")],
  ["a value that is too short", EMPTY.sha1.slice(0, -1)],
  ["a value that is too long", EMPTY.sha1 + "0"],
  ["a value of the other hash function", EMPTY.sha256.replace("sha256=", "sha1=")],
  ["a newline at the end", EMPTY.sha1 + "\n"],
  ["a space at the beginning", " " + EMPTY.sha1],
  ["NUL at the end", EMPTY.sha1 + "\0"],
  ["a path that climbs", "sha1=../../../../../../../../../../../etc/passw"],
  ["an escaped path", EMPTY.sha1.replace("da39", "%2e%")],
  ["digits of another script", EMPTY.sha1.replace("3", "\u0663")],
];

for (const [why, text] of REFUSED) {
  Deno.test(`refuses ${why} as a digest`, () => {
    assert.throws(() => parseDigest(text), InvalidDigest);
    assert.equal(isDigest(text), false);
  });
}

const FOUND: readonly [text: string, found: string][] = [
  [EMPTY.sha256new.replace("QUY", "qUY"), '"q" as character 6'],
  [EMPTY.sha256new.replace("4", "0"), '"0" as character 1'],
  [EMPTY.sha256new.replace(/.$/, "R"), '"R" as character 52'],
  [EMPTY.sha256new.replace(/.$/, "\u{1f600}"), '"\u{1f600}" as character 52'],
  [EMPTY.sha256.replace("e3b", "e3B"), '"B" as character 3'],
  [EMPTY.sha1new.replace("709", "7o9"), '"o" as character 39'],
  [EMPTY.sha1 + "\n", '"\\n" as character 41'],
  ["sha1new=84e3…", '"…" as character 5'],
  [EMPTY.sha1.slice(0, -1), "39 characters"],
  [EMPTY.sha1 + "0", "41 characters"],
  [EMPTY.sha256new + "A", "53 characters"],
  ["sha1=0", "1 character"],
  ["sha256new_", "0 characters"],
];

for (const [text, found] of FOUND) {
  Deno.test(`finds ${found} in a value that is none`, () => {
    assert.throws(() => parseDigest(text), (error: InvalidDigest) => {
      assert.equal(/, found (.*)$/.exec(error.message)?.[1], found);
      return true;
    });
  });
}

Deno.test("gives no digest a second spelling", () => {
  const position = fc.nat();
  const replacement = fc.constantFrom("", ..."aAfFqQrRzZ0129_=,/ \n\0");
  fc.assert(fc.property(digests, position, replacement, (digest, at, character) => {
    const index = at % (digest.length + 1);
    const changed = digest.slice(0, index) + character + digest.slice(index + 1);
    fc.pre(changed !== digest);
    const bits = isDigest(changed) ? valueOf(changed) : undefined;
    assert.notDeepEqual(bits, valueOf(digest));
  }));
});

/** The bytes that a digest names, by a decoder that is not strict, and the algorithm. */
function valueOf(digest: Digest): unknown {
  const algorithm = algorithmOf(digest);
  const value = digest.slice(algorithm.length + 1);
  if (algorithm !== "sha256new") return [algorithm, BigInt(`0x${value}`)];
  const bits = [...value].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c));
  return [algorithm, bits.reduce((all, five) => all * 32n + BigInt(five), 0n) >> 4n];
}

Deno.test("sorts a list of digests by preference and drops repetitions", () => {
  const { sha1, sha1new, sha256, sha256new } = EMPTY;
  assert.deepEqual(parseDigestList(sha1), [sha1]);
  assert.deepEqual(parseDigestList([sha1, sha256new, sha1, sha1new, sha256].join()), [
    sha256new,
    sha256,
    sha1new,
    sha1,
  ]);
});

Deno.test("refuses a list with something in it that is no digest", () => {
  for (
    const text of ["", ",", `${EMPTY.sha1},`, `,${EMPTY.sha1}`, `${EMPTY.sha1}, ${EMPTY.sha1}`]
  ) {
    assert.throws(() => parseDigestList(text), InvalidDigest, text);
  }
});

Deno.test("refuses a list whose digests cannot be of one tree", () => {
  const other = digestOf("sha1", new Uint8Array(1));
  assert.throws(() => parseDigestList(`${EMPTY.sha1},${other}`), /two different trees/);
});
