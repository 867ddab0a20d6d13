/** A room of machines that each have the program, and tests on it. */

import assert from "node:assert/strict";
import { join } from "node:path";

import type { Implementation } from "../../serve/implementations.ts";
import { type NeedName, needs } from "../../skips.ts";
import type { Host } from "./host.ts";
import { digestsIn, machine, namesIn } from "./machine.ts";
import { Network, type NetworkOptions } from "./network.ts";
import { available as oracleAvailable, verify } from "./oracle.ts";
import { type Program, programs, type Result, run } from "./program.ts";
import { type Sandbox, TemporaryDirectory } from "./sandbox_env.ts";
import { serve, type ServeOptions, type Server } from "./server.ts";

/** What the program uses unless it is told otherwise. */
export const PORT = 38339;

/** A machine for each host, and the program to run on them. */
export class Room implements AsyncDisposable {
  readonly #machines: ReadonlyMap<Host, Sandbox>;

  private constructor(
    readonly program: Program,
    readonly directory: TemporaryDirectory,
    readonly network: Network,
  ) {
    this.#machines = new Map(
      network.hosts.map((host, index) => [host, machine(directory, `host${index + 1}`)]),
    );
  }

  static async open(program: Program, options: NetworkOptions): Promise<Room> {
    const network = await Network.create(options);
    return new Room(program, new TemporaryDirectory(), network);
  }

  machine(host: Host): Sandbox {
    return this.#machines.get(host)!;
  }

  async serve(host: Host, options: Partial<ServeOptions> = {}): Promise<Server> {
    const { env } = this.machine(host);
    return await serve(this.program, { env, prefix: host.prefix, port: PORT, ...options });
  }

  /** Fetches on a host, by asking the network unless the arguments name somebody. */
  async fetch(host: Host, ...args: string[]): Promise<Result> {
    const { env } = this.machine(host);
    return await run(this.program, ["fetch", ...args], { env, prefix: host.prefix });
  }

  /** Asks the network with more patience than is usual: another program may be busy here. */
  async find(host: Host, ...digests: string[]): Promise<Result> {
    return await this.fetch(host, ...digests, "--timeout", "10");
  }

  /** Fails unless a fetch on this host ended well and all of it is in the store, and right. */
  async assertFetched(host: Host, result: Result, { digest }: Implementation): Promise<void> {
    assert.equal(result.code, 0, result.stderr);
    const { store, env } = this.machine(host);
    assert.equal(result.stdout, `${join(store, digest)}\n`);
    assert.deepEqual(namesIn(store), [digest]);
    if (oracleAvailable()) await verify(env, join(store, digest));
  }

  /** Fails unless a fetch on this host ended because nobody could give it. */
  assertNobody(host: Host, result: Result, message: RegExp): void {
    assert.equal(result.code, 3, result.stderr);
    assert.match(result.stderr, message);
    assert.match(result.stderr, /^0share: hint: \S/m);
    assert.deepEqual(digestsIn(this.machine(host).store), []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
    await this.directory[Symbol.asyncDispose]();
  }
}

/** One test for each program, on a network of its own. @param more what it needs besides namespaces */
export function forEachProgram(
  name: string,
  network: NetworkOptions,
  body: (room: Room, ...hosts: Host[]) => Promise<void>,
  ...more: NeedName[]
): void {
  for (const program of programs()) {
    Deno.test({
      name: `${program.name}: ${name}`,
      ...needs("namespaces", ...more),
      fn: async () => {
        await using room = await Room.open(program, network);
        await body(room, ...room.network.hosts);
      },
    });
  }
}
