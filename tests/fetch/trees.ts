/** Trees being fetched: what is to come of them, and the staging directory where it comes to be. */

import assert from "node:assert/strict";
import { Assembly, type AssemblyObserver } from "../../lib/fetch/assembly/assembly.ts";
import { prepareTree } from "../../lib/fetch/assembly/leftovers.ts";
import { algorithmOf } from "../../lib/manifest/digest.ts";
import { generateManifest } from "../../lib/manifest/generate.ts";
import { formatManifest, type Manifest } from "../../lib/manifest/manifest.ts";
import { addImplementation, type Implementation, streamOf } from "../serve/implementations.ts";
import { Scratch } from "../store/sample.ts";
import type { Node } from "../vectors/trees.ts";

export class FetchedTree implements Disposable {
  readonly scratch = new Scratch();
  /** Where it is built. */
  readonly root = this.scratch.directory("staging");

  private constructor(readonly wanted: Implementation, readonly stream: Uint8Array<ArrayBuffer>) {}

  static async of(
    nodes: readonly Node[],
    algorithm?: Parameters<typeof addImplementation>[2],
  ): Promise<FetchedTree> {
    using scratch = new Scratch();
    const wanted = await addImplementation(scratch.path, nodes, algorithm);
    return new FetchedTree(wanted, streamOf(wanted));
  }

  get manifest(): Manifest {
    return this.wanted.manifest;
  }

  /**
   * Begins, or continues, to build it.
   *
   * @param states what the run before said of its pieces
   */
  async assembly(
    states?: Uint8Array,
    observer?: AssemblyObserver,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Assembly> {
    const assembly = new Assembly(this.manifest, this.root, observer);
    await prepareTree(this.manifest, this.root, assembly, { states, signal });
    return assembly;
  }

  /** Asserts that what was built is what was wanted. */
  async check(): Promise<void> {
    const built = await generateManifest(algorithmOf(this.wanted.digest), this.root);
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.equal(text(formatManifest(built)), text(this.wanted.manifestBytes));
  }

  [Symbol.dispose](): void {
    this.scratch[Symbol.dispose]();
  }
}

/** Gives an assembly all that it lacks, from one peer that is honest. */
export function complete(
  assembly: Assembly,
  stream: Uint8Array,
  options: { from?: string } = {},
): void {
  for (let round = 0; !assembly.complete; round++) {
    assert.ok(round < 3, "it is never complete");
    for (const { start, end } of assembly.missing()) {
      assembly.write(start, stream.subarray(start, end), options.from ?? "honest at last");
    }
  }
}
