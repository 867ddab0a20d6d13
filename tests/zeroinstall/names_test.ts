import assert from "node:assert/strict";
import fc from "fast-check";
import type { Digest } from "../../lib/manifest/digest.ts";
import { findNames } from "../../lib/zeroinstall/names.ts";
import { bytes, digests, feed, value } from "./documents.ts";

const SEEDS = [2, 3, 4, 5, 6, 7];

function named(name: string, ...implementations: [version: string, digest: Digest][]): Uint8Array {
  return bytes(feed(
    implementations.map(([version, digest]) =>
      `<implementation id="${digest}" version="${version}"/>`
    ).join("\n"),
    { name, uri: `http://example.com/${name}.xml` },
  ));
}

Deno.test("the first feed that knows a digest names it, and no more are taken than it needs", () => {
  const [a, b, c] = SEEDS.map((seed) => digests(seed).sha1new);
  let taken = 0;
  function* feeds(): Generator<Uint8Array> {
    for (const one of [named("one", ["1", a!]), named("two", ["2", a!], ["3", b!]), bytes("")]) {
      taken++;
      yield one;
    }
  }
  const name = (name: string, version: string) => ({
    name,
    version,
    feed: `http://example.com/${name}.xml`,
  });
  assert.deepEqual(
    findNames([a!, b!], feeds()),
    new Map([[a, name("one", "1")], [b, name("two", "3")]]),
  );
  assert.equal(taken, 2);
  assert.deepEqual(findNames([c!], feeds()), new Map());
  assert.equal(taken, 5);
  assert.deepEqual(findNames([], feeds()), new Map());
  assert.equal(taken, 5);
});

Deno.test("few and many digests are found alike, as an id and as an attribute", () => {
  const all = SEEDS.flatMap((seed) => Object.values(digests(seed)));
  const documents = SEEDS.map((seed) => {
    const { sha1, sha1new, sha256, sha256new } = digests(seed);
    return bytes(feed(`<group version="${seed}">
      <implementation id="${sha1}"><manifest-digest sha1new='${value(sha1new)}'
        sha256 = "${value(sha256)}" sha256new="${value(sha256new)}"/></implementation></group>`));
  });
  fc.assert(fc.property(fc.uniqueArray(fc.constantFrom(...all)), (wanted) => {
    const found = findNames(wanted, documents);
    assert.deepEqual([...found.keys()].sort(), [...wanted].sort());
    for (const [digest, { version }] of found) {
      assert.ok(Object.values(digests(Number(version))).includes(digest));
    }
  }));
});

Deno.test("a digest that is only spoken of names nothing, nor does what is no feed", () => {
  const [a, b] = SEEDS.map((seed) => digests(seed).sha256new);
  const other = SEEDS.flatMap((seed) => Object.values(digests(seed)));
  const feeds = [
    bytes(`<implementation id="${a}" version="1"/>`),
    bytes(feed(`<!-- ${a} --><homepage>http://example.com/${a}</homepage>`)),
    bytes(`${a} `.repeat(10)),
    new Uint8Array(100).fill(0xff),
    named("good", ["1", b!]),
  ];
  for (const wanted of [[a!, b!], other]) {
    assert.deepEqual([...findNames(wanted, feeds).keys()], [b]);
  }
});
