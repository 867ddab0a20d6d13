/**
 * One host fetches from one, two and four others, each of which has it and a link of its own that
 * is slower than the fetcher's: do two give twice the rate of one?
 *
 *     deno task bench:peers [--peers 1,2,4] [--rate 100mbit] [--only p100,mixed]
 *                           [--variants never,cold]
 *
 * Other options, and what the columns mean: README.md beside this file.
 */

import { join } from "node:path";

import { Network } from "../tests/e2e/lib/network.ts";
import { removeTree, sandboxEnv } from "../tests/e2e/lib/sandbox_env.ts";
import { ArchiveServer, pack } from "./lib/archives.ts";
import { check, intoStore, type Load } from "./lib/loads.ts";
import { list, numbers, options } from "./lib/options.ts";
import { type Cost, cost } from "./lib/processes.ts";
import { machine, median, megabytes, result, spread, Table } from "./lib/report.ts";
import { parseRate, type Seat, seats } from "./lib/seats.ts";
import { sourceTree } from "./lib/trees.ts";
import { takeTurns, type Turn } from "./lib/turns.ts";
import { inWorkplace, type Workplace } from "./lib/workplace.ts";
import { fetchOnce, seed, type Variant, variants } from "./lib/zero_share.ts";

const settings = options({
  peers: "1,2,4",
  rate: "100mbit",
  only: "p100,mixed",
  variants: "never,cold",
});
const { program, runs, own } = settings;
const rate = parseRate(own.rate);

await inWorkplace(settings, async (place) => {
  const chosen = await variants(list(own.variants), program);
  machine({ program: program.name, runs, rate });
  const table = new Table(
    ["tree", "MB", "what", "peers", "seconds", "× one peer", "× tar of one", "of the links"],
    [6, 4, 20, 5, 20],
  );
  for (const name of list(own.only)) {
    const tree = await sourceTree(name, settings.trees);
    const load = await intoStore(name, tree, place.fresh("store"));
    const archives = place.fresh("archives");
    await pack(load, "tar", archives);
    await compare(load, archives, chosen, place, table);
  }
});

/** A way to fetch from a number of peers. */
interface Side extends Turn<Cost> {
  readonly peers: number;
}

async function compare(
  load: Load,
  archives: string,
  chosen: readonly Variant[],
  place: Workplace,
  table: Table,
): Promise<void> {
  const counts = numbers(own.peers);
  const sides = [
    ...counts.map((peers) => severalNginx(load, archives, peers, place)),
    ...chosen.flatMap((variant) => counts.map((peers) => ours(load, variant, peers, place))),
  ];
  const outcomes = await takeTurns(sides, runs);
  const seconds = outcomes.map((one) => one.map((outcome) => outcome.seconds));
  sides.forEach(({ name, peers }, i) => {
    const single = sides.findIndex((side) => side.name === name && side.peers === counts[0]);
    const [speedup, toTar] = [single, 0].map((other) =>
      median(seconds[i]!.map((value, round) => seconds[other]![round]! / value))
    ) as [number, number];
    const used = median(seconds[i]!.map((value) => load.bytes * 8 / value / rate / peers));
    result("several-peers", {
      tree: load.name,
      digest: load.digest,
      bytes: load.bytes,
      rate,
      what: name,
      peers,
      median: median(seconds[i]!),
      speedup,
      speedupToTarOfOne: toTar,
      used,
      runs: outcomes[i],
    });
    table.row(
      ...[load.name, megabytes(load.bytes), name, String(peers), spread(seconds[i]!)],
      ...[speedup.toFixed(2), toTar.toFixed(2), used.toFixed(2)],
    );
  });
}

/** 0share on a network with so many seeds, which it finds by itself. */
function ours(load: Load, variant: Variant, peers: number, place: Workplace): Side {
  return {
    name: variant.name,
    peers,
    async run() {
      await using network = await networkOf(peers);
      const [to, ...others] = seats(network) as [Seat, ...Seat[]];
      for (const seat of others) await seed(program, seat, load.store, place);
      return await fetchOnce(program, load, place, { seat: to, variant });
    },
  };
}

/** aria2 gets a tar from so many servers of it at once; then tar unpacks it. */
function severalNginx(load: Load, archives: string, peers: number, place: Workplace): Side {
  return {
    name: "aria2 HTTP, tar x",
    peers,
    async run() {
      await using network = await networkOf(peers);
      const [to, ...others] = seats(network) as [Seat, ...Seat[]];
      const urls: string[] = [];
      for (const seat of others) {
        const { url } = await ArchiveServer.start(seat, archives, place);
        urls.push(`${url}/${load.digest}.tar`);
      }
      const directory = place.fresh("unpacked");
      const { env } = sandboxEnv(join(directory, "home"));
      const tree = join(directory, "tree");
      Deno.mkdirSync(tree);
      const script =
        'aria2c --no-conf --quiet --file-allocation=none --async-dns=false -x 1 -s "$1" -k 1M ' +
        '-d "$2" -o all.tar "${@:4}" && tar -C "$3" -xf "$2/all.tar"';
      const args = ["get", String(peers), directory, tree, ...urls];
      const spent = await place.measured(() =>
        cost(["bash", "-c", script, ...args], { env, seat: to })
      );
      await check(load, tree);
      await removeTree(directory);
      return spent;
    },
  };
}

/** The fetcher's link, the first, is as fast as the kernel; the others' are limited. */
async function networkOf(peers: number): Promise<Network> {
  const network = await Network.create({ hosts: peers + 1 });
  for (const host of network.hosts.slice(1)) await host.limit(rate);
  return network;
}
