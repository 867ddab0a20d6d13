import assert from "node:assert/strict";
import { posix, win32 } from "node:path";
import fc from "fast-check";
import { InvalidManifest } from "../../lib/errors.ts";
import { checkName, nameProblem, windowsNameProblem } from "../../lib/manifest/safe_path.ts";

const REFUSED: readonly [why: string, name: string, reason: RegExp][] = [
  ["an empty name", "", /empty/],
  ["the directory itself", ".", /"\."/],
  ["a name that climbs out of the directory", "..", /"\.\."/],
  ["a path", "a/b", /slash/],
  ["an absolute path", "/", /slash/],
  ["a newline", "a\nb", /newline/],
  ["NUL", "a\0", /NUL/],
  ["a lone surrogate", "a\ud800", /surrogate/],
];

for (const [why, name, reason] of REFUSED) {
  Deno.test(`refuses ${why} as a name`, () => {
    assert.throws(
      () => checkName(name),
      (error) => error instanceof InvalidManifest && reason.test(error.message),
    );
  });
}

Deno.test("takes every name that a Linux file system takes, unless it has a newline", () => {
  for (const name of ["...", " ", "a\\b", "-", "~", "\ufeff", "\u{1f600}", "\r", "con", ".x"]) {
    checkName(name);
  }
});

Deno.test("a name without a problem stays in its directory", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => {
    fc.pre(nameProblem(name) === undefined);
    assert.equal(posix.dirname(posix.normalize(`/tree/${name}`)), "/tree");
  }));
});

Deno.test("refuses names that mean another file on Windows", () => {
  const names = [
    "..\\x",
    "a\\b",
    "c:",
    "x:stream",
    "CON",
    "con.txt",
    "Aux .h",
    "com\u00b9",
    "LPT9.a.b",
  ];
  for (const name of [...names, "dot.", "space ", "a*", "tab\t", '"', "conout$"]) {
    assert.match(windowsNameProblem(name) ?? "", /Windows/, name);
  }
});

Deno.test("takes ordinary names on Windows", () => {
  for (const name of ["a", ".hidden", "console", "com", "com10", "lpt", "a b", "x.con", "\u00e9"]) {
    assert.equal(windowsNameProblem(name), undefined, name);
  }
});

Deno.test("a name without a problem on Windows stays in its directory there", () => {
  const piece = fc.constantFrom("a", ".", "..", "\\", "/", ":", " ", "C");
  fc.assert(fc.property(fc.array(piece, { minLength: 1 }).map((all) => all.join("")), (name) => {
    fc.pre(nameProblem(name) === undefined && windowsNameProblem(name) === undefined);
    assert.equal(win32.resolve("C:\\root", name), `C:\\root\\${name}`);
  }));
});
