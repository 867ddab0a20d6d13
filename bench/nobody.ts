/**
 * Nobody has it: what does asking the network cost a first download, compared with a start of the
 * program that asks nobody?
 *
 *     deno task bench:nobody
 *
 * Other options, and what the columns mean: README.md beside this file.
 */

import { mkdirSync } from "node:fs";

import { Network } from "../tests/e2e/lib/network.ts";
import { removeTree } from "../tests/e2e/lib/sandbox_env.ts";
import { options } from "./lib/options.ts";
import { type Cost, cost } from "./lib/processes.ts";
import { machine, median, result, spread, Table } from "./lib/report.ts";
import { type Seat, seats } from "./lib/seats.ts";
import { takeTurns, type Turn } from "./lib/turns.ts";
import { inWorkplace, type Workplace } from "./lib/workplace.ts";
import { fetcher, seed } from "./lib/zero_share.ts";

/** That no tree has. */
const UNKNOWN = `sha256=${"0".repeat(64)}`;
/** The exit code of a fetch that nobody answered. */
const NOBODY = 3;

const settings = options({});
const { program, runs } = settings;

await inWorkplace(settings, async (place) => {
  machine({ program: program.name, runs });
  const table = new Table(["network", "what", "milliseconds", "more"], [20, 20, 20]);
  await using network = await Network.create({ hosts: 2, defaultRoute: true });
  const [here, other] = seats(network) as [Seat, Seat];
  await compare("nobody there", here, place, table);
  const empty = place.fresh("empty");
  mkdirSync(empty);
  await using _server = await seed(program, other, empty, place);
  await compare("a peer that lacks it", here, place, table);
});

async function compare(where: string, seat: Seat, place: Workplace, table: Table): Promise<void> {
  const turn = (name: string, args: readonly string[], code: number): Turn<Cost> => ({
    name,
    async run() {
      const { directory, sandbox } = fetcher(place);
      const spent = await place.measured(() =>
        cost([...program.command, ...args], { env: sandbox.env, seat, code })
      );
      await removeTree(directory);
      return spent;
    },
  });
  const turns = [
    turn("0share --version", ["--version"], 0),
    turn("0share fetch", ["fetch", UNKNOWN], NOBODY),
  ];
  const outcomes = await takeTurns(turns, runs);
  const milliseconds = outcomes.map((one) => one.map(({ seconds }) => seconds * 1000));
  turns.forEach(({ name }, i) => {
    const more = median(milliseconds[i]!.map((value, round) => value - milliseconds[0]![round]!));
    result("nobody", { where, what: name, more, milliseconds: milliseconds[i] });
    table.row(where, name, spread(milliseconds[i]!, 0), more.toFixed(0));
  });
}
