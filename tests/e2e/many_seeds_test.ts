/** Several machines that have all of it, on links that lose packets, are slow to answer, or end. */

import assert from "node:assert/strict";

import { addImplementation, type Implementation, noise } from "../serve/implementations.ts";
import { file } from "../vectors/trees.ts";
import { DelayingProxy } from "./lib/delaying_proxy.ts";
import { cameFromPeers, droppedOf, type Summary, summaryOf } from "./lib/events.ts";
import type { Host } from "./lib/host.ts";
import { machine, serveOn } from "./lib/machine.ts";
import { verify } from "./lib/oracle.ts";
import { type Program, programs, type Result, run, start } from "./lib/program.ts";
import { forEachProgram, type Room } from "./lib/room.ts";
import { needs } from "../skips.ts";
import { TemporaryDirectory } from "./lib/sandbox_env.ts";

/** 10 MB in two large files and many that are not. */
const NODES = [
  ...Array.from({ length: 80 }, (_, index) => file(`a${index}`, noise(index, 25_000))),
  file("large", noise(99, 5_000_000)),
  file("larger", noise(98, 3_000_000)),
];
const SIZE = 10_000_000;

/** The tree in the stores of these hosts, and a server on each. */
async function seeds(room: Room, stack: AsyncDisposableStack, ...hosts: Host[]) {
  let wanted: Implementation | undefined;
  const servers = [];
  for (const host of hosts) {
    wanted = await addImplementation(room.machine(host).store, NODES);
    servers.push(stack.use(await room.serve(host)));
  }
  return { wanted: wanted!, servers };
}

function fetchArgs({ digest }: Implementation): string[] {
  return ["fetch", digest, "--json", "--timeout", "10", "--compress", "never"];
}

async function assertRight(room: Room, host: Host, result: Result, wanted: Implementation) {
  const { store } = room.machine(host);
  await room.assertFetched(host, { ...result, stdout: `${store}/${wanted.digest}\n` }, wanted);
}

/** Fails when more came than what is missing, but for a little. */
function assertLittleTwice(summary: Summary, part: number): void {
  assert.equal(summary.total, SIZE);
  const came = cameFromPeers(summary);
  assert.ok(came >= SIZE && came <= SIZE * (1 + part), `${came} bytes came of ${SIZE}`);
}

forEachProgram(
  "three seeds are all used at once, and little is fetched twice",
  { hosts: 4, bitsPerSecond: 80_000_000 },
  async (room, one, two, three, four) => {
    await using stack = new AsyncDisposableStack();
    const hosts = [two!, three!, four!];
    const { wanted } = await seeds(room, stack, ...hosts);
    const { env } = room.machine(one!);
    const fetched = await run(room.program, fetchArgs(wanted), { env, prefix: one!.prefix });
    await assertRight(room, one!, fetched, wanted);
    const summary = summaryOf(fetched);
    assert.deepEqual(
      summary.peers.map(({ peer }) => peer).sort(),
      hosts.map(({ ipv4 }) => ipv4),
    );
    for (const { peer, bytes } of summary.peers) {
      assert.ok(bytes >= SIZE / 20, `${bytes} bytes of ${peer}`);
    }
    assertLittleTwice(summary, 0.1);
    const { received } = await one!.traffic();
    assert.ok(received < SIZE * 1.15, `${received} bytes on the wire`);
  },
  "oracle",
);

for (const percent of [1, 5]) {
  forEachProgram(
    `where ${percent} % of all packets are lost, two seeds are enough`,
    { hosts: 3 },
    async (room, one, two, three) => {
      await using stack = new AsyncDisposableStack();
      const { wanted } = await seeds(room, stack, two!, three!);
      for (const host of [one!, two!, three!]) await host.lose(percent);
      const { env } = room.machine(one!);
      const fetched = await run(room.program, fetchArgs(wanted), { env, prefix: one!.prefix });
      await assertRight(room, one!, fetched, wanted);
      assertLittleTwice(summaryOf(fetched), 0.3);
      const lost = await one!.exec("nft", "list", "chain", "inet", "loss", "input");
      const [, packets] = /counter packets (\d+)/.exec(lost) ?? [];
      assert.ok(Number(packets) > 0, `nothing was lost: ${lost}`);
    },
    "oracle",
  );
}

forEachProgram(
  "of three seeds one is killed midway: what was in flight to it comes from the others",
  { hosts: 4, bitsPerSecond: 40_000_000 },
  async (room, one, two, three, four) => {
    await using stack = new AsyncDisposableStack();
    const { wanted, servers } = await seeds(room, stack, two!, three!, four!);
    const { env } = room.machine(one!);
    await using fetching = start(room.program, fetchArgs(wanted), { env, prefix: one!.prefix });
    const killed = servers[0]!;
    while ((await one!.traffic()).received < SIZE / 4) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await killed.running.stop("SIGKILL");
    const fetched = await fetching.ended;
    await assertRight(room, one!, fetched, wanted);
    const summary = summaryOf(fetched);
    assertLittleTwice(summary, 0.2);
    const left = droppedOf(fetched).map(({ peer }) => peer);
    assert.ok(left.every((peer) => peer === two!.ipv4), JSON.stringify(left));
    for (const host of [three!, four!]) {
      const { bytes } = summary.peers.find(({ peer }) => peer === host.ipv4)!;
      assert.ok(bytes >= SIZE / 10, `${bytes} bytes of ${host.ipv4}`);
    }
  },
  "oracle",
);

for (const program of programs()) {
  Deno.test({
    name: `${program.name}: two seeds that are 50 ms away in each direction are both used`,
    ...needs("oracle"),
    fn: () => withDelayedSeeds(program),
  });
}

async function withDelayedSeeds(program: Program): Promise<void> {
  await using directory = new TemporaryDirectory();
  await using stack = new AsyncDisposableStack();
  const proxies: DelayingProxy[] = [];
  let digest = "";
  for (const name of ["one", "two"]) {
    const seed = machine(directory, name);
    ({ digest } = await addImplementation(seed.store, NODES));
    const server = stack.use(await serveOn(program, seed));
    proxies.push(stack.use(new DelayingProxy(server.port, 50)));
  }
  const { env, store } = machine(directory, "three");
  const hosts = proxies.flatMap(({ host }) => ["-H", host]);
  const fetched = await run(program, ["fetch", digest, "--json", ...hosts], { env });
  const summary = summaryOf(fetched);
  await verify(env, `${store}/${digest}`);
  assertLittleTwice(summary, 0.3);
  assert.deepEqual(droppedOf(fetched), []);
  for (const { peer, bytes } of summary.peers) assert.ok(bytes > SIZE / 10, `${bytes} of ${peer}`);
  assert.equal(summary.peers.length, 2);
}
