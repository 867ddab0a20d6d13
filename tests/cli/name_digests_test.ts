import assert from "node:assert/strict";
import fc from "fast-check";
import { nameDigests } from "../../lib/cli/name_digests.ts";

const A = `sha1new=${"a".repeat(40)}`;
const B = `sha256new_${"B".repeat(51)}A`;
const UNKNOWN = `sha256=${"0".repeat(64)}`;

function named(line: string): string {
  return nameDigests(
    line,
    (digest) => digest === A ? "Editor 1.2" : digest === B ? "Library 3" : undefined,
  );
}

Deno.test("the name stands behind the digest, and the line is as it was otherwise", () => {
  const cases: [line: string, expected: string][] = [
    [A, `${A} (Editor 1.2)`],
    [`Yes, we have ${A}`, `Yes, we have ${A} (Editor 1.2)`],
    [
      `Request from ::1 port 5: ${A} ${B}`,
      `Request from ::1 port 5: ${A} (Editor 1.2) ${B} (Library 3)`,
    ],
    [`Caching it (digest ${A})`, `Caching it (digest ${A} (Editor 1.2))`],
    [`Nobody has ${A}: no answer`, `Nobody has ${A} (Editor 1.2): no answer`],
    [`GET /implementation/${A} from ::1`, `GET /implementation/${A} (Editor 1.2) from ::1`],
    [
      `GET /implementation/${B}/pieces/0-7 from ::1`,
      `GET /implementation/${B}/pieces/0-7 (Library 3) from ::1`,
    ],
    [`HEAD /${A},${B}.tar.gz from ::1`, `HEAD /${A},${B}.tar.gz (Editor 1.2) from ::1`],
    [`two\nlines ${B}\n`, `two\nlines ${B} (Library 3)\n`],
  ];
  for (const [line, expected] of cases) assert.equal(named(line), expected);
});

Deno.test("a digest is named once in a line", () => {
  assert.equal(named(`${A} is not ${A}`), `${A} (Editor 1.2) is not ${A}`);
});

Deno.test("what is quoted, unknown or no digest stays as it is", () => {
  for (
    const line of [
      "",
      "Sending reply...",
      `We have ${UNKNOWN}`,
      `We have ${A}0 and ${B}B and x${B.slice(1)}`,
      `Cannot verify "/store/${A}": it is wrong`,
      `Cannot read "/my store/${A}/b c": it is wrong`,
    ]
  ) assert.equal(named(line), line);
  assert.equal(named(`Store "/my store" has ${A}`), `Store "/my store" has ${A} (Editor 1.2)`);
});

Deno.test("taking the names away gives the line back, whatever it is", () => {
  const parts = fc.constantFrom(A, B, UNKNOWN, " ", '"', "\n", "/", ",", ":", ")", "(", "x", "$&");
  fc.assert(fc.property(fc.array(parts), (list) => {
    const line = list.join("");
    assert.equal(named(line).replaceAll(/ \((?:Editor 1\.2|Library 3)\)/g, ""), line);
  }));
});
