import fc from "fast-check";
import { type Event, Model } from "./model.ts";

function events(peers: number, partial: boolean): fc.Arbitrary<Event[]> {
  const peer = fc.nat(peers - 1);
  const ask = fc.nat(13);
  const rate = fc.constantFrom(1e5, 1e6, 1e7, 1e8);
  const piece = fc.nat();
  const complete = partial ? fc.boolean() : fc.constant(true);
  const event = fc.oneof(
    { weight: 12, arbitrary: fc.record({ kind: fc.constant("deliver"), ask, rate }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("join"), peer, complete }) },
    {
      weight: partial ? 5 : 0,
      arbitrary: fc.record({ kind: fc.constant("offer"), peer, has: fc.nat() }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("fail", "abort"), ask, rate }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom("complete", "pause", "resume", "leave"), peer }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("unasked", "wrong"), piece }) },
  );
  return fc.array(event as fc.Arbitrary<Event>, { maxLength: 150, size: "max" });
}

const sizes = fc.record({
  pieces: fc.integer({ min: 1, max: 80 }),
  pieceSize: fc.constantFrom(2 ** 18, 2 ** 20, 2 ** 23),
  seed: fc.nat(),
  untouched: fc.boolean(),
});

function holds(options: { peers: number; partial: boolean; present: number; runs: number }): void {
  const { peers, partial, present, runs } = options;
  fc.assert(
    fc.property(sizes, events(peers, partial), (size, events) => {
      const model = new Model(size);
      for (let peer = 0; peer < present; peer++) {
        model.apply({ kind: "join", peer, complete: !partial || peer % 4 === 0 });
        model.apply({ kind: "offer", peer, has: peer });
      }
      for (const event of events) model.apply(event);
      model.finish();
    }),
    { numRuns: runs },
  );
}

Deno.test("whatever happens to seeds, nobody is idle, nothing is asked thrice, all of it comes", () => {
  holds({ peers: 4, partial: false, present: 0, runs: 400 });
});

Deno.test("whatever happens to seeds and partial peers, the same holds", () => {
  holds({ peers: 5, partial: true, present: 0, runs: 500 });
});

Deno.test("with more seeds than may be asked at once, the same holds", () => {
  holds({ peers: 20, partial: false, present: 20, runs: 60 });
});

Deno.test("with more partial peers than may be asked at once, the same holds", () => {
  holds({ peers: 40, partial: true, present: 40, runs: 60 });
});
