import assert from "node:assert/strict";
import { PeerLied, StoreFailed } from "../../lib/errors.ts";
import { reasonOf, storeError } from "../../lib/store/errors.ts";
import { Scratch } from "./sample.ts";

function failure(action: () => unknown): unknown {
  try {
    action();
  } catch (cause) {
    return cause;
  }
  assert.fail("it did not fail");
}

function withCode(code: string): Error {
  return Object.assign(new Error(`${code} (os error)`), { code });
}

Deno.test("a system's error becomes StoreFailed with action, path, reason and hint", () => {
  const cause = withCode("ENOSPC");
  const error = storeError("write", "/store/x", cause);
  assert.ok(error instanceof StoreFailed);
  assert.equal(error.message, 'Cannot write "/store/x": no space left on the device');
  assert.equal(error.cause, cause);
  assert.match(error.hint ?? "", /room/);
});

Deno.test("quota, read-only file system and permissions have their own words", () => {
  for (
    const [code, reason] of [["EDQUOT", /quota/], ["EROFS", /read-only/], ["EACCES", /denied/]]
  ) {
    const error = storeError("write", "/x", withCode(code as string)) as StoreFailed;
    assert.match(error.message, reason as RegExp);
    assert.ok(error.hint);
  }
});

Deno.test("an error that Deno itself throws is understood", () => {
  using scratch = new Scratch();
  Deno.writeTextFileSync(`${scratch.path}/file`, "");
  for (
    const cause of [
      failure(() => Deno.readFileSync(`${scratch.path}/missing`)),
      failure(() => Deno.mkdirSync(`${scratch.path}/file`)),
      failure(() => Deno.removeSync(scratch.path)),
    ]
  ) {
    const error = storeError("use", "x", cause);
    assert.ok(error instanceof StoreFailed, String(error));
    assert.ok(error.message.startsWith('Cannot use "x": '), error.message);
  }
});

Deno.test("expected failures, aborts and defects stay what they are", () => {
  const others = [
    new PeerLied("10.0.0.1", "x"),
    new DOMException("stop", "AbortError"),
    new TypeError("undefined is not a function"),
    "a text",
  ];
  for (const cause of others) assert.equal(storeError("write", "x", cause), cause);
});

Deno.test("a reason can be told without the path", () => {
  assert.equal(reasonOf(withCode("EROFS")), "the file system is read-only");
  assert.equal(reasonOf(new Error("odd")), "odd");
});
