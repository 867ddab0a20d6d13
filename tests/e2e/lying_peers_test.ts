/** Several peers at once of which one lies, is slow, or has no place: the others are enough. */

import assert from "node:assert/strict";

import { pieceSize } from "../../lib/manifest/layout.ts";
import { noise, streamOf } from "../serve/implementations.ts";
import { file } from "../vectors/trees.ts";
import { cameFromPeers, droppedOf, type Summary, summaryOf } from "./lib/events.ts";
import { Scene } from "./lib/hostile_fetch.ts";
import { type Asked, busy, content, HostilePeer, partial } from "./lib/hostile_peer.ts";
import { freePort } from "./lib/machine.ts";
import { oneProgram, type Program, programs, type Result } from "./lib/program.ts";
import { flipped, swarm } from "./lib/swarm_peer.ts";

/** Small files around a large one: 4 MB, 16 pieces. */
const NODES = [
  file("a", noise(1, 100_000)),
  file("large", noise(2, 3_400_000)),
  ...Array.from({ length: 10 }, (_, index) => file(`small-${index}`, noise(10 + index, 50_000))),
];
const IN_LARGE = 150_000;
const PIECE = pieceSize(4_000_000);

/** A scene, and peers by what they answer, for as long as the body runs. */
async function withPeers(
  program: Program,
  answering: (scene: Scene) => ConstructorParameters<typeof HostilePeer>[0][],
  body: (scene: Scene, ...peers: HostilePeer[]) => Promise<void>,
): Promise<void> {
  await using scene = await Scene.open(program, NODES);
  await using stack = new AsyncDisposableStack();
  const peers = answering(scene).map((one) => stack.use(new HostilePeer(one)));
  await body(scene, ...peers);
}

/** Fails unless the tree is there and right, whatever the output is. */
async function assertRight(scene: Scene, result: Result): Promise<void> {
  const path = `${scene.machine.store}/${scene.implementation.digest}\n`;
  await scene.assertFetched({ ...result, stdout: path });
}

/** Whom a fetch found to have lied. */
function liarsOf(result: Result): string[] {
  return droppedOf(result).filter(({ lied }) => lied).map(({ peer }) => peer);
}

/** What came of a peer and was of no use; of all that came, the rest is the tree, byte for byte. */
function wastedOf(summary: Summary, name: string): number {
  const used = summary.peers.reduce((sum, { bytes, wasted }) => sum + bytes - wasted, 0);
  assert.equal(used, summary.total);
  return summary.peers.find(({ peer }) => peer === name)!.wasted;
}

for (const program of programs()) {
  Deno.test(`${program.name}: of three seeds the one that flips a bit in every piece of a large file is dropped by name`, async () => {
    await withPeers(program, ({ implementation }) => {
      const right = streamOf(implementation);
      const places = Array.from({ length: 12 }, (_, piece) => IN_LARGE + piece * PIECE);
      const evil = swarm(implementation, { sends: flipped(right, ...places), digestsOf: right });
      return [evil, swarm(implementation), swarm(implementation)];
    }, async (scene, evil, ...good) => {
      const fetched = await scene.fetch("--json", evil!.host, ...good.map(({ host }) => host));
      await assertRight(scene, fetched);
      const summary = summaryOf(fetched);
      assert.deepEqual(liarsOf(fetched), [evil!.host]);
      const its = summary.peers.find(({ peer }) => peer === evil!.host)!.bytes;
      const again = wastedOf(summary, evil!.host);
      assert.ok(again <= its, `${again} bytes again, and the liar had sent ${its}`);
    });
  });

  Deno.test(`${program.name}: of a large file with one wrong bit only about the wrong piece is fetched again`, async () => {
    await withPeers(program, ({ implementation }) => {
      const right = streamOf(implementation);
      const evil = swarm(implementation, { sends: flipped(right, IN_LARGE), digestsOf: right });
      return [evil, swarm(implementation), swarm(implementation)];
    }, async (scene, evil, ...good) => {
      const fetched = await scene.fetch("--json", evil!.host, ...good.map(({ host }) => host));
      await assertRight(scene, fetched);
      const summary = summaryOf(fetched);
      assert.deepEqual(liarsOf(fetched), [evil!.host]);
      // And of the span that it was being asked for when it was found out.
      const again = wastedOf(summary, evil!.host);
      assert.ok(again > 0 && again <= 4 * PIECE, `${again} bytes again`);
    });
  });
}

for (const program of oneProgram()) {
  Deno.test(`${program.name}: a peer that sends the bytes of another implementation of that size is dropped by name`, async () => {
    await withPeers(program, ({ implementation }) => {
      const other = new TextEncoder().encode(noise(99, streamOf(implementation).length));
      const evil = swarm(implementation, { sends: other });
      return [evil, swarm(implementation), swarm(implementation)];
    }, async (scene, evil, ...good) => {
      const fetched = await scene.fetch("--json", evil!.host, ...good.map(({ host }) => host));
      await assertRight(scene, fetched);
      assert.deepEqual(liarsOf(fetched), [evil!.host]);
    });
  });

  Deno.test(`${program.name}: a peer that trickles a byte a second holds nobody up, and alone it is given up`, async () => {
    await using alone = await Scene.open(program, NODES);
    await using both = await Scene.open(program, NODES);
    const over = new AbortController();
    const trickle = (scene: Scene) => {
      const good = content(scene.implementation);
      const stream = streamOf(scene.implementation);
      return new HostilePeer((asked) => {
        if (!asked.path.endsWith("/content")) return good(asked);
        const { start, end } = asked.range ?? { start: 0, end: stream.length };
        const body = byteASecond(stream.slice(start, end), over.signal);
        return { ...partial(stream.slice(start, end), start, stream.length), body };
      });
    };
    await using one = trickle(alone);
    await using other = trickle(both);
    await using honest = new HostilePeer(swarm(both.implementation));
    try {
      const refusing = alone.fetch(one.host);
      let isOver = false;
      void refusing.then(() => isOver = true);
      const fetched = await both.fetch("--json", other.host, honest.host);
      await assertRight(both, fetched);
      assert.equal(isOver, false, "to wait for the slow one is what it cost");
      assert.deepEqual(liarsOf(fetched), []);
      const summary = summaryOf(fetched);
      const tail = cameFromPeers(summary) - summary.total;
      assert.ok(tail <= 2 * PIECE, `${tail} bytes again`);
      alone.assertRefused(await refusing, 3, one.host, /^it sent \d+ bytes in 1\d seconds/);
    } finally {
      over.abort();
    }
  });

  Deno.test(`${program.name}: who says 503 with Retry-After is asked again then, and not given up`, async () => {
    let refusals = 0;
    await withPeers(program, ({ implementation }) => {
      const good = swarm(implementation);
      return [(asked) => {
        if (asked.path.endsWith("/manifest") || refusals >= 4) return good(asked);
        refusals++;
        return busy(0.25);
      }];
    }, async (scene, peer) => {
      const fetched = await scene.fetch("--json", peer!.host);
      await assertRight(scene, fetched);
      assert.deepEqual(droppedOf(fetched), []);
      assert.equal(refusals, 4);
      const { seconds } = summaryOf(fetched);
      assert.ok(seconds >= 4 * 0.25, `${seconds} s: it did not wait`);
    });
  });

  Deno.test(`${program.name}: who sends more than it was asked for, in pieces too, is dropped by name`, async () => {
    let found = false;
    await withPeers(program, ({ implementation }) => {
      const good = swarm(implementation);
      const more = new TextEncoder().encode(noise(3, 5000));
      const evil = (asked: Asked) => {
        const answer = good(asked);
        if (!/\/(content|pieces\/.*)$/.test(asked.path) || answer?.status === 404) return answer;
        const headers = answer!.headers!.filter((line) => !line.startsWith("Content-Length"));
        const body = answer!.body as Uint8Array;
        return { ...answer, headers, body: ReadableStream.from([body, more]) };
      };
      return [evil, (asked) => found ? good(asked) : busy(0.25)];
    }, async (scene, evil, good) => {
      const args = ["--json", "--compress always", evil!.host, good!.host];
      await using fetching = scene.start(...args);
      await fetching.output(/"event":"dropped"/, "stdout").finally(() => found = true);
      const fetched = await fetching.ended;
      await assertRight(scene, fetched);
      assert.deepEqual(liarsOf(fetched), [evil!.host]);
      assert.ok(evil!.asked.some(({ path }) => /\/pieces\/\d/.test(path)));
    });
  });

  Deno.test(`${program.name}: who claims pieces that it has not costs a question, and what it has is used`, async () => {
    await withPeers(program, ({ implementation }) => {
      const some = Uint8Array.from({ length: 16 }, (_, piece) => piece < 4 ? 1 : 0);
      const claims = new Uint8Array(16).fill(1);
      return [swarm(implementation, { has: some, claims }), swarm(implementation)];
    }, async (scene, boaster, honest) => {
      const port = freePort();
      const { digest } = scene.implementation;
      boaster!.respond(port, () => `0share-reply\nport ${boaster!.port}\npartial ${digest}\n`);
      honest!.respond(port, () => `0share-reply\nport ${honest!.port}\nhave ${digest}\n`);
      const fetched = await scene.fetch("--json", `--discovery-port ${port} --timeout 10`);
      await assertRight(scene, fetched);
      const summary = summaryOf(fetched);
      const again = cameFromPeers(summary) - summary.total;
      assert.ok(again <= 2 * PIECE, `${again} bytes again`);
      assert.deepEqual(
        droppedOf(fetched).filter(({ peer }) => peer.endsWith(`:${honest!.port}`)),
        [],
      );
      const lies = boaster!.asked.filter(({ path }) => /\/pieces\/\d/.test(path));
      assert.ok(lies.length <= 4 + 3, `asked ${lies.length} times for what it has not`);
    });
  });
}

async function* byteASecond(bytes: Uint8Array, over: AbortSignal): AsyncGenerator<Uint8Array> {
  for (const byte of bytes) {
    if (over.aborted) return;
    yield Uint8Array.of(byte);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, 1000);
      function done() {
        clearTimeout(timer);
        over.removeEventListener("abort", done);
        resolve();
      }
      over.addEventListener("abort", done);
    });
  }
}
