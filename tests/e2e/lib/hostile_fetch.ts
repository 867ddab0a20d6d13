/** Fetching from peers that mean harm, and looking at what became of it. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { verifyTree } from "../../../lib/manifest/verify.ts";
import { addImplementation, type Implementation } from "../../serve/implementations.ts";
import type { Node } from "../../vectors/trees.ts";
import { type Answering, HostilePeer } from "./hostile_peer.ts";
import { digestsIn, machine, namesIn } from "./machine.ts";
import { available as oracleAvailable, verify } from "./oracle.ts";
import { type Program, type Result, type Running, start } from "./program.ts";
import { type Sandbox, TemporaryDirectory } from "./sandbox_env.ts";

/** A machine that fetches, an implementation that it lacks, and a file that nobody may touch. */
export class Scene implements AsyncDisposable {
  /** A directory outside of the store, with a file `kept` in it. */
  readonly canary: string;
  readonly #before: string;

  private constructor(
    readonly program: Program,
    readonly directory: TemporaryDirectory,
    readonly machine: Sandbox,
    readonly implementation: Implementation,
  ) {
    this.canary = join(directory.path, "canary");
    Deno.mkdirSync(this.canary);
    Deno.writeTextFileSync(join(this.canary, "kept"), "as it was");
    this.#before = this.#outside();
  }

  static async open(program: Program, nodes: readonly Node[]): Promise<Scene> {
    const directory = new TemporaryDirectory();
    const origin = machine(directory, "origin");
    const implementation = await addImplementation(origin.store, nodes);
    return new Scene(program, directory, machine(directory, "two"), implementation);
  }

  /** Fetches the implementation from these peers, or with other arguments that begin with a dash. */
  async fetch(...from: string[]): Promise<Result> {
    await using fetching = this.start(...from);
    return await fetching.ended;
  }

  /** The same without waiting for its end. Bind it with `await using`. */
  start(...from: string[]): Running {
    const { program, machine, implementation } = this;
    const where = from.flatMap((text) => text.startsWith("-") ? text.split(" ") : ["-H", text]);
    return start(program, ["fetch", implementation.digest, ...where], { env: machine.env });
  }

  /** Fails unless the fetch failed with this code, named the peer, and left nothing anywhere. */
  assertRefused(result: Result, code: number, peer: string, reason: RegExp): void {
    assert.equal(result.code, code, result.stderr);
    assert.equal(result.stdout, "");
    const said = code === 4 ? "sent what does not verify" : "failed";
    const errors = result.stderr.slice(result.stderr.indexOf("0share: error: "));
    // A store that fails speaks for itself in the error; the peer was warned of before.
    const where = code === 1 ? result.stderr : errors;
    const [, found] = new RegExp(`Peer ${peer} ${said}: ([^]*)`, "m").exec(where) ?? [];
    assert.ok(found !== undefined, `the peer is not named: ${result.stderr}`);
    assert.match(found, reason);
    assert.match(errors, /^0share: hint: /m);
    this.assertNothing();
  }

  /** Fails if anything is in the store but staging, or changed outside of it. */
  assertNothing(): void {
    const { store } = this.machine;
    assert.deepEqual(digestsIn(store), []);
    const strange = namesIn(store).filter((name) => !name.startsWith("tmp-0share-"));
    assert.deepEqual(strange, []);
    this.assertUntouched();
  }

  /** Fails unless the right tree is in the store, alone. */
  async assertFetched(result: Result): Promise<void> {
    assert.equal(result.code, 0, result.stderr);
    const { store, env } = this.machine;
    const { digest } = this.implementation;
    const path = join(store, digest);
    assert.equal(result.stdout, `${path}\n`);
    assert.deepEqual(namesIn(store), [digest]);
    if (oracleAvailable()) await verify(env, path);
    else await verifyTree(digest, path);
    this.assertUntouched();
  }

  assertUntouched(): void {
    assert.equal(this.#outside(), this.#before, "something outside of the store was changed");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.directory[Symbol.asyncDispose]();
  }

  /** Everything of this test but the store, and what is noted beside it. */
  #outside(): string {
    const lines: string[] = [];
    const visit = (directory: string) => {
      for (const name of namesIn(directory)) {
        const path = join(directory, name);
        const { isDirectory, isFile, size, mode, mtime } = Deno.lstatSync(path);
        if (path === this.machine.store || name === "0share-peer-seen") continue;
        lines.push(`${path} ${mode} ${isFile ? `${size} ${mtime?.getTime()}` : ""}`);
        if (isDirectory) visit(path);
      }
    };
    visit(this.directory.path);
    return lines.join("\n");
  }
}

/** A peer that does this, for as long as the body runs. */
export async function withPeer(
  answering: Answering,
  body: (peer: HostilePeer) => Promise<void>,
): Promise<void> {
  await using peer = new HostilePeer(answering);
  await body(peer);
}
