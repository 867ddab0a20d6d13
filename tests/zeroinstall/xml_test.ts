import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidDocument } from "../../lib/errors.ts";
import { type Element, MAX_XML_BYTES, parseDocument } from "../../lib/zeroinstall/xml.ts";
import { bytes, NAMESPACE } from "./documents.ts";

function parse(text: string): Element {
  return parseDocument(bytes(text), "document");
}

function refused(document: Uint8Array, reason: RegExp): void {
  assert.throws(() => parseDocument(document, "feed"), (error) => {
    assert.ok(error instanceof InvalidDocument);
    assert.match(error.message, /^Cannot read feed: it/);
    assert.match(error.message, reason);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

Deno.test("elements and attributes are found by namespace, whatever the prefix is", () => {
  for (
    const text of [
      `<a xmlns="${NAMESPACE}" k="1"><b>x</b><c xmlns="other"><b/></c></a>`,
      `<z:a xmlns:z="${NAMESPACE}" k="1" z:k="2"><z:b>x</z:b><b/><y:b xmlns:y="other"/></z:a>`,
      `<z:a xmlns:z="other" xmlns="${NAMESPACE}" k="1"><z:b/><b>x</b><q:b/></z:a>`,
      `<a xmlns="${NAMESPACE}" xmlns:z="${NAMESPACE}" k="1"><z:b><![CDATA[x]]></z:b></a>`,
      `\ufeff<a xmlns="${NAMESPACE}" k="1"><!-- <b/> --><b><?b b?>x<!-- y --></b></a>`,
    ]
  ) {
    const root = parse(text);
    assert.equal(root.name, "a", text);
    assert.deepEqual({ ...root.attributes }, { k: "1" }, text);
    assert.deepEqual(root.children().map((child) => [child.name, child.text()]), [["b", "x"]]);
  }
});

Deno.test("an inner declaration counts for what is inside it, and no further", () => {
  const root = parse(
    `<a xmlns="${NAMESPACE}"><z:b xmlns:z="${NAMESPACE}"><z:c/></z:b><z:b/><b xmlns=""/></a>`,
  );
  assert.deepEqual(root.children().map(({ name }) => name), ["b"]);
  assert.deepEqual(root.children()[0]!.children().map(({ name }) => name), ["c"]);
});

Deno.test("attributes have no prototype that a document could reach", () => {
  const { attributes } = parse('<a __proto__="x" constructor="y"/>');
  assert.equal(attributes["__proto__"], "x");
  assert.equal(attributes["toString"], undefined);
});

Deno.test("entities do not grow, and nothing outside of the document is looked at", () => {
  const bomb = '<!DOCTYPE a [<!ENTITY b "xxxx"><!ENTITY c "&b;&b;">]><a>&c;</a>';
  refused(bytes(bomb), /it has a document type/);
  refused(bytes("<a>&c;</a>"), /it is not XML/);
  refused(
    bytes('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    /it has a document type/,
  );
  assert.equal(parse("<a>&lt;&#65;&amp;</a>").text(), "<A&");
});

Deno.test("what is no document is refused with the reason", () => {
  refused(bytes(""), /it is not XML/);
  refused(bytes("<a>"), /it is not XML/);
  refused(bytes("<a></b>"), /it is not XML/);
  refused(bytes("<a/><b/>"), /it is not XML/);
  refused(bytes('<a b="1" b="2"/>'), /it is not XML/);
  refused(new Uint8Array([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e]), /it is not UTF-8/);
  refused(new Uint8Array(MAX_XML_BYTES + 1), /it may have 16777216 bytes at most, and has/);
});

Deno.test("nesting without end is refused, and not followed", () => {
  refused(bytes("<a>".repeat(500_000)), /nested too deep|not XML/);
  refused(
    bytes("<a>".repeat(500_000) + "</a>".repeat(500_000)),
    /its elements are nested too deep/,
  );
});

Deno.test("a document from Windows is read as any other, also a long one", () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `${i}`);
  assert.equal(parse(`<a>\r\n${lines.join("\r\n")}\r</a>`).text(), `\n${lines.join("\n")}\n`);
});

Deno.test("more prefixes than anybody needs are not known", () => {
  const declarations = Array.from({ length: 1000 }, (_, i) => `xmlns:p${i}="${NAMESPACE}"`);
  const root = parse(`<a ${declarations.join(" ")}><p0:b/><p999:b/></a>`);
  assert.equal(root.children().length, 1);
});

Deno.test("whatever the bytes are, there is a document or the one error", () => {
  const pieces = fc.constantFrom(
    ...[
      "<",
      ">",
      "/",
      "a",
      "b",
      " ",
      "=",
      '"',
      "&",
      ";",
      "#",
      "x",
      "<!--",
      "-->",
      "<![CDATA[",
      "]]>",
    ],
    ...[
      "<?",
      "?>",
      "<!DOCTYPE",
      "xmlns",
      ":",
      `xmlns="${NAMESPACE}"`,
      "<a>",
      "</a>",
      "<a/>",
      "\ufeff",
    ],
  );
  const walk = (element: Element): void => {
    element.text();
    element.children().forEach(walk);
  };
  fc.assert(fc.property(
    fc.oneof(
      fc.array(pieces, { maxLength: 40 }).map((list) => bytes(list.join(""))),
      fc.array(pieces, { maxLength: 40 }).map((list) => bytes(`<a>${list.join("")}</a>`)),
      fc.uint8Array({ maxLength: 100 }),
    ),
    (document) => {
      try {
        walk(parseDocument(document, "document"));
      } catch (error) {
        assert.ok(error instanceof InvalidDocument, String(error));
      }
    },
  ));
});
