import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidDocument } from "../../lib/errors.ts";
import { isDigest } from "../../lib/manifest/digest.ts";
import { type Feed, parseFeed } from "../../lib/zeroinstall/feeds.ts";
import { bytes, digests, feed, NAMESPACE, SIGNATURE, value } from "./documents.ts";

const A = digests(2);
const B = digests(3);
const C = digests(4);

function parse(text: string): Feed {
  return parseFeed(bytes(text));
}

Deno.test("a feed gives its name and URI, and what each implementation is", () => {
  const parsed = parse(feed(`
    <group license="GPL v3" main="editor">
      <requires interface="http://example.com/lib.xml"><version before="3"/></requires>
      <implementation arch="Linux-x86_64" id="${A.sha1new}" released="2020-01-02" version="1.0">
        <manifest-digest sha256="${value(A.sha256)}" sha256new="${value(A.sha256new)}"/>
        <archive href="http://example.com/editor-1.0.tar.bz2" size="1234"/>
      </implementation>
      <implementation id="${B.sha256}" released="2020-02-02" version="1.1-rc1"/>
    </group>
    <package-implementation package="editor" version="9"/>
  `));
  assert.deepEqual(parsed, {
    name: "Editor",
    uri: "http://example.com/editor.xml",
    implementations: [
      { digests: [A.sha1new, A.sha256, A.sha256new], version: "1.0" },
      { digests: [B.sha256], version: "1.1-rc1" },
    ],
  });
});

Deno.test("a version is inherited from the nearest group, with its modifier", () => {
  const implementation = (attributes: string) => `<implementation id="x" ${attributes}/>`;
  const parsed = parse(feed(`
    ${implementation('version="0.1"')}
    ${implementation("")}
    <group version="1.0">
      ${implementation("")}
      ${implementation('version="1.1"')}
      ${implementation('version-modifier="-pre2"')}
      <group version="2" version-modifier="-post">
        ${implementation("")}
        <group version="3">${implementation("")}</group>
        <group version-modifier="">${implementation("")}</group>
      </group>
      ${implementation("")}
    </group>
    <group version-modifier="-rc1">${implementation('version="4"')}${implementation("")}</group>
  `));
  assert.deepEqual(parsed.implementations.map(({ version }) => version), [
    "0.1",
    undefined,
    "1.0",
    "1.1",
    "1.0-pre2",
    "2-post",
    "3-post",
    "2",
    "1.0",
    "4-rc1",
    undefined,
  ]);
});

Deno.test("digests come from the id and from every manifest-digest, each once", () => {
  const parsed = parse(feed(`
    <implementation id="${A.sha1}" version="1">
      <manifest-digest sha1="${value(A.sha1)}" sha1new="${value(A.sha1new)}"/>
      <manifest-digest sha256new="${value(A.sha256new)}"/>
    </implementation>
    <implementation id="${B.sha256new}" version="1"/>
    <implementation id="build-of-today" version="1">
      <manifest-digest sha256new="${value(C.sha256new)}"/>
    </implementation>
  `));
  assert.deepEqual(parsed.implementations.map(({ digests }) => digests), [
    [A.sha1, A.sha1new, A.sha256new],
    [B.sha256new],
    [C.sha256new],
  ]);
});

Deno.test("what cannot be a digest is none", () => {
  const parsed = parse(feed(`
    <implementation id="." local-path="." version="1"/>
    <implementation id="/usr/share/editor" version="1"/>
    <implementation id="package:deb:editor:1.0:x86_64" version="1"/>
    <implementation id="sha1=../../etc/passwd" version="1"/>
    <implementation id="SHA1=${value(A.sha1)}" version="1"/>
    <implementation version="1">
      <manifest-digest sha256new="${value(A.sha256)}" sha256="" sha512="${"0".repeat(128)}"
        sha1new=" ${value(A.sha1new)}" sha256new_="${value(A.sha256new)}"
        xmlns:x="other" x:sha1="${value(A.sha1)}"/>
      <manifest-digest xmlns="other" sha1="${value(A.sha1)}"/>
    </implementation>
  `));
  assert.deepEqual(parsed.implementations.map(({ digests }) => digests), [[], [], [], [], [], []]);
});

Deno.test("other namespaces, and a prefix for Zero Install's own, are understood", () => {
  const parsed = parse(`<?xml version="1.0" encoding="utf-8"?>
    <zi:interface xmlns:zi="${NAMESPACE}" xmlns:compile="http://other/" xmlns="http://third/">
      <name>Wrong</name>
      <compile:name>Wrong</compile:name>
      <zi:name> Der
        Köder 🎣 </zi:name>
      <capabilities><zi:implementation id="${A.sha1}" version="1"/></capabilities>
      <implementation id="${A.sha1}" version="1"/>
      <zi:group compile:version="8" version="9">
        <zi:implementation compile:id="${A.sha1}" id="${B.sha1}"/>
      </zi:group>
    </zi:interface>${SIGNATURE}`);
  assert.deepEqual(parsed, {
    name: "Der Köder 🎣",
    uri: undefined,
    implementations: [{ digests: [B.sha1], version: "9" }],
  });
});

Deno.test("a catalogue's <feed> is a feed, and anything else is refused", () => {
  assert.equal(parse(`<feed xmlns="${NAMESPACE}"><name>a</name></feed>`).name, "a");
  const wrong = {
    "its root must be <interface>": [
      `<selections xmlns="${NAMESPACE}"/>`,
      "<interface><name>a</name></interface>",
      '<interface xmlns="other"><name>a</name></interface>',
    ],
    "it has no <name>": [
      `<interface xmlns="${NAMESPACE}"/>`,
      `<interface xmlns="${NAMESPACE}"><name> </name></interface>`,
      `<interface xmlns="${NAMESPACE}"><group><name>a</name></group></interface>`,
    ],
    "its groups are nested too deep": [
      feed("<group>".repeat(101) + "</group>".repeat(101)),
    ],
  };
  for (const [reason, texts] of Object.entries(wrong)) {
    for (const text of texts) {
      assert.throws(() => parseFeed(bytes(text), 'feed "x"'), (error) => {
        assert.ok(error instanceof InvalidDocument);
        assert.ok(error.message.startsWith(`Cannot read feed "x": ${reason}`), error.message);
        return true;
      });
    }
  }
});

/** A feed's tree of groups: what each level adds, and what is expected of its implementations. */
type Group = { version?: string; modifier?: string; implementations: string[]; groups: Group[] };

const version = fc.stringMatching(/^[1-9]{1,3}$/);
const optional = (name: string) => fc.record({ [name]: version }, { requiredKeys: [] });
function groupOf(depth: number): fc.Arbitrary<Group> {
  return fc.tuple(
    optional("version"),
    optional("modifier"),
    fc.array(fc.stringMatching(/^[2-7]$/), { maxLength: 3 }),
    depth === 0 ? fc.constant<Group[]>([]) : fc.array(groupOf(depth - 1), { maxLength: 3 }),
  ).map(([one, other, implementations, groups]) => ({ ...one, ...other, implementations, groups }));
}

Deno.test("however groups are nested, every implementation has what it inherits", () => {
  const write = (group: Group): string =>
    `<group${group.version ? ` version="${group.version}"` : ""}${
      group.modifier ? ` version-modifier="${group.modifier}"` : ""
    }>${
      group.implementations.map((seed) => `<implementation id="${digests(Number(seed)).sha1}"/>`)
        .join("\n")
    }${group.groups.map(write).join("")}</group>`;
  const expected = (group: Group, above: { version?: string; modifier?: string }): unknown[] => {
    const own = { ...above, ...group };
    return [
      ...group.implementations.map((seed) => ({
        digests: [digests(Number(seed)).sha1],
        version: own.version === undefined ? undefined : own.version + (own.modifier ?? ""),
      })),
      ...group.groups.flatMap((inner) => {
        const { version, modifier } = own;
        return expected(inner, {
          ...(version === undefined ? {} : { version }),
          ...(modifier === undefined ? {} : { modifier }),
        });
      }),
    ];
  };
  fc.assert(fc.property(groupOf(3), (group) => {
    assert.deepEqual(parse(feed(write(group))).implementations, expected(group, {}));
  }));
});

Deno.test("a feed that is damaged anywhere is read or refused, and gives digests only", () => {
  const good = bytes(feed(`<group version="1"><implementation id="${A.sha1}">
    <manifest-digest sha256new="${value(A.sha256new)}"/></implementation></group>`));
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
    fc.nat(good.length),
    (changes, length) => {
      const damaged = good.slice(0, changes.length % 2 === 0 ? good.length : length);
      for (const [at, byte] of changes) if (at < damaged.length) damaged[at] = byte;
      try {
        for (const { digests } of parseFeed(damaged).implementations) {
          assert.ok(digests.every(isDigest));
        }
      } catch (error) {
        assert.ok(error instanceof InvalidDocument, String(error));
      }
    },
  ));
});
