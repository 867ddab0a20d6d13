/** Peers that bring a little, for ever, and take the places of those that would bring all of it. */

import assert from "node:assert/strict";

import { type Implementation, noise } from "../serve/implementations.ts";
import { file } from "../vectors/trees.ts";
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

/** Fetches from so many that crawl, and then one that does not. */
async function fetchPast(
  program: Program,
  count: number,
  paths: RegExp,
  answers: (implementation: Implementation) => Answering,
): Promise<void> {
  const over = new AbortController();
  await using scene = await Scene.open(program, NODES);
  await using stack = new AsyncDisposableStack();
  const good = answers(scene.implementation);
  const evil = crawling(paths, good, over.signal);
  const peers = [...Array(count).fill(evil), good].map((one) => stack.use(new HostilePeer(one)));
  // First: a peer waits for its answers to end.
  stack.defer(() => over.abort());
  const fetched = await scene.fetch("--json", ...peers.map(({ host }) => host));
  const { machine: { store }, implementation: { digest } } = scene;
  await scene.assertFetched({ ...fetched, stdout: `${store}/${digest}\n` });
  assert.ok(peers.at(-1)!.asked.some(({ path }) => paths.test(path)));
  for (const { lied } of droppedOf(fetched)) assert.equal(lied, false);
}

const isContent = /\/(content|pieces\/.*)$/;
const isArchive = /\/implementation\/[^/]+$/;

function archive(implementation: Implementation): Answering {
  return tarOf(implementation.digest, sized(tarOfTree(implementation)));
}

/** Fetches from two that say that they are one and the same server, of which the first one crawls. */
async function fetchPastImpostor(
  program: Program,
  paths: RegExp,
  answers: (implementation: Implementation) => Answering,
): Promise<void> {
  const over = new AbortController();
  await using scene = await Scene.open(program, NODES);
  await using stack = new AsyncDisposableStack();
  const good = answers(scene.implementation);
  const impostor = stack.use(new HostilePeer(crawling(paths, good, over.signal)));
  const honest = stack.use(new HostilePeer(good));
  stack.defer(() => over.abort());
  const { digest } = scene.implementation;
  const port = freePort();
  const reply = (peer: HostilePeer) =>
    `0share-reply\nid 0123456789abcdef\nport ${peer.port}\nhave ${digest}\n`;
  impostor.respond(port, () => reply(impostor));
  let queries = 0;
  honest.respond(port, () => ++queries > 1 ? reply(honest) : undefined);
  await scene.assertFetched(await scene.fetch(`--discovery-port ${port} --timeout 10`));
  assert.ok(impostor.asked.some(({ path }) => paths.test(path)));
}

/** Fetches from one that crawls the first time, and one that has it, and fails. */
async function fetchAgain(
  program: Program,
  paths: RegExp,
  answers: (implementation: Implementation) => Answering,
): Promise<void> {
  const over = new AbortController();
  await using scene = await Scene.open(program, [file("small", noise(1, 100_000))]);
  await using stack = new AsyncDisposableStack();
  const good = answers(scene.implementation);
  const crawl = crawling(paths, good, over.signal);
  const slow: HostilePeer = stack.use(
    new HostilePeer((asked) => (times(slow, paths) === 1 ? crawl : good)(asked)),
  );
  const dead = stack.use(
    new HostilePeer((asked) => paths.test(asked.path) ? { status: 0, end: "reset" } : good(asked)),
  );
  stack.defer(() => over.abort());
  await scene.assertFetched(await scene.fetch(slow.host, dead.host));
  assert.ok(times(dead, paths) > 0, "it was tried in the meantime");
  assert.ok(times(slow, paths) >= 2);
}

/** Fetches an archive from one that needs more than its first turn, and one that would need for ever. */
async function fetchInTurns(program: Program): Promise<void> {
  const over = new AbortController();
  await using scene = await Scene.open(program, [file("small", noise(1, 54_000))]);
  await using stack = new AsyncDisposableStack();
  const good = archive(scene.implementation);
  const [slow, slower] = [3000, CRAWL].map((rate) =>
    stack.use(new HostilePeer(crawling(isArchive, good, over.signal, rate)))
  );
  stack.defer(() => over.abort());
  await scene.assertFetched(await scene.fetch(slow!.host, slower!.host));
  assert.ok(times(slower!, isArchive) >= 1);
  assert.ok(times(slow!, isArchive) >= 2);
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
