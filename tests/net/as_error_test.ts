import assert from "node:assert/strict";
import { asError } from "../../lib/net/as_error.ts";

Deno.test("an error stays the one that it is, and whatever else is thrown becomes one", () => {
  const error = new TypeError("bad");
  assert.equal(asError(error), error);
  assert.deepEqual(["bad", 7, undefined].map((cause) => asError(cause).message), [
    "bad",
    "7",
    "undefined",
  ]);
});
