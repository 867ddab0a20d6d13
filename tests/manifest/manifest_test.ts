import assert from "node:assert/strict";
import { InvalidManifest, ManifestMismatch } from "../../lib/errors.ts";
import { type Algorithm, ALGORITHMS } from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import { pathOf } from "../../lib/manifest/entry.ts";
import { formatManifest, parseManifest, readManifest } from "../../lib/manifest/manifest.ts";
import { plain } from "./model.ts";

const EMPTY_SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
const A = "0123456789abcdef0123456789abcdef01234567";

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function parse(text: string, algorithm: Algorithm = "sha1new") {
  return parseManifest(algorithm, encode(text));
}

Deno.test("reads each kind of line", () => {
  const text = [
    `F ${A} -5 12 a file`,
    `S ${A} 7 link`,
    `X ${EMPTY_SHA1} 1200000000 0 run`,
    "D /d",
    "D /d/e f",
    `F ${A} 0 9007199254740991 deep`,
    "",
  ].join("\n");
  const { entries, ambiguous } = parse(text);
  assert.equal(ambiguous, false);
  assert.deepEqual([...entries], [
    {
      kind: "file",
      directory: "",
      name: "a file",
      hash: A,
      size: 12,
      mtime: -5,
      executable: false,
    },
    { kind: "symlink", directory: "", name: "link", hash: A, size: 7 },
    {
      kind: "file",
      directory: "",
      name: "run",
      hash: EMPTY_SHA1,
      size: 0,
      mtime: 1_200_000_000,
      executable: true,
    },
    { kind: "directory", directory: "", name: "d" },
    { kind: "directory", directory: "d", name: "e f" },
    {
      kind: "file",
      directory: "d/e f",
      name: "deep",
      hash: A,
      size: Number.MAX_SAFE_INTEGER,
      mtime: 0,
      executable: false,
    },
  ]);
  assert.deepEqual([...entries].map(pathOf), ["a file", "link", "run", "d", "d/e f", "d/e f/deep"]);
});

Deno.test("reads a directory's modification time in the format of sha1", () => {
  assert.deepEqual([...parse("D -7 /d\nD 8 /d/e\n", "sha1").entries], [
    { kind: "directory", directory: "", name: "d", mtime: -7 },
    { kind: "directory", directory: "d", name: "e", mtime: 8 },
  ]);
});

Deno.test("an empty text is the manifest of an empty tree", () => {
  for (const algorithm of ALGORITHMS) {
    const manifest = parse("", algorithm);
    assert.deepEqual(plain(manifest), { algorithm, entries: [], ambiguous: false });
    assert.equal(formatManifest(manifest).length, 0);
  }
});

const F = `F ${A} 0 1`;

const REFUSED: readonly [why: string, text: string, reason: RegExp, algorithm?: Algorithm][] = [
  ["a last line that does not end", `${F} a`, /line 1: its last line does not end/],
  ["an empty line", `${F} a\n\n`, /line 2: a line must begin/],
  ["an unknown line", `L ${A} 1 a\n`, /line 1: a line must begin/],
  ["a line ended the Windows way", `D /d\r\n${F} a\nD /d/e\n`, /line 3/],
  ["a byte order mark", `\ufeff${F} a\n`, /line 1: a line must begin/],
  ["a lower-case kind", `f ${A} 0 1 a\n`, /a line must begin/],
  ["two spaces", `F  ${A} 0 1 a\n`, /must read F HASH/],
  ["a file without a name", `${F} \n`, /must read F HASH/],
  ["a file without a size", `F ${A} 0 a\n`, /must read F HASH/],
  ["an upper-case hash", `F ${A.toUpperCase()} 0 1 a\n`, /must read F HASH/],
  ["the hash of another function", `F ${A} 0 1 a\n`, /must read F HASH/, "sha256new"],
  ["a size with a leading zero", `F ${A} 0 01 a\n`, /must read F HASH/],
  ["a negative size", `F ${A} 0 -1 a\n`, /must read F HASH/],
  ["a size with a sign", `F ${A} 0 +1 a\n`, /must read F HASH/],
  ["a size in hexadecimal", `F ${A} 0 0x1 a\n`, /must read F HASH/],
  ["a size of 2^53", `F ${A} 0 9007199254740992 a\n`, /below 2\^53/],
  ["an endless size", `F ${A} 0 1${"0".repeat(400)} a\n`, /below 2\^53/],
  ["a time with a fraction", `F ${A} 0.5 1 a\n`, /must read F HASH/],
  ["a time of minus zero", `F ${A} -0 1 a\n`, /must read F HASH/],
  ["a time with a leading zero", `F ${A} 01 1 a\n`, /must read F HASH/],
  ["a time below -2^53", `F ${A} -9007199254740992 1 a\n`, /below 2\^53/],
  ["an empty file whose hash is another", `F ${A} 0 0 a\n`, /empty but its hash is not/],
  ["an empty symlink", `S ${A} 0 a\n`, /must read S HASH/],
  ["a symlink with a time", `S ${A} 0 1 a\n`, /must read S HASH/],
  ["a symlink that no system can make", `S ${A} 65536 a\n`, /at most 65535/],
  ["a file in a path", `${F} d/a\n`, /contains a slash/],
  ["a file that climbs", `${F} ..\n`, /"\.\." is not the name/],
  ["a file that is its directory", `${F} .\n`, /"\." is not the name/],
  ["a symlink in a path", `S ${A} 1 ../a\n`, /contains a slash/],
  ["a name with NUL", `${F} a\0b\n`, /contains NUL/],
  ["a directory without a slash", "D d\n", /must read D \/PATH/],
  ["a directory with a time in a new format", "D 5 /d\n", /must read D \/PATH/],
  ["a directory without a time in the old format", "D /d\n", /must read D MTIME/, "sha1"],
  ["a directory time in no canonical form", "D -0 /d\n", /must read D MTIME/, "sha1"],
  ["a line for the root", "D /\n", /must read D \/PATH/],
  ["a directory with a slash at its end", "D /d\nD /d/\n", /line 2: a name is empty/],
  ["a directory with two slashes", "D //d\n", /does not come before/],
  ["a directory with two slashes inside", "D /d\nD /d//e\n", /does not come before/],
  ["a directory that climbs", "D /..\n", /"\.\." is not the name/],
  ["a directory that climbs from below", "D /d\nD /d/..\n", /"\.\." is not the name/],
  ["a directory whose parent climbs", "D /../d\n", /does not come before/],
  ["a directory whose parent does not exist", "D /d/e\n", /line 1: the directory that "\/d\/e"/],
  ["a directory whose parent comes later", "D /d/e\nD /d\n", /does not come before/],
  ["a directory that comes back to its parent", "D /d\nD /e\nD /d/x\n", /line 3.*does not come/],
  ["files in wrong order", `${F} b\n${F} a\n`, /line 2: "a" must come before "b"/],
  ["a file twice", `${F} a\n${F} a\n`, /comes twice/],
  ["a file and a symlink of one name", `${F} a\nS ${A} 1 a\n`, /comes twice/],
  ["a file and a directory of one name", `${F} a\n${F} d\n${F} z\nD /d\n`, /file and a directory/],
  ["directories in wrong order", "D /b\nD /a\n", /"a" must come before "b"/],
  ["directories sorted by path", "D /a\nD /a b\nD /a/x\n", /line 3.*does not come before/],
  ["a directory twice", "D /a\nD /a\n", /comes twice/],
  [
    "names sorted by UTF-16",
    `${F} \u{1f600}\n${F} \uff5e\n`,
    /must come before/,
  ],
  ["names in wrong order in the old format", `${F} b\n${F} a\n`, /must come before/, "sha1"],
  ["a file twice in the old format", `${F} a\n${F} a\n`, /comes twice/, "sha1"],
  [
    "a file before the only directory it could be in",
    `${F} b\nD 0 /c\n${F} b\n${F} a\n`,
    /line 4: "a" must come before "c"/,
    "sha1",
  ],
  ["a file and a directory in the old format", `${F} d\nD 0 /d\n`, /comes twice/, "sha1"],
  [
    "a directory that comes back in the old format",
    `D 0 /d\n${F} a\nD 0 /e\nD 0 /d/x\n`,
    /line 4.*does not come before/,
    "sha1",
  ],
  ["the root's own manifest", `${F} .manifest\n`, /\.manifest cannot be listed/],
  ["the root's own manifest as a symlink", `S ${A} 1 .manifest\n`, /\.manifest cannot be listed/],
  ["the root's own manifest as a directory", "D /.manifest\n", /\.manifest cannot be listed/],
  ["the root's own manifest in the old format", `${F} .manifest\n`, /cannot be listed/, "sha1"],
];

for (const [why, text, reason, algorithm] of REFUSED) {
  Deno.test(`refuses ${why} in a manifest`, () => {
    assert.throws(
      () => parse(text, algorithm),
      (error) => error instanceof InvalidManifest && reason.test(error.message),
    );
  });
}

Deno.test("refuses a manifest that is not UTF-8", () => {
  for (const wrong of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xc3]]) {
    const bytes = new Uint8Array([...encode(`${F} a`), ...wrong, 0x0a]);
    assert.throws(() => parseManifest("sha1new", bytes), /not UTF-8/);
  }
});

Deno.test("takes a name that begins with a byte order mark", () => {
  assert.equal(parse(`${F} \ufeffa\n`).entries.at(0)!.name, "\ufeffa");
});

Deno.test("takes .manifest in a directory below the root", () => {
  const { entries } = parse(`D /d\n${F} .manifest\n`);
  assert.equal(pathOf(entries.at(1)!), "d/.manifest");
});

Deno.test("checks the hash before it reads the manifest of a digest", () => {
  const bytes = encode(`${F} a\n`);
  for (const algorithm of ["sha1", "sha1new"] as const) {
    const digest = digestOf(algorithm, bytes);
    assert.deepEqual(plain(readManifest(digest, bytes)), plain(parseManifest(algorithm, bytes)));
    assert.throws(
      () => readManifest(digest, encode("not a manifest")),
      (error) =>
        error instanceof ManifestMismatch && error.expected === digest &&
        error.actual === digestOf(algorithm, encode("not a manifest")),
    );
  }
  const invalid = encode("right hash, wrong text");
  assert.throws(() => readManifest(digestOf("sha256", invalid), invalid), InvalidManifest);
});

Deno.test("an old manifest is ambiguous where a file could be in two directories", () => {
  assert.equal(parse(`D 0 /a\n${F} x\n`, "sha1").ambiguous, true);
  assert.equal(parse(`D 0 /b\nD 0 /b/a\n${F} ab\n`, "sha1").ambiguous, true);
});

Deno.test("an old manifest is not ambiguous where order leaves one directory only", () => {
  const { entries, ambiguous } = parse(
    `D 0 /b\nD 0 /b/b\n${F} a\n${F} aa\nD 0 /c\n${F} b\n`,
    "sha1",
  );
  assert.equal(ambiguous, false);
  assert.deepEqual([...entries].map(pathOf), ["b", "b/b", "b/b/a", "b/b/aa", "c", "c/b"]);
});

Deno.test("an old manifest goes back up where the name comes before the last one", () => {
  const { entries, ambiguous } = parse(`D 0 /d\nD 0 /d/b\n${F} a\n${F} c\n`, "sha1");
  // "c" follows "a" in /d/b and "b" in /d, but could not follow "d" in the root.
  assert.equal(ambiguous, true);
  assert.deepEqual([...entries].slice(0, 3).map(pathOf), ["d", "d/b", "d/b/a"]);
});

Deno.test("reads many files below a deep chain of directories", () => {
  const chain = Array.from({ length: 300 }, (_, depth) => `D 0 ${"/z".repeat(depth + 1)}\n`);
  const files = Array.from(
    { length: 50_000 },
    (_, index) => `${F} ${String(index).padStart(6, "0")}\n`,
  );
  const { entries, ambiguous } = parse(chain.join("") + files.join(""), "sha1");
  assert.equal(entries.length, 50_300);
  assert.equal(ambiguous, false);
});
