/**
 * A room of machines that want the same implementation at the same moment, when one has it: how
 * near to the fluid bound does the last of them finish, and how often does the seed send it?
 *
 *     deno task bench:crowd [--hosts 4,8,15] [--rate 100mbit] [--only p100,mixed]
 *                           [--variants never,cold] [--rivals tar,tar.zst]
 *
 * Other options, and what the columns mean: README.md beside this file.
 */

import { Network } from "../tests/e2e/lib/network.ts";
import { removeTree } from "../tests/e2e/lib/sandbox_env.ts";
import type { Packing } from "./lib/archives.ts";
import { aria2Swarm } from "./lib/aria2_swarm.ts";
import { Gate } from "./lib/gate.ts";
import { check, intoStore, type Load } from "./lib/loads.ts";
import { list, numbers, options } from "./lib/options.ts";
import { watchMachine } from "./lib/processes.ts";
import { machine, median, megabytes, result, shown, spread, Table } from "./lib/report.ts";
import { parseRate, type Seat, seats } from "./lib/seats.ts";
import type { Member, Swarm } from "./lib/swarm.ts";
import { sourceTree } from "./lib/trees.ts";
import { takeTurns } from "./lib/turns.ts";
import { inWorkplace, type Workplace } from "./lib/workplace.ts";
import { variants } from "./lib/zero_share.ts";
import { zeroShareSwarm } from "./lib/zero_share_swarm.ts";

const settings = options({
  hosts: "4,8,15",
  rate: "100mbit",
  only: "p100,mixed",
  variants: "never,cold",
  rivals: "tar,tar.zst",
});
const { program, runs, own } = settings;
const rate = parseRate(own.rate);

/** Time for whoever is to wait at the gate to get there, in milliseconds. */
const GATHERING_MS = 1000;

interface Outcome {
  /** Until the last host is complete. */
  readonly makespan: number;
  /** Of each host, in seconds. */
  readonly seconds: readonly number[];
  /** Bytes that left the seed, and all hosts together, on the wire. */
  readonly seedSent: number;
  readonly allSent: number;
  /** How busy the machine's processors were, from 0 to 1. */
  readonly busy: number;
}

/** A run that is counted as failed; the others go on. */
class Incomplete extends Error {}

await inWorkplace(settings, async (place) => {
  const chosen = await variants(list(own.variants), program);
  const swarms = [
    ...list(own.rivals).map((packing) => aria2Swarm(packing as Packing, place)),
    ...chosen.map((variant) => zeroShareSwarm(program, variant, place)),
  ];
  machine({ program: program.name, runs, rate });
  const table = new Table(
    [
      "tree",
      "MB",
      "hosts",
      "rate",
      "what",
      "seconds",
      "to bound",
      "copies",
      "all",
      "CPU %",
      "failed",
    ],
    [6, 4, 5, 8, 20, 20],
  );
  for (const name of list(own.only)) {
    const tree = await sourceTree(name, settings.trees);
    const load = await intoStore(name, tree, place.fresh("store"));
    for (const swarm of swarms) await swarm.prepare(load);
    for (const hosts of numbers(own.hosts)) {
      const turns = swarms.map((swarm) => ({
        name: swarm.name,
        run: () => crowd(swarm, load, hosts, place).catch(toldWhenIncomplete),
      }));
      const outcomes = await takeTurns(turns, runs, { warmUp: false });
      turns.forEach(({ name }, i) => report(load, hosts, name, outcomes[i]!, table));
    }
  }
});

/** One flash crowd on a network of its own. */
async function crowd(
  swarm: Swarm,
  load: Load,
  hosts: number,
  place: Workplace,
): Promise<Outcome> {
  await using network = await Network.create({
    hosts: hosts + 1,
    bitsPerSecond: rate,
    defaultRoute: true,
  });
  const [seed, ...others] = seats(network) as [Seat, ...Seat[]];
  await using gate = await Gate.at(place.fresh("gate"));
  await swarm.seed(load, seed);
  const members = others.map((seat) => swarm.join(load, seat, gate, seed));
  // One that fails before the gate opens is met where all are waited for.
  void Promise.allSettled(members.map(({ complete }) => complete));
  await new Promise((resolve) => setTimeout(resolve, GATHERING_MS));
  try {
    const outcome = await measure(members, [seed, ...others], gate, place);
    for (const { tree } of members) await check(load, tree);
    return outcome;
  } finally {
    for (const { running, directory } of members) {
      running.signal("SIGKILL");
      await running.ended;
      await removeTree(directory);
    }
  }
}

/** Opens the gate and waits for all. The first of `all` is the seed. */
async function measure(
  members: readonly Member[],
  all: readonly Seat[],
  gate: Gate,
  place: Workplace,
): Promise<Outcome> {
  return await place.measured(async () => {
    const sentBefore = await sent(all);
    const busy = watchMachine();
    const start = performance.now();
    gate.open();
    const ends = await Promise.all(members.map(({ complete }) => complete))
      .catch((cause) => {
        throw new Incomplete("A host did not get it", { cause });
      });
    const share = busy();
    const seconds = ends.map((end) => (end - start) / 1000);
    const sentAfter = await sent(all);
    const traffic = sentAfter.map((value, i) => value - sentBefore[i]!);
    return {
      makespan: Math.max(...seconds),
      seconds,
      seedSent: traffic[0]!,
      allSent: traffic.reduce((sum, value) => sum + value, 0),
      busy: share,
    };
  });
}

/** Tells of a host that failed, and gives nothing; throws whatever else went wrong. */
function toldWhenIncomplete(error: unknown): undefined {
  if (!(error instanceof Incomplete)) throw error;
  const { cause } = error;
  const text = cause instanceof Error ? cause.message : String(cause);
  Deno.stderr.writeSync(new TextEncoder().encode(`${error.message}: ${text}\n`));
}

async function sent(all: readonly Seat[]): Promise<number[]> {
  return await Promise.all(all.map(async (seat) => (await seat.traffic()).sent));
}

function report(
  load: Load,
  hosts: number,
  what: string,
  runs: readonly (Outcome | undefined)[],
  table: Table,
): void {
  const outcomes = runs.filter((outcome) => outcome !== undefined);
  const failed = runs.length - outcomes.length;
  // Every host has to get all of it through its own link; so many can help each other that
  // nothing else binds.
  const bound = load.bytes * 8 / rate;
  const of = (pick: (outcome: Outcome) => number) => median(outcomes.map(pick));
  const ratio = of(({ makespan }) => makespan / bound);
  const copies = of(({ seedSent }) => seedSent / load.bytes);
  const all = of(({ allSent }) => allSent / load.bytes / hosts);
  const busy = of((outcome) => outcome.busy);
  result("flash-crowd", {
    tree: load.name,
    digest: load.digest,
    files: load.files,
    bytes: load.bytes,
    hosts,
    rate,
    what,
    bound,
    makespan: of(({ makespan }) => makespan),
    ratio,
    copies,
    all,
    busy,
    failed,
    runs: outcomes,
  });
  table.row(
    ...[load.name, megabytes(load.bytes), String(hosts), own.rate, what],
    spread(outcomes.map(({ makespan }) => makespan)),
    ...[shown(ratio), shown(copies), shown(all), shown(busy * 100, 0)],
    String(failed),
  );
}
