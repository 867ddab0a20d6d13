/**
 * Asks the real Zero Install (Debian's `0install-core`) about every tree and writes what it says to
 * `manifests.json` and `verifications.json`. Takes minutes and 4 GiB of sparse file:
 *
 *     deno run -A tests/vectors/make.ts
 */
import { createHash } from "node:crypto";
import { buildTree } from "./build.ts";
import { type Change, CHANGES, type Node, type Tree, TREES } from "./trees.ts";
import type { Vector, Verification } from "./vectors.ts";

const ALGORITHMS = ["sha1", "sha1new", "sha256", "sha256new"];
const LONGEST_TEXT = 8192;

const scratch = Deno.makeTempDirSync({ prefix: "0share-vectors-" });
try {
  write("manifests.json", Object.fromEntries(TREES.map((tree) => [tree.name, vectorsOf(tree)])));
  write(
    "verifications.json",
    Object.fromEntries(CHANGES.map((change) => [change.name, verificationsOf(change)])),
  );
} finally {
  Deno.removeSync(scratch, { recursive: true });
}

function vectorsOf(tree: Tree): Record<string, Vector> {
  const root = build(tree.nodes);
  return forEachAlgorithm((algorithm) => {
    const { manifest, digest } = manifestOf(root, algorithm);
    const size = new TextEncoder().encode(manifest).length;
    return size <= LONGEST_TEXT
      ? { digest, size, manifest }
      : { digest, size, manifestSha256: createHash("sha256").update(manifest).digest("hex") };
  });
}

function verificationsOf(change: Change): Record<string, Verification> {
  const before = build(change.before);
  return forEachAlgorithm((algorithm) => {
    const { manifest, digest } = manifestOf(before, algorithm);
    const after = build(change.after);
    const record = change.record === undefined ? manifest : change.record;
    if (record !== null) Deno.writeTextFileSync(`${after}/.manifest`, record);
    const { output } = zeroInstall("store", "verify", after, digest);
    return { digest, output: output.replaceAll(after, "DIRECTORY").trimEnd().split("\n") };
  });
}

function manifestOf(root: string, algorithm: string): { manifest: string; digest: string } {
  const { output, success } = zeroInstall("store", "manifest", root, algorithm);
  if (!success) throw new Error(output);
  const end = output.lastIndexOf("\n", output.length - 2) + 1;
  return { manifest: output.slice(0, end), digest: output.slice(end).trimEnd() };
}

function forEachAlgorithm<T>(ask: (algorithm: string) => T): Record<string, T> {
  return Object.fromEntries(ALGORITHMS.map((algorithm) => [algorithm, ask(algorithm)]));
}

function build(nodes: readonly Node[]): string {
  const root = Deno.makeTempDirSync({ dir: scratch });
  buildTree(root, nodes);
  return root;
}

function zeroInstall(...args: string[]): { output: string; success: boolean } {
  const { success, stdout, stderr } = new Deno.Command("0install", {
    args,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      HOME: scratch,
      XDG_CACHE_HOME: `${scratch}/cache`,
      XDG_CONFIG_HOME: `${scratch}/config`,
      XDG_CACHE_DIRS: "",
    },
    clearEnv: true,
    stdin: "null",
  }).outputSync();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return { output: decoder.decode(stdout) + decoder.decode(stderr), success };
}

function write(name: string, value: unknown): void {
  const text = JSON.stringify(value, null, 2) + "\n";
  Deno.writeTextFileSync(new URL(name, import.meta.url), text);
}
