/** An origin with an application, a peer, and a machine that wants it: what most tests need. */

import { Application } from "./application.ts";
import { freePort, machine, serveOn } from "./machine.ts";
import { endAgent, Origin } from "./origin.ts";
import { type Program, type Result, run, type Running, start } from "./program.ts";
import { type Sandbox, TemporaryDirectory } from "./sandbox_env.ts";
import type { Server } from "./server.ts";

export class Publication implements AsyncDisposable {
  /** The UDP port that the machines of this test ask each other on. */
  readonly discoveryPort = String(freePort());

  private constructor(
    readonly program: Program,
    readonly directory: TemporaryDirectory,
    readonly origin: Origin,
    readonly application: Application,
    readonly publisher: Sandbox,
    /** The machine that lacks everything and trusts the origin. */
    readonly one: Sandbox,
  ) {}

  static async open(program: Program): Promise<Publication> {
    const directory = new TemporaryDirectory();
    // Archives of zip have local times.
    const publisher = machine(directory, "publisher", { TZ: "UTC" });
    const one = machine(directory, "one", { TZ: "UTC" });
    const origin = await Origin.open(`${directory.path}/key`);
    await origin.trustedBy(one);
    const application = await Application.publish(origin, publisher);
    return new Publication(program, directory, origin, application, publisher, one);
  }

  /** A peer that has some parts of the application. */
  async peer(...parts: string[]): Promise<Server> {
    const peer = machine(this.directory, `peer-${parts.join("-")}`, { TZ: "UTC" });
    await this.application.install(peer, ...parts);
    return await serveOn(this.program, peer, { discoveryPort: Number(this.discoveryPort) });
  }

  /** Runs 0share on the machine, asking this test's peers alone. */
  async run(command: string, ...args: string[]): Promise<Result> {
    await using running = this.start(command, ...args);
    return await running.ended;
  }

  start(command: string, ...args: string[]): Running {
    return start(this.program, [command, "--discovery-port", this.discoveryPort, ...args], {
      env: this.one.env,
    });
  }

  /** Runs 0share as it is given. */
  async call(...args: string[]): Promise<Result> {
    return await run(this.program, args, { env: this.one.env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.origin[Symbol.asyncDispose]();
    // Importing a key starts an agent in the home of whoever imports it.
    for (const { name } of Deno.readDirSync(this.directory.path)) {
      await endAgent(`${this.directory.path}/${name}/home/.gnupg`);
    }
    await this.directory[Symbol.asyncDispose]();
  }
}
