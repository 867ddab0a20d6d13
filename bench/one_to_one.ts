/**
 * One host fetches from another: 0share against `curl | tar x` from nginx, on the same trees, in
 * the same run, taking turns. Over loopback the processor is the limit, over a link the wire.
 *
 *     deno task bench [--net loopback,1gbit] [--only big,mixed,small] [--variants never,cold,warm]
 *
 * Other options, and what the columns mean: README.md beside this file.
 */

import { Network } from "../tests/e2e/lib/network.ts";
import { ArchiveServer, pack, type Packing, unpackOnce } from "./lib/archives.ts";
import { intoStore, type Load } from "./lib/loads.ts";
import { list, options } from "./lib/options.ts";
import { type Cost, cpuOf } from "./lib/processes.ts";
import { machine, median, megabytes, result, spread, Table } from "./lib/report.ts";
import { HERE, parseRate, type Seat, seats } from "./lib/seats.ts";
import { sourceTree } from "./lib/trees.ts";
import { takeTurns, type Turn } from "./lib/turns.ts";
import { inWorkplace, type Workplace } from "./lib/workplace.ts";
import { addressedSeed, fetchOnce, type Variant, variants } from "./lib/zero_share.ts";

const settings = options({
  net: "loopback,1gbit",
  only: "big,mixed,small",
  variants: "never,cold,warm",
});
const { program, runs } = settings;

/** A fetch, and the processor time of who served it. */
interface Outcome extends Cost {
  readonly serverCpu: number;
}

await inWorkplace(settings, async (place) => {
  const chosen = await variants(list(settings.own.variants), program);
  machine({ program: program.name, runs });
  const table = new Table(
    ["net", "tree", "files", "MB", "what", "seconds", "to tar", "to tar.zst", "CPU s/GB"],
    [9, 6, 6, 4, 24, 20],
  );
  for (const name of list(settings.own.only)) {
    const tree = await sourceTree(name, settings.trees);
    const load = await intoStore(name, tree, place.fresh("store"));
    const archives = place.fresh("archives");
    for (const packing of ["tar", "tar.zst"] as const) await pack(load, packing, archives);
    for (const net of list(settings.own.net)) {
      await compare({ net, load, archives, chosen, place, table });
    }
  }
});

interface Comparison {
  readonly net: string;
  readonly load: Load;
  /** The directory with the load's archives. */
  readonly archives: string;
  readonly chosen: readonly Variant[];
  readonly place: Workplace;
  readonly table: Table;
}

async function compare(comparison: Comparison): Promise<void> {
  const { net, load, archives, chosen, place, table } = comparison;
  await using network = net === "loopback"
    ? undefined
    : await Network.create({ hosts: 2, bitsPerSecond: parseRate(net) });
  const [from, to] = network === undefined ? [HERE, HERE] : seats(network) as [Seat, Seat];
  await using nginx = await ArchiveServer.start(from, archives, place);
  await using server = await addressedSeed(program, from, load.store, place);

  const archive = (name: string, packing: Packing, verify = false): Turn<Outcome> => ({
    name,
    run: () =>
      withServer(
        nginx.running.pid,
        () => unpackOnce(nginx, load, place, { seat: to, packing, verify }),
      ),
  });
  const ours = (variant: Variant): Turn<Outcome> => ({
    name: variant.name,
    async run() {
      await using fresh = variant.cold
        ? await addressedSeed(program, from, load.store, place)
        : undefined;
      const { running, port } = fresh ?? server;
      return await withServer(running.pid, () =>
        fetchOnce(program, load, place, {
          seat: to,
          variant,
          server: { address: from.address, port },
        }));
    },
  });
  const turns = [
    archive("curl | tar x", "tar"),
    archive("curl | tar x --zstd", "tar.zst"),
    archive("… x; 0install digest", "tar", true),
    ...chosen.map(ours),
  ];
  const outcomes = await takeTurns(turns, runs);
  const seconds = outcomes.map((one) => one.map((outcome) => outcome.seconds));
  turns.forEach(({ name }, i) => {
    const [toTar, toZst] = [0, 1].map((rival) =>
      median(seconds[i]!.map((value, round) => value / seconds[rival]![round]!))
    ) as [number, number];
    const cpu = median(outcomes[i]!.map((one) => (one.cpu + one.serverCpu) / load.bytes * 1e9));
    result("one-to-one", {
      net,
      tree: load.name,
      digest: load.digest,
      files: load.files,
      bytes: load.bytes,
      what: name,
      median: median(seconds[i]!),
      ratioToTar: toTar,
      ratioToTarZst: toZst,
      cpuSecondsPerGB: cpu,
      runs: outcomes[i],
    });
    table.row(
      ...[net, load.name, String(load.files), megabytes(load.bytes), name, spread(seconds[i]!)],
      ...[toTar.toFixed(2), toZst.toFixed(2), cpu.toFixed(2)],
    );
  });
}

async function withServer(pid: number, get: () => Promise<Cost>): Promise<Outcome> {
  const before = cpuOf(pid);
  const spent = await get();
  return { ...spent, serverCpu: cpuOf(pid) - before };
}
