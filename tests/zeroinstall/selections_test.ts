import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidDocument } from "../../lib/errors.ts";
import { type Selection, Selections } from "../../lib/zeroinstall/selections.ts";

const NAMESPACE = "http://zero-install.sourceforge.net/2004/injector/interface";
const SHA256NEW = "A".repeat(52);
const SHA1NEW = "1".repeat(40);

function document(...selections: string[]): string {
  return `<?xml version="1.0"?>
<selections xmlns="${NAMESPACE}" command="run" interface="http://example.com/prog.xml">
  ${selections.join("\n  ")}
</selections>
`;
}

function only(selection: string): Selection {
  const [parsed] = Selections.parse(document(selection)).all;
  return parsed!;
}

Deno.test("a selection has its id, interface, version and digests, preferred first", () => {
  assert.deepEqual(
    only(`<selection id="x" interface="http://example.com/a.xml" version="1.2-pre3">
      <command name="run" path="run"><manifest-digest sha1="no"/></command>
      <manifest-digest sha1new="${SHA1NEW}" sha256new="${SHA256NEW}" future="abc"/>
    </selection>`),
    {
      id: "x",
      interface: "http://example.com/a.xml",
      version: "1.2-pre3",
      digests: [`sha256new_${SHA256NEW}`, `sha1new=${SHA1NEW}`],
    },
  );
});

const DIGESTS: Readonly<Record<string, [string, string[]]>> = {
  "the id, where there is no manifest-digest": [
    `<selection id="sha1new=${SHA1NEW}"/>`,
    [`sha1new=${SHA1NEW}`],
  ],
  "the manifest-digest, where the id is another one": [
    `<selection id="sha1=${SHA1NEW}"><manifest-digest sha256new="${SHA256NEW}"/></selection>`,
    [`sha256new_${SHA256NEW}`],
  ],
  "none of a package of the distribution": [
    `<selection id="package:deb:bash:5:x86_64" package="bash"/>`,
    [],
  ],
  "none of a local directory": [
    `<selection id="sha1new=${SHA1NEW}" local-path="/home/me/src"/>`,
    [],
  ],
  "none of a path": [`<selection id="/home/me/src"/>`, []],
  "none of an unknown algorithm": [
    `<selection id="x"><manifest-digest sha512="abc"/></selection>`,
    [],
  ],
  "none of a malformed value": [
    `<selection id="x"><manifest-digest sha1new="../../etc" sha256="A"/></selection>`,
    [],
  ],
};

for (const [name, [selection, digests]] of Object.entries(DIGESTS)) {
  Deno.test(`the digests of a selection: ${name}`, () => {
    assert.deepEqual(only(selection).digests, digests);
  });
}

const REFUSED: Readonly<Record<string, [string, RegExp]>> = {
  "no XML": ["selections", /not XML/],
  "nothing": ["", /not XML|no element/],
  "a feed": [`<interface xmlns="${NAMESPACE}"/>`, /expected <selections>, found <interface>/],
  "an element without end": [document().replace("</selections>", ""), /not XML/],
  "a document type": [`<!DOCTYPE x [<!ENTITY a "b">]>${document()}`, /document type|not XML/],
  "nesting without end": [`${"<a>".repeat(200_000)}${"</a>".repeat(200_000)}`, /too deep/],
  "more than 16 MiB": [" ".repeat((16 << 20) + 1), /more than 16777216 characters/],
};

for (const [name, [text, reason]] of Object.entries(REFUSED)) {
  Deno.test(`a document is refused: ${name}`, () => {
    assert.throws(() => Selections.parse(text, "it"), (error) => {
      assert.ok(error instanceof InvalidDocument);
      assert.match(error.message, /^Cannot read it: /);
      assert.match(error.message, reason);
      return true;
    });
  });
}

Deno.test("a hundred thousand line ends of Windows take no time", () => {
  const text = document(`<selection id="x"/>`).replaceAll("\n", "\r\n".repeat(20_000));
  assert.deepEqual(Selections.parse(text).all.map(({ id }) => id), ["x"]);
});

const selection = fc.record({
  id: fc.string({ unit: "grapheme" }),
  filling: fc.constantFrom(
    "",
    `<manifest-digest sha256new="${SHA256NEW}"/>`,
    "<!-- </selection> -->",
    "<![CDATA[</selection>]]>",
    "\n    <command name='run'><selection id='inner'/></command>\n",
    "é 😀",
  ),
  kept: fc.boolean(),
});

Deno.test("what is left out of a document is gone, and the rest is as it was", () => {
  fc.assert(fc.property(fc.array(selection), (specs) => {
    const texts = specs.map(({ id, filling }) => {
      // deno-lint-ignore no-control-regex
      const escaped = id.replace(/[&<>"'\x00-\x1f\x7f-\x9f\ufffe\uffff]|[\ud800-\udfff]/g, "_");
      return `<selection id="${escaped}">${filling}</selection>`;
    });
    const selections = Selections.parse(document(...texts));
    assert.equal(selections.all.length, specs.length);
    const chosen = new Set(selections.all.filter((_, index) => specs[index]!.kept));
    const reduced = selections.only(chosen);
    assert.equal(
      reduced.replace(/\s+/g, ""),
      document(...texts.filter((_, index) => specs[index]!.kept)).replace(/\s+/g, ""),
    );
    assert.deepEqual(Selections.parse(reduced).all, [...chosen]);
  }));
});
