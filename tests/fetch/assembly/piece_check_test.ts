import assert from "node:assert/strict";
import { PieceCheck } from "../../../lib/fetch/assembly/piece_check.ts";
import { pieceDigestsOf } from "../fake_peer.ts";

const PIECE = 262_144;
const STREAM = new Uint8Array(2 * PIECE + 100).map((_, index) => index % 251);
const RIGHT = [0, 1, 2].map((piece) => STREAM.slice(piece * PIECE, (piece + 1) * PIECE));
const WRONG = RIGHT.map((bytes) => bytes.map((byte, index) => index === 50 ? byte ^ 1 : byte));

function adopted(): PieceCheck {
  const check = new PieceCheck();
  check.adopt("source", pieceDigestsOf(STREAM));
  return check;
}

Deno.test("without digests nothing is known of a piece", () => {
  const check = new PieceCheck();
  assert.equal(check.source, undefined);
  assert.equal(check.matches(0, RIGHT[0]!), false);
  assert.equal(check.judge(0, WRONG[0]!, "a"), "unknown");
});

Deno.test("a piece is right when it is what the digests say, whoever sends it", () => {
  const check = adopted();
  for (const [piece, bytes] of RIGHT.entries()) {
    assert.equal(check.matches(piece, bytes), true);
    assert.equal(check.judge(piece, bytes, "a"), "right");
    assert.equal(check.judge(piece, bytes, "source"), "right");
    assert.equal(check.matches((piece + 1) % 3, bytes), false);
  }
});

Deno.test("who sends something else is suspected; who gave the digests himself has lied", () => {
  const check = adopted();
  assert.equal(check.judge(0, WRONG[0]!, "a"), "suspect");
  assert.equal(check.judge(1, WRONG[1]!, "source"), "liar");
  assert.equal(check.judge(7, RIGHT[0]!, "a"), "suspect", "there is no such piece");
});

Deno.test("two that agree cast doubt on the digests, one who says it twice does not", () => {
  const check = adopted();
  assert.equal(check.judge(0, WRONG[0]!, "a"), "suspect");
  assert.equal(check.judge(0, WRONG[0]!, "a"), "suspect");
  assert.equal(check.judge(1, WRONG[1]!, "b"), "suspect", "of another piece");
  assert.equal(check.judge(0, RIGHT[1]!, "b"), "suspect", "other bytes");
  assert.equal(check.judge(0, WRONG[0]!, "c"), "doubtful digests");
});

Deno.test("digests that were discarded are forgotten, with what was said against them", () => {
  const check = adopted();
  check.judge(0, WRONG[0]!, "a");
  assert.equal(check.trusts("source"), true);
  check.discard();
  assert.equal(check.source, undefined);
  assert.equal(check.trusts("source"), false);
  assert.equal(check.judge(0, WRONG[0]!, "b"), "unknown");
  check.adopt("other", pieceDigestsOf(STREAM));
  assert.equal(check.judge(0, WRONG[0]!, "b"), "suspect");
  assert.equal(check.judge(0, RIGHT[0]!, "b"), "right");
});

Deno.test("who is distrusted stays so", () => {
  const check = new PieceCheck();
  check.distrust("a");
  assert.deepEqual([check.trusts("a"), check.trusts("b")], [false, true]);
});
