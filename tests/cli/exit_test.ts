import assert from "node:assert/strict";
import { exitCodeFor } from "../../lib/cli/exit.ts";
import * as errors from "../../lib/errors.ts";

const CODES: [error: unknown, code: number][] = [
  [new errors.UsageError("x"), 2],
  [new errors.InvalidDigest("x", "y"), 2],
  [new errors.NobodyHasIt(["x"], "y", "z"), 3],
  [new errors.EveryPeerFailed("x", [], false), 3],
  [new errors.EveryPeerFailed("x", [], true), 4],
  [new errors.VerificationFailed("x", "y", "z", "w"), 4],
  [new errors.ManifestMismatch("x", "y"), 4],
  [new errors.StoreFailed("x"), 1],
  [new errors.NoWritableStore("x"), 1],
  [new errors.NetworkFailed("x"), 1],
  [new errors.OutputFailed("x"), 1],
  [new errors.Interrupted(), 1],
  [new errors.ShareError("x"), 1],
  [new Error("x"), 1],
  ["x", 1],
  [undefined, 1],
];

for (const [error, code] of CODES) {
  const name = error instanceof errors.EveryPeerFailed
    ? `EveryPeerFailed, ${error.lied ? "some lied" : "none lied"},`
    : error instanceof Error
    ? error.name
    : String(error);
  Deno.test(`${name} ends the program with ${code}`, () => assert.equal(exitCodeFor(error), code));
}
