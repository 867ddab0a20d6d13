/**
 * One host fetches from another: 0share against `curl | tar x` from nginx, on the same trees, in
 * the same run, taking turns, over loopback and in memory, so that neither a network nor a disk
 * hides what the programs cost.
 *
 *     deno task bench [--only big,small] [--trees DIR] [--runs 5] [--program FILE] [--work DIR]
 *     deno task bench --memory
 *
 * `--work` should be a tmpfs of some gigabytes (`mount -t tmpfs none DIR`), or a disk is measured too; not
 * one below /dev, where Deno permits nothing to a confined thread.
 *
 * A table on stderr, a line of JSON for each result on stdout. Needs Linux, nginx, curl and GNU
 * tar; the trees come from npm unless `--trees` names a directory that has them.
 */

import { join } from "node:path";
import { parseArgs } from "node:util";

import { verifyTree } from "../lib/manifest/verify.ts";
import { parseDigest } from "../lib/manifest/digest.ts";
import { fromSource, type Program, start } from "../tests/e2e/lib/program.ts";
import { removeTree, sandboxEnv } from "../tests/e2e/lib/sandbox_env.ts";
import { nginxTar, type Side, watchPeak, zeroShare } from "./sides.ts";
import { intoStore, type Load, sourceTree, TREE_NAMES, twoGibibytes } from "./trees.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    only: { type: "string", default: TREE_NAMES.join(",") },
    trees: { type: "string" },
    runs: { type: "string", default: "5" },
    program: { type: "string" },
    work: { type: "string", default: "/tmp" },
    memory: { type: "boolean", default: false },
  },
});

const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`Cannot run ${values.runs} times`);
const program: Program = values.program === undefined
  ? fromSource()
  : { name: values.program, command: [Deno.realPathSync(values.program)] };
const work = Deno.makeTempDirSync({ dir: values.work, prefix: "0share-bench-" });
try {
  await (values.memory ? measureMemory() : measureTime());
} finally {
  await removeTree(work);
}

async function measureTime(): Promise<void> {
  result({ kind: "machine", ...machine() });
  row("tree", "files", "MB", "curl | tar x", "0share fetch", "ratio");
  for (const name of values.only.split(",")) {
    const trees = values.trees ?? defaultTrees();
    const directory = join(work, name);
    const store = join(directory, "store");
    const load = await intoStore(name, await sourceTree(name, trees), store);
    await verifyTree(parseDigest(load.digest), load.path);
    {
      await using ours = await zeroShare(program, store, directory);
      await using theirs = await nginxTar([load], directory);
      const [a, b] = await alternate(theirs, ours, load);
      const ratios = b.map((seconds, i) => seconds / a[i]!);
      result({
        kind: "time",
        tree: name,
        digest: load.digest,
        files: load.files,
        bytes: load.bytes,
        program: program.name,
        seconds: { [theirs.name]: a, [ours.name]: b },
        median: { [theirs.name]: median(a), [ours.name]: median(b) },
        ratio: median(ratios),
      });
      const mb = (load.bytes / 1e6).toFixed(0);
      row(name, String(load.files), mb, shown(a), shown(b), median(ratios).toFixed(2));
    }
    await removeTree(directory);
  }
}

/** Turns, the order changing each time; a first turn, not counted, warms caches on both sides. */
async function alternate(a: Side, b: Side, load: Load): Promise<[number[], number[]]> {
  const times = new Map<Side, number[]>([[a, []], [b, []]]);
  for (let turn = -1; turn < runs; turn++) {
    for (const side of turn % 2 === 0 ? [a, b] : [b, a]) {
      const { seconds } = await side.get(load);
      if (turn >= 0) times.get(side)!.push(seconds);
    }
  }
  return [times.get(a)!, times.get(b)!];
}

async function measureMemory(): Promise<void> {
  result({ kind: "machine", ...machine() });
  const load = await twoGibibytes(join(work, "store"));
  await using ours = await zeroShare(program, join(work, "store"), work);
  const idle = ours.serverPeak();
  const { peak: fetching, seconds } = await ours.get(load);
  const serving = ours.serverPeak();
  const runtime = await runtimePeak();
  const { files, bytes } = load;
  result({
    kind: "memory",
    program: program.name,
    files,
    bytes,
    seconds,
    runtime,
    idle,
    serving,
    fetching,
  });
  row("peak memory, MB", "runtime alone", "serve, idle", "serve", "fetch", "");
  row("2gib", ...[runtime, idle, serving, fetching].map((value) => (value / 1e6).toFixed(0)), "");
}

/** What Deno needs to do nothing. */
async function runtimePeak(): Promise<number> {
  const { env } = sandboxEnv(join(work, "idle"));
  const idle: Program = { name: "idle", command: [Deno.execPath(), "eval"] };
  await using running = start(idle, ["await new Promise((done) => setTimeout(done, 500))"], {
    env,
  });
  return await watchPeak(running);
}

function machine(): Record<string, unknown> {
  const { deno, v8 } = Deno.version;
  const cpu = /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1];
  return {
    date: new Date().toISOString(),
    cores: navigator.hardwareConcurrency,
    cpu,
    kernel: Deno.osRelease(),
    memory: Deno.systemMemoryInfo().total,
    deno,
    v8,
    runs,
  };
}

function defaultTrees(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "/tmp", ".cache");
  return join(cache, "0share-bench");
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median with the range, in seconds. */
function shown(seconds: readonly number[]): string {
  const [least, most] = [Math.min(...seconds), Math.max(...seconds)];
  return `${median(seconds).toFixed(2)} (${least.toFixed(2)}–${most.toFixed(2)})`;
}

function row(...cells: string[]): void {
  const widths = [16, 14, 12, 20, 20, 8];
  const line = cells.map((cell, i) => cell.padEnd(widths[i] ?? 12)).join("").trimEnd();
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

function result(fields: Record<string, unknown>): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(fields)}\n`));
}
