import assert from "node:assert/strict";
import fc from "fast-check";
import { PieceMap } from "../../lib/fetch/assembly/piece_map.ts";
import { joinOverGaps } from "../../lib/fetch/gaps.ts";
import {
  isOtherPlan,
  planSpan,
  type Shrinking,
  type SpanQuestion,
} from "../../lib/fetch/span_plan.ts";
import type { ByteRange } from "../../lib/wire/range.ts";

const PIECE = 262_144;

function mapOf(size: number): PieceMap {
  return new PieceMap({ size });
}

/** A few bytes, a part of a piece, or pieces; and perhaps on to where the next piece begins. */
const STEP = fc.record({
  length: fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 1, max: PIECE }),
    fc.integer({ min: 1, max: 3 }).map((pieces) => pieces * PIECE),
  ),
  align: fc.boolean(),
});

interface Span {
  readonly map: PieceMap;
  /** In ascending order, none touching another. */
  readonly missing: readonly ByteRange[];
}

const SPAN: fc.Arbitrary<Span> = fc.tuple(
  fc.integer({ min: 1, max: 12 * PIECE }),
  fc.boolean(),
  fc.array(STEP, { minLength: 1, maxLength: 24 }),
).map(([size, begins, steps]) => {
  const missing: ByteRange[] = [];
  let at = 0;
  for (const [index, { length, align }] of steps.entries()) {
    const start = at;
    const end = start + length;
    at = Math.min(size, align ? Math.ceil(end / PIECE) * PIECE : end);
    if ((index % 2 === 0) === begins && start < at) missing.push({ start, end: at });
  }
  return { map: mapOf(size), missing };
});

const SOME_RATIO = fc.oneof(
  fc.double({ min: 0, max: 1.1, noNaN: true }),
  fc.constantFrom(0, 0.1, 0.3, 0.6, 1),
);
const RATIO = fc.oneof(SOME_RATIO, fc.constant(undefined));

/** The plan for pieces that are known to shrink like that. */
function plan(
  map: PieceMap,
  missing: readonly ByteRange[],
  ratio: number | undefined,
): SpanQuestion[] {
  return planSpan(map, missing, ratio === undefined ? undefined : { ratio, tried: true });
}

function rangeOf(map: PieceMap, question: SpanQuestion): ByteRange {
  if (question.kind === "range") return question;
  return { start: map.rangeOf(question.first).start, end: map.rangeOf(question.last).end };
}

function sizeOf(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** What of the one is in the other, in bytes. */
function common(ranges: readonly ByteRange[], { start, end }: ByteRange): number {
  return ranges.reduce(
    (sum, range) => sum + Math.max(0, Math.min(range.end, end) - Math.max(range.start, start)),
    0,
  );
}

function runsOf(questions: readonly SpanQuestion[]) {
  return questions.filter((question) => question.kind === "pieces");
}

function isAskedAsAWhole(questions: readonly SpanQuestion[], piece: number): boolean {
  return runsOf(questions).some(({ first, last }) => first <= piece && piece <= last);
}

/** How much of a piece is missing, in bytes. */
function lackingOf({ map, missing }: Span, piece: number): number {
  return common(missing, map.rangeOf(piece));
}

Deno.test("all that is missing is asked for, in order and nothing twice", () => {
  fc.assert(fc.property(SPAN, RATIO, ({ map, missing }, ratio) => {
    const questions = plan(map, missing, ratio);
    const asked = questions.map((question) => rangeOf(map, question));
    for (const range of missing) assert.equal(common(asked, range), range.end - range.start);
    for (const [index, { start, end }] of asked.entries()) {
      assert.ok(start < end);
      assert.ok(index === 0 || asked[index - 1]!.end <= start);
      assert.ok(common(missing, { start, end }) > 0, "no question brings nothing");
    }
  }));
});

Deno.test("what could be one question is one, but for eight pieces of which some are here in part", () => {
  fc.assert(fc.property(SPAN, RATIO, (span, ratio) => {
    const { map, missing } = span;
    const questions = plan(map, missing, ratio);
    for (const [index, question] of questions.slice(1).entries()) {
      const before = questions[index]!;
      if (rangeOf(map, before).end < rangeOf(map, question).start) continue;
      if (before.kind !== question.kind) continue;
      assert.ok(before.kind === "pieces" && question.kind === "pieces", "ranges are joined");
      const asked = Array.from(
        { length: question.first - before.first + 1 },
        (_, n) => before.first + n,
      );
      assert.ok(asked.length > 8);
      assert.ok(asked.some((piece) => lackingOf(span, piece) < map.lengthOf(piece)));
    }
  }));
});

Deno.test("of pieces that are here in part eight are asked for at once, of others as many as there are", () => {
  const map = mapOf(40 * PIECE);
  const missing = Array.from({ length: 20 }, (_, piece) => ({
    start: piece * PIECE + PIECE / 2,
    end: (piece + 1) * PIECE,
  }));
  const whole = { start: 20 * PIECE, end: 40 * PIECE };
  assert.deepEqual(
    plan(map, [...missing.slice(0, -1), { ...whole, start: 19.5 * PIECE }], 0.2),
    [
      { kind: "pieces", first: 0, last: 7 },
      { kind: "pieces", first: 8, last: 15 },
      { kind: "pieces", first: 16, last: 23 },
      { kind: "pieces", first: 24, last: 39 },
    ],
  );
});

Deno.test("before any came, one piece that is here in part is tried, and no more", () => {
  const map = mapOf(8 * PIECE);
  const hoped = { ratio: 0.25, tried: false };
  const missing = [{ start: PIECE / 2, end: 3 * PIECE }, { start: 6.5 * PIECE, end: 8 * PIECE }];
  assert.deepEqual(planSpan(map, missing, hoped), [
    { kind: "pieces", first: 0, last: 0 },
    { kind: "pieces", first: 1, last: 2 },
    { kind: "pieces", first: 6, last: 6 },
    { kind: "pieces", first: 7, last: 7 },
  ]);
});

Deno.test("another plan is made when somebody may compress now, or shrinks otherwise than was thought", () => {
  const of = (ratio: number): Shrinking => ({ ratio, tried: true });
  const hoped = { ratio: 0.25, tried: false };
  const others: [Shrinking | undefined, Shrinking | undefined][] = [
    [undefined, of(0.6)],
    [of(0.6), undefined],
    [undefined, hoped],
    [hoped, of(0.25)],
    [of(0.6), of(0.3)],
    [of(0.3), of(0.45)],
  ];
  for (const [before, now] of others) assert.equal(isOtherPlan(before, now), true);
  assert.equal(isOtherPlan(undefined, undefined), false);
  assert.equal(isOtherPlan(hoped, { ...hoped }), false);
  for (const ratio of [0.3, 0.35]) assert.equal(isOtherPlan(of(0.32), of(ratio)), false);
});

Deno.test("ranges begin and end where something is missing, and add 1 % at most", () => {
  fc.assert(fc.property(SPAN, RATIO, ({ map, missing }, ratio) => {
    const ranges = plan(map, missing, ratio).filter(({ kind }) => kind === "range")
      .map((question) => rangeOf(map, question));
    let lacking = 0;
    for (const { start, end } of ranges) {
      assert.equal(common(missing, { start, end: start + 1 }), 1);
      assert.equal(common(missing, { start: end - 1, end }), 1);
      lacking += common(missing, { start, end });
    }
    assert.ok(sizeOf(ranges) <= 1.01 * lacking);
  }));
});

Deno.test("of who may not compress, what is missing is asked for as it is", () => {
  fc.assert(fc.property(SPAN, ({ map, missing }) => {
    const expected = joinOverGaps(missing).map((range) => ({ kind: "range", ...range }));
    assert.deepEqual(plan(map, missing, undefined), expected);
  }));
});

Deno.test("a piece that is missing as a whole may come compressed, however little it shrinks", () => {
  fc.assert(fc.property(SPAN, SOME_RATIO, (span, ratio) => {
    const questions = plan(span.map, span.missing, ratio);
    for (let piece = 0; piece < span.map.count; piece++) {
      const lacking = lackingOf(span, piece);
      if (lacking === span.map.lengthOf(piece)) assert.ok(isAskedAsAWhole(questions, piece));
      if (lacking === 0) assert.ok(!isAskedAsAWhole(questions, piece));
    }
  }));
});

Deno.test("a piece is asked for as a whole where that is clearly less on the wire, or nearly all of it is missing", () => {
  fc.assert(fc.property(SPAN, SOME_RATIO, (span, ratio) => {
    const questions = plan(span.map, span.missing, ratio);
    for (let piece = 0; piece < span.map.count; piece++) {
      const lacking = lackingOf(span, piece);
      const size = span.map.lengthOf(piece);
      // What one piece shrinks to is no promise for the next: it may take a fifth more.
      const clearlyLess = lacking >= 0.15 * size && lacking >= 1.2 * ratio * size;
      assert.equal(
        isAskedAsAWhole(questions, piece),
        clearlyLess || lacking >= 0.9 * size,
        `piece ${piece} lacks ${lacking} of ${size}`,
      );
    }
  }));
});

Deno.test("the better pieces shrink, the more of them are asked for as a whole", () => {
  fc.assert(fc.property(SPAN, SOME_RATIO, SOME_RATIO, ({ map, missing }, one, other) => {
    const better = plan(map, missing, Math.min(one, other));
    for (const { first, last } of runsOf(plan(map, missing, Math.max(one, other)))) {
      for (let piece = first; piece <= last; piece++) assert.ok(isAskedAsAWhole(better, piece));
    }
  }));
});

Deno.test("nothing is asked for where nothing is missing", () => {
  for (const ratio of [undefined, 0, 0.6, 1]) {
    assert.deepEqual(plan(mapOf(3 * PIECE), [], ratio), []);
  }
});

/** All of the first piece, half of the second, all of the third, a little of the fourth. */
const MISSING = [
  { start: 0, end: PIECE },
  { start: 1.5 * PIECE, end: 3 * PIECE },
  { start: 3 * PIECE + 1000, end: 3 * PIECE + 2000 },
];

Deno.test("half a piece comes compressed if that is a third of it, and as it is if that is most of it", () => {
  const map = mapOf(4 * PIECE);
  const little = { kind: "range", start: 3 * PIECE + 1000, end: 3 * PIECE + 2000 };
  assert.deepEqual(plan(map, MISSING, 0.33), [{ kind: "pieces", first: 0, last: 2 }, little]);
  assert.deepEqual(plan(map, MISSING, 0.6), [
    { kind: "pieces", first: 0, last: 0 },
    { kind: "range", start: 1.5 * PIECE, end: 2 * PIECE },
    { kind: "pieces", first: 2, last: 2 },
    little,
  ]);
});

Deno.test("a little of two pieces, up to where they meet, is one range", () => {
  const missing = [{ start: PIECE - 5000, end: PIECE + 5000 }];
  for (const ratio of [undefined, 0, 0.6]) {
    assert.deepEqual(plan(mapOf(2 * PIECE), missing, ratio), [
      { kind: "range", start: PIECE - 5000, end: PIECE + 5000 },
    ]);
  }
});

Deno.test("a last piece that is shorter is measured by its own length", () => {
  const size = PIECE + 1000;
  assert.deepEqual(plan(mapOf(size), [{ start: PIECE, end: size }], 0.6), [
    { kind: "pieces", first: 1, last: 1 },
  ]);
  assert.deepEqual(plan(mapOf(size), [{ start: PIECE, end: PIECE + 500 }], 0.6), [
    { kind: "range", start: PIECE, end: PIECE + 500 },
  ]);
});

Deno.test("a seventh of a piece is too little in any case, and nine tenths are enough", () => {
  const kindOf = (part: number, ratio: number) => {
    const missing = [{ start: 0, end: Math.round(part * PIECE) }];
    const [question, ...others] = plan(mapOf(2 * PIECE), missing, ratio);
    assert.deepEqual(others, []);
    return question!.kind;
  };
  assert.deepEqual([0.14, 0.16].map((part) => kindOf(part, 0.01)), ["range", "pieces"]);
  assert.deepEqual([0.89, 0.91].map((part) => kindOf(part, 1)), ["range", "pieces"]);
});
