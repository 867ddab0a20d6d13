/** Peers that bring a little, for ever, and take the places of those that would bring all of it. */

import assert from "node:assert/strict";

import { type Implementation, noise } from "../serve/implementations.ts";
import { file, type Node } from "../vectors/trees.ts";
import { droppedOf } from "./lib/events.ts";
import { Scene } from "./lib/hostile_fetch.ts";
import { type Answering, HostilePeer, sized, tarOf, tarOfTree } from "./lib/hostile_peer.ts";
import { freePort } from "./lib/machine.ts";
import { oneProgram, type Program } from "./lib/program.ts";
import { swarm } from "./lib/swarm_peer.ts";

/** 4 MB, 16 pieces: every crawler gets one. The manifest has 26 KB. */
const NODES = [
  file("large", noise(1, 4_000_000)),
  ...Array.from({ length: 300 }, (_, index) => file(`${index + 100}`, noise(index, 10))),
];

/** Enough that it is not nothing: no time without progress is reached. */
const CRAWL = 200;

/** What answers like another one, but brings the bodies of some paths slowly, so many bytes a second. */
function crawling(
  paths: RegExp,
  good: Answering,
  over: AbortSignal,
  bytesPerSecond = CRAWL,
): Answering {
  return (asked) => {
    const answer = good(asked);
    if (!paths.test(asked.path) || !(answer?.body instanceof Uint8Array)) return answer;
    return { ...answer, body: slowly(answer.body, over, bytesPerSecond) };
  };
}

async function* slowly(
  bytes: Uint8Array,
  over: AbortSignal,
  bytesPerSecond: number,
): AsyncGenerator<Uint8Array> {
  const step = bytesPerSecond / 4;
  for (let at = 0; at < bytes.length && !over.aborted; at += step) {
    yield bytes.subarray(at, at + step);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, 250);
    over.addEventListener("abort", () => resolve());
    await promise.finally(() => clearTimeout(timer));
  }
}

const isContent = /\/(content|pieces\/.*)$/;
const isArchive = /\/implementation\/[^/]+$/;

type Answers = (implementation: Implementation) => Answering;

const archive: Answers = (one) => tarOf(one.digest, sized(tarOfTree(one)));

interface Stage {
  readonly scene: Scene;
  /** What a good peer answers. */
  readonly good: Answering;
  /** The same, but what is slow of it comes with so many bytes a second. */
  crawl(bytesPerSecond?: number): Answering;
  peer(answering: Answering): HostilePeer;
}

/** A scene where the bodies of some paths may come slowly, for as long as the body runs. */
async function staged(
  program: Program,
  nodes: readonly Node[],
  slow: { readonly paths: RegExp; readonly answers: Answers },
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const over = new AbortController();
  await using scene = await Scene.open(program, nodes);
  await using stack = new AsyncDisposableStack();
  const good = slow.answers(scene.implementation);
  try {
    await body({
      scene,
      good,
      crawl: (rate) => crawling(slow.paths, good, over.signal, rate),
      peer: (answering) => stack.use(new HostilePeer(answering)),
    });
  } finally {
    // A peer waits for its answers to end.
    over.abort();
  }
}

/** Fetches from so many that crawl, and then one that does not. */
function fetchPast(program: Program, count: number, paths: RegExp, answers: Answers) {
  return staged(program, NODES, { paths, answers }, async ({ scene, good, crawl, peer }) => {
    const peers = [...Array<Answering>(count).fill(crawl()), good].map(peer);
    const fetched = await scene.fetch("--json", ...peers.map(({ host }) => host));
    const { machine: { store }, implementation: { digest } } = scene;
    await scene.assertFetched({ ...fetched, stdout: `${store}/${digest}\n` });
    assert.ok(times(peers.at(-1)!, paths) > 0);
    for (const { lied } of droppedOf(fetched)) assert.equal(lied, false);
  });
}

/** Fetches from two that say that they are one and the same server, of which the first one crawls. */
function fetchPastImpostor(program: Program, paths: RegExp, answers: Answers) {
  return staged(program, NODES, { paths, answers }, async ({ scene, good, crawl, peer }) => {
    const [impostor, honest] = [peer(crawl()), peer(good)];
    const port = freePort();
    const reply = ({ port }: HostilePeer) =>
      `0share-reply\nid 0123456789abcdef\nport ${port}\nhave ${scene.implementation.digest}\n`;
    impostor.respond(port, () => reply(impostor));
    let queries = 0;
    honest.respond(port, () => ++queries > 1 ? reply(honest) : undefined);
    await scene.assertFetched(await scene.fetch(`--discovery-port ${port} --timeout 10`));
    assert.ok(times(impostor, paths) > 0);
  });
}

/** Fetches from one that crawls the first time, and one that has it, and fails. */
function fetchAgain(program: Program, paths: RegExp, answers: Answers) {
  const nodes = [file("small", noise(1, 100_000))];
  return staged(program, nodes, { paths, answers }, async ({ scene, good, crawl, peer }) => {
    const slowly = crawl();
    const slow: HostilePeer = peer((asked) => (times(slow, paths) === 1 ? slowly : good)(asked));
    const dead = peer((asked) =>
      paths.test(asked.path) ? { status: 0, end: "reset" } : good(asked)
    );
    await scene.assertFetched(await scene.fetch(slow.host, dead.host));
    assert.ok(times(dead, paths) > 0, "it was tried in the meantime");
    assert.ok(times(slow, paths) >= 2);
  });
}

/** Fetches an archive from one that needs more than its first turn, and one that would need for ever. */
function fetchInTurns(program: Program) {
  const nodes = [file("small", noise(1, 54_000))];
  const slow = { paths: isArchive, answers: archive };
  return staged(program, nodes, slow, async ({ scene, crawl, peer }) => {
    const [slow, slower] = [peer(crawl(3000)), peer(crawl())];
    await scene.assertFetched(await scene.fetch(slow.host, slower.host));
    assert.ok(times(slower, isArchive) >= 1);
    assert.ok(times(slow, isArchive) >= 2);
  });
}

function times({ asked }: HostilePeer, paths: RegExp): number {
  return asked.filter(({ path }) => paths.test(path)).length;
}

for (const program of oneProgram()) {
  Deno.test(`${program.name}: who crawls is asked again when nobody else could deliver`, async () => {
    await Promise.all([
      fetchAgain(program, isContent, swarm),
      fetchAgain(program, isArchive, archive),
      fetchInTurns(program),
    ]);
  });

  Deno.test(`${program.name}: those that crawl do not keep a fetch from who does not`, async () => {
    await Promise.all([
      fetchPast(program, 15, isContent, swarm),
      fetchPast(program, 15, /\/manifest$/, swarm),
      fetchPast(program, 1, isArchive, archive),
      fetchPastImpostor(program, isContent, swarm),
      fetchPastImpostor(program, isArchive, archive),
    ]);
  });
}
