/** `0share serve` as a thing that a test holds: listening when it is there, gone afterwards. */

import assert from "node:assert/strict";

import { type Program, type Result, type Running, type RunOptions, start } from "./program.ts";

export interface ServeOptions extends RunOptions {
  /** The TCP and UDP port; any free one by default. */
  readonly port?: number;
  readonly discoveryPort?: number;
  /** The stores that may be read; Zero Install's own locations by default. */
  readonly stores?: readonly string[];
  /** Further arguments. */
  readonly args?: readonly string[];
}

export class Server implements AsyncDisposable {
  constructor(readonly running: Running, readonly port: number) {}

  get log(): string {
    return this.running.stderr;
  }

  /** For a client on the same machine or in the same host. */
  url(path = "/"): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** Stops it as Ctrl-C does and checks that it took that for a normal end. */
  async stop(signal: Deno.Signal = "SIGINT"): Promise<Result> {
    const result = await this.running.stop(signal);
    assert.equal(
      result.code,
      0,
      `serve did not stop cleanly on ${signal}: ${this.running.report()}`,
    );
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running[Symbol.asyncDispose]();
  }
}

/** Starts `serve` and waits until it says that it listens. */
export async function serve(program: Program, options: ServeOptions): Promise<Server> {
  const running = start(program, [
    "serve",
    "-p",
    String(options.port ?? 0),
    ...(options.discoveryPort === undefined
      ? []
      : ["--discovery-port", String(options.discoveryPort)]),
    ...(options.stores ?? []).flatMap((store) => ["--allow-read", store]),
    ...(options.args ?? []),
  ], options);
  try {
    const listening = await running.output(/listening .*port (\d+)/);
    return new Server(running, Number(listening[1]));
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
}
