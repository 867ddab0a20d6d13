/** Machines that are getting the same at once: each gives on what it has verified, and nothing else. */

import assert from "node:assert/strict";

import { pieceSize } from "../../lib/manifest/layout.ts";
import { readPieceStates } from "../../lib/store/piece_file.ts";
import { parseAvailability } from "../../lib/wire/availability.ts";
import {
  addImplementation,
  type Implementation,
  noise,
  streamOf,
} from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { droppedOf, eventsOf, summaryOf } from "./lib/events.ts";
import { HostilePeer } from "./lib/hostile_peer.ts";
import { freePort, machine, serveOn } from "./lib/machine.ts";
import { verify } from "./lib/oracle.ts";
import {
  oneProgram,
  type Program,
  programs,
  type Result,
  type Running,
  start,
} from "./lib/program.ts";
import { type Sandbox, TemporaryDirectory } from "./lib/sandbox_env.ts";
import { flipped, pausing, swarm } from "./lib/swarm_peer.ts";

/** 8 MB, 31 pieces: a large file and some that are not. */
const NODES = [
  ...Array.from({ length: 20 }, (_, index) => file(`a${index}`, noise(index, 50_000))),
  file("large", noise(99, 7_000_000)),
];
const SIZE = 8_000_000;
const PIECE = pieceSize(SIZE);
const PIECES = Math.ceil(SIZE / PIECE);

/** Machines on this one that find each other, and one of them with the tree. */
class Crowd implements AsyncDisposable {
  readonly directory = new TemporaryDirectory();
  readonly discoveryPort = freePort();
  readonly #stack = new AsyncDisposableStack();

  constructor(readonly program: Program) {
    this.#stack.use(this.directory);
  }

  async seed(limit: string): Promise<{ wanted: Implementation; port: number }> {
    const one = machine(this.directory, "seed");
    const wanted = await addImplementation(one.store, NODES);
    const args = ["--upload-limit", limit];
    const { discoveryPort } = this;
    const server = await serveOn(this.program, one, { discoveryPort, args });
    this.#stack.use(server);
    return { wanted, port: server.port };
  }

  /** Starts to fetch on machines of their own. */
  fetch(
    { digest }: Implementation,
    count: number,
    ...more: string[]
  ): { machine: Sandbox; running: Running }[] {
    const args = ["fetch", digest, "--json", "--timeout", "10", ...more];
    args.push("--discovery-port", String(this.discoveryPort));
    return Array.from({ length: count }, (_, index) => {
      const one = machine(this.directory, `fetches ${index}`);
      return { machine: one, running: this.#stack.use(start(this.program, args, one)) };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

async function assertRight({ env, store }: Sandbox, digest: string, result: Result) {
  assert.equal(result.code, 0, result.stdout + result.stderr);
  await verify(env, `${store}/${digest}`);
}

/** What a server says that it has of an implementation, and gives: pieces by number. */
async function offered(port: number, digest: string): Promise<Map<number, Uint8Array> | undefined> {
  const base = `http://127.0.0.1:${port}/implementation/${digest}/pieces`;
  const response = await fetch(base).catch(() => undefined);
  const text = await response?.text();
  if (response?.status !== 200) return undefined;
  const { pieces, size } = parseAvailability(text!)!;
  assert.equal(size, SIZE);
  const given = new Map<number, Uint8Array>();
  for (let piece = 0; piece * PIECE < SIZE; piece++) {
    const answer = await fetch(`${base}/${piece}`);
    const bytes = await answer.bytes();
    const said = pieces === "all" || pieces[piece] === 1;
    if (said) assert.equal(answer.status, 200, `piece ${piece}`);
    if (answer.status === 200) given.set(piece, bytes);
  }
  return given;
}

/** The same when it is so many pieces, while a fetch runs. */
async function offeredSoon(
  fetching: Running,
  port: number,
  digest: string,
  least: number,
): Promise<Map<number, Uint8Array>> {
  let over = false;
  void fetching.ended.then(() => over = true);
  while (!over) {
    const given = await offered(port, digest);
    if (given !== undefined && given.size >= least) return given;
  }
  throw new assert.AssertionError({ message: `nothing was offered: ${fetching.report()}` });
}

function assertPieces(given: Map<number, Uint8Array>, right: Uint8Array): void {
  for (const [piece, bytes] of given) {
    assert.deepEqual(bytes, right.slice(piece * PIECE, (piece + 1) * PIECE), `piece ${piece}`);
  }
}

async function sharingPort(running: Running): Promise<number> {
  const [, port] = await running.output(/"event":"sharing".*?"port":(\d+)/, "stdout");
  return Number(port);
}

for (const program of programs()) {
  Deno.test({
    name:
      `${program.name}: three machines that fetch at once take from each other what a slow seed gave to one`,
    ...needs("oracle"),
    fn: async () => {
      await using crowd = new Crowd(program);
      const { wanted, port } = await crowd.seed("3M");
      const fetching = crowd.fetch(wanted, 3);
      let copies = 0;
      for (const { machine, running } of fetching) {
        const fetched = await running.ended;
        await assertRight(machine, wanted.digest, fetched);
        const { peers, total } = summaryOf(fetched);
        const [others, fromSeed] = [false, true].map((is) =>
          peers.filter(({ peer }) => peer.endsWith(`:${port}`) === is)
            .reduce((sum, { bytes }) => sum + bytes, 0)
        );
        assert.ok(others! >= total / 10, `${others} bytes of others: ${JSON.stringify(peers)}`);
        copies += fromSeed! / total;
        assert.deepEqual(droppedOf(fetched).filter(({ passing }) => !passing), []);
      }
      assert.ok(copies < 2.2, `the seed gave ${copies} copies to three`);
    },
  });
}

for (const program of oneProgram()) {
  Deno.test({
    name:
      `${program.name}: piece digests that lie poison nobody: all end right, and the liar is dropped`,
    ...needs("oracle"),
    fn: async () => {
      await using crowd = new Crowd(program);
      const { wanted } = await crowd.seed("3M");
      const right = streamOf(wanted);
      const places = Array.from({ length: 20 }, (_, piece) => 1_200_000 + piece * PIECE);
      // What it gives digests of it sends as well, so that its pieces match them.
      await using liar = new HostilePeer(swarm(wanted, { sends: flipped(right, ...places) }));
      liar.respond(
        crowd.discoveryPort,
        () => `0share-reply\nport ${liar.port}\nhave ${wanted.digest}\n`,
      );
      const fetching = crowd.fetch(wanted, 3);
      let found = 0;
      for (const { machine, running } of fetching) {
        const fetched = await running.ended;
        await assertRight(machine, wanted.digest, fetched);
        const liars = droppedOf(fetched).filter(({ lied }) => lied);
        const others = liars.filter(({ peer }) => !peer.endsWith(`:${liar.port}`));
        assert.deepEqual(others.map(({ peer, reason }) => `${peer}: ${reason}`), []);
        found += liars.length;
      }
      assert.ok(found > 0, "nobody noticed");
      assert.ok(liar.asked.some(({ path }) => path.endsWith("/piece-digests")));
    },
  });

  for (const share of [true, false]) {
    Deno.test({
      name: share
        ? `${program.name}: a fetch, and a server on its machine, give pieces as soon as they are verified`
        : `${program.name}: with --no-share a fetch gives nothing, and a server on its machine does`,
      ...needs("posix"),
      fn: async () => {
        await using crowd = new Crowd(program);
        const { wanted } = await crowd.seed("1.5M");
        const [fetching] = crowd.fetch(wanted, 1, ...share ? [] : ["--no-share"]);
        const { machine, running } = fetching!;
        await using server = await serveOn(program, machine);
        await running.output(/"event":"connecting"/, "stdout");
        const ports = [server.port, ...share ? [await sharingPort(running)] : []];
        const right = streamOf(wanted);
        for (const port of ports) {
          const given = await offeredSoon(running, port, wanted.digest, 1);
          assertPieces(given, right);
          assert.ok(given.size < PIECES, "all of it has come");
        }
        if (!share) {
          assert.ok(!eventsOf(running).some(({ event }) => event === "sharing"), running.stdout);
          assert.deepEqual(await listeners(running.pid), []);
        } else if (Deno.build.os === "linux") {
          assert.ok((await listeners(running.pid)).length > 0);
        }
        assert.equal((await running.ended).code, 0);
        assert.equal((await offered(server.port, wanted.digest))?.size, PIECES);
      },
    });
  }

  Deno.test({
    name:
      `${program.name}: what a liar sends is never offered, neither by the fetch nor by a server beside it`,
    ...needs("posix"),
    fn: async () => {
      await using crowd = new Crowd(program);
      const wanted = await addImplementation(machine(crowd.directory, "one").store, NODES);
      const right = streamOf(wanted);
      // The small files are right, and one bit in the middle of the large one is not.
      const going = Promise.withResolvers<void>();
      await using liar = new HostilePeer(
        pausing(swarm(wanted, { sends: flipped(right, 3_000_000) }), going.promise),
      );
      liar.respond(
        crowd.discoveryPort,
        () => `0share-reply\nport ${liar.port}\nhave ${wanted.digest}\n`,
      );
      const [fetching] = crowd.fetch(wanted, 1);
      const { machine: two, running } = fetching!;
      await using server = await serveOn(program, two);
      const port = await sharingPort(running);
      const small = Math.floor(1_000_000 / PIECE);
      try {
        for (const one of [server.port, port]) {
          const given = await offeredSoon(running, one, wanted.digest, small);
          assertPieces(given, right);
          // Of the large file nobody can say yet whether it is right.
          assert.equal(given.size, small);
        }
        const staged = readPieceStates(two.store, wanted.digest)!;
        assert.ok(staged.filter((state) => state === 1).length > 5, `${staged}`);
      } finally {
        going.resolve();
      }
      const { code, stdout } = await running.ended;
      assert.equal(code, 4, stdout);
      const after = await offered(server.port, wanted.digest);
      if (after !== undefined) assertPieces(after, right);
    },
  });
}

/** TCP ports on which a process listens. */
async function listeners(pid: number): Promise<string[]> {
  if (Deno.build.os !== "linux") return [];
  const sockets = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
    if (inode !== undefined) sockets.add(inode);
  }
  const lines = ["tcp", "tcp6"].flatMap((name) =>
    Deno.readTextFileSync(`/proc/${pid}/net/${name}`).split("\n").slice(1)
  );
  return lines.map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A" && sockets.has(fields[9]!))
    .map((fields) => fields[1]!);
}
