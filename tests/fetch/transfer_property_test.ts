import assert from "node:assert/strict";
import fc from "fast-check";
import { pieceCount } from "../../lib/wire/availability.ts";
import { noise } from "../serve/implementations.ts";
import { directory, file } from "../vectors/trees.ts";
import { type Behaviour, FakePeer } from "./fake_peer.ts";
import { Transferring } from "./transferring.ts";

/** 3.4 MB in 13 pieces; of the large files none ends with a piece. */
const NODES = [
  ...Array.from({ length: 20 }, (_, index) => file(`${index + 10}`, noise(index, 10_000))),
  directory("d"),
  file("d/large", noise(50, 1_500_000)),
  file("d/larger", noise(51, 1_700_001)),
];

interface Kind {
  readonly partial: boolean;
  /** What it has, one bit a piece. */
  readonly has: number;
  readonly claimsAll: boolean;
  /** Positions, in parts of the whole. */
  readonly wrong: readonly number[];
  readonly digests: "honest" | "none" | "of what it sends" | "of something else";
  readonly failsAfter: number | undefined;
  readonly busy: number;
  readonly turns: number;
  readonly late: boolean;
}

const KIND: fc.Arbitrary<Kind> = fc.record({
  partial: fc.boolean(),
  has: fc.nat(2 ** 14 - 1),
  claimsAll: fc.nat(9).map((n) => n === 0),
  wrong: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 8 }),
  ),
  digests: fc.constantFrom("honest", "none", "of what it sends", "of something else"),
  failsAfter: fc.option(fc.nat(3_000_000), { nil: undefined, freq: 2 }),
  busy: fc.constantFrom(0, 0, 0, 1, 2),
  turns: fc.constantFrom(1, 1, 2, 5, 20),
  late: fc.nat(3).map((n) => n === 0),
});

function behaviourOf(kind: Kind, stream: Uint8Array): Behaviour {
  const count = pieceCount(stream.length);
  const wrong = kind.wrong.map((part) => Math.floor(part * stream.length));
  const sent = stream.map((byte, position) => wrong.includes(position) ? byte ^ 1 : byte);
  const all = new Uint8Array(count).fill(1);
  const other = stream.slice();
  for (let at = 7; at < other.length; at += 600_000) other[at]! ^= 1;
  return {
    turns: kind.turns,
    wrong,
    ...(kind.partial ? { has: all.map((_, piece) => kind.has >> piece & 1) } : {}),
    ...(kind.partial && kind.claimsAll ? { claims: all } : {}),
    ...(kind.failsAfter === undefined ? {} : { failsAfter: kind.failsAfter }),
    busy: { times: kind.busy, seconds: 0.002 },
    ...(kind.digests === "honest" ? {} : {
      digestsOf: kind.digests === "none"
        ? "none"
        : kind.digests === "of what it sends"
        ? sent
        : other,
    }),
  };
}

/** Who only gives on what it got can have been deceived by somebody, whatever it sends. */
function nameOf(kind: Kind): "passing" | "honest" | "lying" {
  if (kind.partial) return "passing";
  const digests = kind.digests === "honest" || kind.digests === "none";
  return kind.wrong.length === 0 && digests ? "honest" : "lying";
}

// What holds of liars who send the same bytes whenever they are asked. One who changes his mind can
// be right alone after he was wrong together with an honest peer, and that looks like the reverse.
Deno.test({
  name: "with one honest seed the right tree comes, and nobody honest is called a liar",
  async fn() {
    await fc.assert(
      fc.asyncProperty(
        fc.array(KIND, { maxLength: 6 }),
        fc.constantFrom("never", "always", "auto"),
        fc.constantFrom(1, 4, 15),
        async (kinds, compress, turns) => {
          using transferring = await Transferring.of(NODES);
          const { crowd, stream } = transferring;
          const later: (() => void)[] = [];
          for (const [index, kind] of kinds.entries()) {
            const name = `${nameOf(kind)} ${index}`;
            const add = () => {
              const peer = new FakePeer(name, stream, behaviourOf(kind, stream));
              transferring.add(peer, kind.partial ? "partial" : "have");
            };
            if (kind.late) later.push(add);
            else add();
          }
          const seed = new FakePeer("honest seed", stream, { turns });
          transferring.add(seed);
          const done = await transferring.run({
            compress,
            onProgress: () => {
              if (transferring.assembly.received > stream.length / 3) later.pop()?.();
            },
          });
          const told = JSON.stringify(transferring.events);
          assert.equal(done, true, told);
          for (const [name, how] of Object.entries(transferring.dropped)) {
            if (how === "lied") assert.ok(name.startsWith("lying"), told);
          }
          assert.notEqual(crowd.members.get("honest seed")!.state, "gone", told);
          await transferring.check();
        },
      ),
      { numRuns: 40, seed: 20_081 },
    );
  },
});
