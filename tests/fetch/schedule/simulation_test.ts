import assert from "node:assert/strict";
import { randomFrom } from "../random.ts";
import { type Machine, type Outcome, simulate } from "./simulation.ts";

/** 100 Mbit/s, in bytes per second. */
const RATE = 12.5e6;
const PIECE = 256 * 1024;
const PIECES = 384;
const SIZE = PIECES * PIECE;

/** Machines that begin within 50 ms, which is what "at once" means to people. */
function leechers(count: number, random: () => number, more: Partial<Machine> = {}): Machine[] {
  return Array.from(
    { length: count },
    () => ({ complete: false, rate: RATE, joins: random() * 0.05, ...more }),
  );
}

function seeds(count: number, rate: number = RATE): Machine[] {
  return Array.from({ length: count }, () => ({ complete: true, rate }));
}

function run(machines: Machine[], random: () => number, pieces: number = PIECES): Outcome {
  return simulate(machines, { pieces, pieceSize: PIECE, random });
}

for (const count of [4, 8, 15]) {
  Deno.test(`a seed and ${count} machines come near the fluid bound, with 1.2 copies`, () => {
    for (const seed of [1, 2, 3]) {
      const random = randomFrom(seed);
      const outcome = run([...seeds(1), ...leechers(count, random)], random);
      // Every machine has to receive everything: with equal links nothing else binds.
      const bound = SIZE / RATE;
      assert.ok(outcome.makespan <= 1.25 * bound, `${outcome.makespan / bound} × the bound`);
      assert.ok(outcome.sent[0]! <= 1.2 * SIZE, `${outcome.sent[0]! / SIZE} copies`);
      assert.ok(outcome.wasted <= 0.02 * count * SIZE, `${outcome.wasted} bytes wasted`);
      assert.ok(outcome.mostInFlight <= 14);
    }
  });
}

Deno.test("most of what a crowd gets comes from the beginning to the end", () => {
  for (const [complete, count] of [[1, 8], [1, 15], [2, 8], [4, 12]] as const) {
    const random = randomFrom(12);
    const { behindHoles } = run([...seeds(complete), ...leechers(count, random)], random);
    assert.equal(behindHoles.length, count);
    const median = behindHoles.toSorted((a, b) => a - b)[Math.floor(count / 2)]!;
    assert.ok(median <= 0.4, `${complete} seeds, ${count} machines: ${median}`);
  }
});

Deno.test("two seeds give 1.9 × the rate of one, four 3.6 ×", () => {
  const [one, two, four] = [1, 2, 4].map((count) => {
    const outcome = run([...seeds(count), { complete: false, rate: 1e9 }], randomFrom(1));
    assert.ok(outcome.wasted <= 4 * PIECE, `${outcome.wasted} bytes wasted`);
    return outcome.makespan;
  });
  assert.ok(one! / two! >= 1.9, `${one! / two!}`);
  assert.ok(one! / four! >= 3.6, `${one! / four!}`);
});

Deno.test("a seed that is a hundred times slower does not hold the other one up", () => {
  const machines = [...seeds(1), ...seeds(1, RATE / 100), { complete: false, rate: 1e9 }];
  const outcome = run(machines, randomFrom(1));
  assert.ok(outcome.makespan <= 1.05 * SIZE / RATE, `${outcome.makespan}`);
});

Deno.test("something small comes from four seeds at once", () => {
  const outcome = run([...seeds(4), { complete: false, rate: 1e9 }], randomFrom(1), 16);
  assert.ok(outcome.makespan <= 1.2 * 4 * PIECE / RATE, `${outcome.makespan}`);
});

Deno.test("machines that come one after the other all finish", () => {
  const random = randomFrom(4);
  const late = leechers(12, random).map((machine, index) => ({ ...machine, joins: index * 0.9 }));
  const outcome = run([...seeds(1), ...late], random);
  // The last one comes when others have everything, and then it is limited by its own link.
  assert.ok(outcome.makespan <= 11 * 0.9 + 1.25 * SIZE / RATE, `${outcome.makespan}`);
});

Deno.test("machines that go away when they have everything leave the others able to finish", () => {
  const random = randomFrom(5);
  const outcome = run([...seeds(1), ...leechers(8, random, { leaves: true })], random);
  assert.ok(outcome.makespan <= 1.5 * SIZE / RATE, `${outcome.makespan}`);
});

Deno.test("machines that die in the middle cost the others little", () => {
  for (const seed of [6, 7]) {
    const random = randomFrom(seed);
    const dying = leechers(5, random).map((machine) => ({ ...machine, dies: 1 + random() * 6 }));
    const machines = [...seeds(1), ...leechers(6, random), ...dying];
    const outcome = run(machines, random);
    assert.ok(outcome.makespan <= 1.6 * SIZE / RATE, `${outcome.makespan / (SIZE / RATE)}`);
  }
});

Deno.test("a seed that dies when it has sent everything once is not missed", () => {
  const random = randomFrom(8);
  const dies = 1.1 * SIZE / RATE;
  const machines = [{ complete: true, rate: RATE, dies }, ...leechers(6, random)];
  // One that begins late, when the seed is gone.
  const late = { complete: false, rate: RATE, joins: dies + 1 };
  const outcome = run([...machines, late], random);
  assert.ok(outcome.makespan <= dies + 1 + 1.3 * SIZE / RATE, `${outcome.makespan}`);
});

Deno.test("one of two seeds dies: the other one brings the rest", () => {
  const machines = [
    ...seeds(1),
    { complete: true, rate: RATE, dies: 1 },
    { complete: false, rate: 1e9 },
  ];
  const outcome = run(machines, randomFrom(9));
  assert.ok(outcome.makespan <= 1.05 * (SIZE / RATE - 1) + 0.5, `${outcome.makespan}`);
});

Deno.test("one that is alone with a dead seed does not finish", () => {
  const machines = [{ complete: true, rate: RATE, dies: 1 }, { complete: false, rate: RATE }];
  assert.equal(run(machines, randomFrom(10)).makespan, Infinity);
});

Deno.test("hundreds of machines finish, also when a third of them die", () => {
  const random = randomFrom(11);
  const crowd = leechers(200, random).map((machine, index) => ({
    ...machine,
    joins: random(),
    ...(index % 3 === 0 ? { dies: 1 + random() } : {}),
  }));
  const outcome = run([...seeds(2), ...crowd], random, 8);
  assert.ok(outcome.makespan < 10, `${outcome.makespan}`);
  assert.ok(outcome.mostInFlight <= 14);
});
