/**
 * A host has one version of a program and fetches the next: how many bytes cross the wire, compared
 * with the files that changed?
 *
 *     deno task bench:versions [--only next,npm,three,monaco-editor] [--rate 100mbit]
 *                              [--variants never,cold]
 *
 * Other options, and what the columns mean: README.md beside this file.
 */

import { join } from "node:path";

import { contentStream } from "../lib/manifest/layout.ts";
import { Network } from "../tests/e2e/lib/network.ts";
import { removeTree } from "../tests/e2e/lib/sandbox_env.ts";
import { ArchiveServer, pack, unpackOnce } from "./lib/archives.ts";
import { check, intoStore, type Load } from "./lib/loads.ts";
import { list, options } from "./lib/options.ts";
import { type Cost, cost, must } from "./lib/processes.ts";
import { machine, median, megabytes, result, spread, Table } from "./lib/report.ts";
import { parseRate, type Seat, seats } from "./lib/seats.ts";
import { sourceTree } from "./lib/trees.ts";
import { takeTurns, type Turn } from "./lib/turns.ts";
import { inWorkplace, type Workplace } from "./lib/workplace.ts";
import {
  addressedSeed,
  fetchArguments,
  fetcher,
  type Variant,
  variants,
} from "./lib/zero_share.ts";

const PAIRS: Readonly<Record<string, readonly [old: string, next: string]>> = {
  next: ["next-16.4.5", "next-16.4.6"],
  npm: ["npm-12.1.0", "npm-12.2.0"],
  three: ["three-0.186.1", "three-0.187.0"],
  "monaco-editor": ["monaco-editor-0.56.0", "monaco-editor-0.57.0"],
};

const settings = options({
  only: Object.keys(PAIRS).join(","),
  rate: "100mbit",
  variants: "never,cold",
});
const { program, runs, own } = settings;

interface Outcome extends Cost {
  /** Bytes that left the seed's interface. */
  readonly sent: number;
}

await inWorkplace(settings, async (place) => {
  const chosen = await variants(list(own.variants), program);
  machine({ program: program.name, runs, rate: parseRate(own.rate) });
  const table = new Table(
    [
      ...["version", "files", "MB", "changed MB", "manifest MB", "what", "seconds", "wire MB"],
      ...["to changed", "less manifest"],
    ],
    [20, 5, 5, 10, 11, 20, 20, 7],
  );
  for (const name of list(own.only)) {
    const pair = PAIRS[name];
    if (pair === undefined) throw new Error(`No versions of ${name}`);
    const loads = await Promise.all(
      pair.map(async (one) =>
        await intoStore(one, await sourceTree(one, settings.trees), place.fresh("store"))
      ),
    );
    await compare(loads[0]!, loads[1]!, chosen, place, table);
  }
});

async function compare(
  old: Load,
  next: Load,
  chosen: readonly Variant[],
  place: Workplace,
  table: Table,
): Promise<void> {
  await using network = await Network.create({ hosts: 2, bitsPerSecond: parseRate(own.rate) });
  const [from, to] = seats(network) as [Seat, Seat];
  const archives = place.fresh("archives");
  await pack(next, "tar.zst", archives);
  await using nginx = await ArchiveServer.start(from, archives, place);
  const turns: Turn<Outcome>[] = [
    {
      name: "curl | tar x --zstd",
      run: () =>
        counted(from, () => unpackOnce(nginx, next, place, { seat: to, packing: "tar.zst" })),
    },
    ...chosen.map((variant) => ({
      name: variant.name,
      async run() {
        // Started anew each time: what matters is the bytes, which a cache does not change.
        await using server = await addressedSeed(program, from, next.store, place);
        const peer = { address: from.address, port: server.port };
        return await counted(
          from,
          () => update(old, next, { seat: to, variant, server: peer }, place),
        );
      },
    })),
  ];
  const outcomes = await takeTurns(turns, runs);
  const changed = changedBytes(old, next);
  turns.forEach(({ name }, i) => {
    const of = (pick: (outcome: Outcome) => number) => median(outcomes[i]!.map(pick));
    const sent = of((outcome) => outcome.sent);
    const ratio = sent / changed;
    const withoutManifest = (sent - next.manifestSize) / changed;
    result("new-version", {
      old: old.digest,
      tree: next.name,
      digest: next.digest,
      files: next.files,
      bytes: next.bytes,
      manifest: next.manifestSize,
      changed,
      what: name,
      median: of(({ seconds }) => seconds),
      sent,
      ratio,
      withoutManifest,
      runs: outcomes[i],
    });
    table.row(
      ...[next.name, String(next.files), megabytes(next.bytes, 1), megabytes(changed, 2)],
      ...[megabytes(next.manifestSize, 2), name],
      spread(outcomes[i]!.map(({ seconds }) => seconds)),
      ...[megabytes(sent, 2), ratio.toFixed(3), withoutManifest.toFixed(3)],
    );
  });
}

/** Bytes of the contents in `next` that `old` has nowhere, each counted once. */
function changedBytes(old: Load, next: Load): number {
  const key = ({ hash, size }: { hash: string; size: number }) => `${hash} ${size}`;
  const known = new Set([...contentStream(old.manifest).extents].map(key));
  return [...contentStream(next.manifest).extents]
    .filter((extent) => !known.has(key(extent)))
    .reduce((sum, { size }) => sum + size, 0);
}

/** One fetch on a machine whose store has the old version only; checks and removes what came. */
async function update(
  old: Load,
  next: Load,
  options: Parameters<typeof fetchArguments>[1],
  place: Workplace,
): Promise<Cost> {
  const { sandbox, directory } = fetcher(place);
  await must("cp", "-a", old.path, sandbox.store);
  const spent = await place.measured(() =>
    cost([...program.command, ...fetchArguments(next, options)], {
      env: sandbox.env,
      seat: options.seat,
    })
  );
  await check(next, join(sandbox.store, next.digest));
  await removeTree(directory);
  return spent;
}

async function counted(from: Seat, get: () => Promise<Cost>): Promise<Outcome> {
  const before = (await from.traffic()).sent;
  const spent = await get();
  return { ...spent, sent: (await from.traffic()).sent - before };
}
