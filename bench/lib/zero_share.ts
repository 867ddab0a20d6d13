/** 0share in a measurement: a seed that serves, machines that fetch. */

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";

import { type Program, run } from "../../tests/e2e/lib/program.ts";
import { removeTree, type Sandbox, sandboxEnv } from "../../tests/e2e/lib/sandbox_env.ts";
import { serve, type Server } from "../../tests/e2e/lib/server.ts";
import { check, type Load } from "./loads.ts";
import { type Cost, cost, LIMIT_MS } from "./processes.ts";
import type { Seat } from "./seats.ts";
import type { Workplace } from "./workplace.ts";

/** One way to use 0share. */
export interface Variant {
  readonly name: string;
  /** Options of `fetch`. */
  readonly fetch: readonly string[];
  /** Whether the seed starts anew for every fetch, so that it has nothing compressed yet. */
  readonly cold: boolean;
}

/** What can be compared, by the name that `--variants` takes. */
export const VARIANTS: Readonly<Record<string, Variant>> = {
  plain: { name: "0share", fetch: [], cold: false },
  never: { name: "0share, never", fetch: ["--compress=never"], cold: false },
  cold: { name: "0share, auto, cold", fetch: ["--compress=auto"], cold: true },
  warm: { name: "0share, auto, warm", fetch: ["--compress=auto"], cold: false },
};

/** The variants of these names; throws for one that there is not, or that `program` cannot do. */
export async function variants(names: readonly string[], program: Program): Promise<Variant[]> {
  const { env } = sandboxEnv(Deno.makeTempDirSync({ prefix: "0share-bench-help-" }));
  const help = await run(program, ["fetch", "--help"], { env });
  await removeTree(dirname(env["HOME"]!));
  return names.map((name) => {
    const variant = VARIANTS[name];
    if (variant === undefined) {
      throw new Error(`No variant ${name}: there are ${Object.keys(VARIANTS).join(", ")}`);
    }
    const unknown = variant.fetch.find((option) => !help.stdout.includes(option.split("=")[0]!));
    if (unknown !== undefined) {
      throw new Error(`Cannot measure ${name}: ${program.name} has no ${unknown}; try plain`);
    }
    return variant;
  });
}

/** `0share serve` on a host of its own, on the usual port, where others find it by themselves. */
export async function seed(
  program: Program,
  seat: Seat,
  store: string,
  place: Workplace,
): Promise<Server> {
  const { env } = sandboxEnv(place.fresh("seed"));
  const stores = [store];
  return await serve(program, { env, stores, prefix: seat.prefix, limit: LIMIT_MS, port: 38339 });
}

/** Where seeds that are asked by address hear datagrams: each at another one, so as not to meet. */
let discoveryPort = 40_000;

/** `0share serve` beside others on one seat: on any port, to be asked by address. */
export async function addressedSeed(
  program: Program,
  seat: Seat,
  store: string,
  place: Workplace,
): Promise<Server> {
  const { env } = sandboxEnv(place.fresh("seed"));
  return await serve(program, {
    env,
    stores: [store],
    prefix: seat.prefix,
    limit: LIMIT_MS,
    discoveryPort: ++discoveryPort,
  });
}

/** A machine that was never used, with a store of its own. */
export interface Fetcher {
  readonly directory: string;
  readonly sandbox: Sandbox;
}

export function fetcher(place: Workplace, where = place.memory): Fetcher {
  const directory = place.fresh("fetcher", where);
  const sandbox = sandboxEnv(directory);
  mkdirSync(sandbox.store, { recursive: true });
  return { directory, sandbox };
}

export interface FetchOptions {
  readonly seat: Seat;
  readonly variant: Variant;
  /** Asked directly; who is on the network is asked otherwise. */
  readonly server?: { readonly address: string; readonly port: number };
  readonly watch?: boolean;
  /** Below which the fetching machine has its store; the workplace's memory by default. */
  readonly where?: string;
}

/**
 * Hosts that share the processors of one machine may take longer to answer than the time after
 * which a fetch gives up, which is meant for machines of their own. Costs nothing when one answers.
 */
const PATIENCE = ["--timeout", "10"];

/** The arguments of a fetch. */
export function fetchArguments(load: Load, options: FetchOptions): string[] {
  const { server, variant } = options;
  const named = server === undefined ? PATIENCE : ["-H", `${server.address}:${server.port}`];
  return ["fetch", load.digest, ...named, ...variant.fetch];
}

/** Fetches once on a machine that was never used, checks what came, and removes it. */
export async function fetchOnce(
  program: Program,
  load: Load,
  place: Workplace,
  options: FetchOptions,
): Promise<Cost> {
  const machine = fetcher(place, options.where);
  const spent = await place.measured(() =>
    cost([...program.command, ...fetchArguments(load, options)], {
      env: machine.sandbox.env,
      seat: options.seat,
      watch: options.watch ?? false,
    })
  );
  await check(load, join(machine.sandbox.store, load.digest));
  await removeTree(machine.directory);
  return spent;
}
