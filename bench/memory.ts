/**
 * Does memory stay flat? Peak memory of who serves and who fetches, for an implementation that is
 * much larger than memory should ever be, and for one of very many files; with the processor time
 * that a gigabyte costs on either side.
 *
 *     deno task bench:memory [--gigabytes 10] [--files 200000] [--variants never,cold]
 *
 * The gigabytes are on the disk of `--work` (three times their size is needed there), the many
 * files in memory. Other options, and what the columns mean: README.md beside this file.
 */

import { type Program, start } from "../tests/e2e/lib/program.ts";
import { removeTree, sandboxEnv } from "../tests/e2e/lib/sandbox_env.ts";
import { ArchiveServer, pack, unpackOnce } from "./lib/archives.ts";
import type { Load } from "./lib/loads.ts";
import { gigabytes, manyFiles } from "./lib/made_up.ts";
import { list, numbers, options } from "./lib/options.ts";
import { type Cost, cpuOf, descendants, must, peakOf, watchPeak } from "./lib/processes.ts";
import { machine, median, megabytes, result, spread, Table } from "./lib/report.ts";
import { HERE } from "./lib/seats.ts";
import { takeTurns, type Turn } from "./lib/turns.ts";
import { inWorkplace, type Workplace } from "./lib/workplace.ts";
import { addressedSeed, fetchOnce, type Variant, variants } from "./lib/zero_share.ts";

const settings = options({ gigabytes: "10", files: "200000", variants: "never,cold" });
const { program, runs, own } = settings;
const loads = { files: numbers(own.files), gigabytes: numbers(own.gigabytes) };

interface Outcome extends Cost {
  /** Peak memory of the server before anybody asked, and after. */
  readonly idle: number;
  readonly serving: number;
  readonly serverCpu: number;
}

await inWorkplace(settings, async (place) => {
  const chosen = await variants(list(own.variants), program);
  const runtime = await runtimePeak(place);
  machine({ program: program.name, runs, runtime });
  const table = new Table(
    [
      ...["load", "what", "seconds", "serve, idle MB", "serve MB", "beyond", "fetch MB", "beyond"],
      ...["serve CPU s/GB", "fetch CPU s/GB"],
    ],
    [12, 20, 20],
  );
  table.row("(none)", `Deno alone: ${megabytes(runtime)} MB`);
  for (const count of loads.files) {
    const load = await manyFiles(count, place.fresh("store"));
    await compare({ load, where: place.memory, chosen, place, runtime, table });
    await removeTree(load.store);
  }
  for (const count of loads.gigabytes) {
    const load = await gigabytes(count, place.fresh("store", place.disk));
    await compare({ load, where: place.disk, chosen, place, runtime, table });
    await removeTree(load.store);
  }
});

interface Comparison {
  readonly load: Load;
  /** Where everything is read from and written to. */
  readonly where: string;
  readonly chosen: readonly Variant[];
  readonly place: Workplace;
  /** Peak memory of a runtime that does nothing. */
  readonly runtime: number;
  readonly table: Table;
}

async function compare(comparison: Comparison): Promise<void> {
  const { load, where, chosen, place, runtime, table } = comparison;
  const archives = place.fresh("archives", where);
  await pack(load, "tar", archives);
  const archive: Turn<Outcome> = {
    name: "curl | tar x",
    async run() {
      await using server = await ArchiveServer.start(HERE, archives, place);
      return await watched(
        server.running.pid,
        () => unpackOnce(server, load, place, { seat: HERE, packing: "tar", watch: true, where }),
      );
    },
  };
  const ours = (variant: Variant): Turn<Outcome> => ({
    name: variant.name,
    async run() {
      await using server = await addressedSeed(program, HERE, load.store, place);
      const peer = { address: HERE.address, port: server.port };
      return await watched(
        server.running.pid,
        () =>
          fetchOnce(program, load, place, {
            seat: HERE,
            variant,
            server: peer,
            watch: true,
            where,
          }),
      );
    },
  });
  const turns = [archive, ...chosen.map(ours)];
  const outcomes = await takeTurns(turns, runs, { warmUp: false });
  turns.forEach(({ name }, i) => {
    const of = (pick: (outcome: Outcome) => number) => median(outcomes[i]!.map(pick));
    const [idle, serving, fetching] = [
      of((outcome) => outcome.idle),
      of((outcome) => outcome.serving),
      of((outcome) => outcome.peak),
    ];
    const perGB = [of(({ serverCpu }) => serverCpu), of(({ cpu }) => cpu)]
      .map((seconds) => seconds / load.bytes * 1e9) as [number, number];
    result("memory", {
      load: load.name,
      files: load.files,
      bytes: load.bytes,
      what: name,
      median: of(({ seconds }) => seconds),
      idle,
      serving,
      fetching,
      serveCpuSecondsPerGB: perGB[0],
      fetchCpuSecondsPerGB: perGB[1],
      runs: outcomes[i],
    });
    const beyond = (bytes: number) => i === 0 ? "" : megabytes(bytes - runtime);
    table.row(
      ...[load.name, name, spread(outcomes[i]!.map(({ seconds }) => seconds)), megabytes(idle)],
      ...[megabytes(serving), beyond(serving), megabytes(fetching), beyond(fetching)],
      ...perGB.map((seconds) => seconds.toFixed(2)),
    );
  });
  await removeTree(archives);
}

async function watched(pid: number, get: () => Promise<Cost>): Promise<Outcome> {
  // What a run before has written would be written while this one is measured.
  await must("sync");
  const peak = () => Math.max(...[pid, ...descendants(pid)].map(peakOf));
  const [idle, before] = [peak(), cpuOf(pid)];
  const spent = await get();
  return { ...spent, idle, serving: peak(), serverCpu: cpuOf(pid) - before };
}

/** What Deno needs to do nothing. */
async function runtimePeak(place: Workplace): Promise<number> {
  const { env } = sandboxEnv(place.fresh("idle"));
  const deno: Program = { name: "Deno", command: [Deno.execPath(), "eval"] };
  const nothing = "await new Promise((done) => setTimeout(done, 500))";
  await using running = start(deno, [nothing], { env });
  return await watchPeak(running.pid, running.ended);
}
