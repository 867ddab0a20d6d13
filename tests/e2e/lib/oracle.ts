/** The real Zero Install, Debian's `0install-core`: what it says about a tree is right. */

import assert from "node:assert/strict";

export type Algorithm = "sha1" | "sha1new" | "sha256" | "sha256new";

export const ALGORITHMS: readonly Algorithm[] = ["sha256new", "sha256", "sha1new", "sha1"];

export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Environment = Readonly<Record<string, string>>;

/** Whether a `0install` that behaves as this project expects is on the PATH. */
export function available(): boolean {
  try {
    const { success, stdout } = new Deno.Command("0install", {
      args: ["--version"],
      stdin: "null",
      stderr: "null",
    }).outputSync();
    return success && /zero-?install.* 2\./i.test(new TextDecoder().decode(stdout));
  } catch {
    return false;
  }
}

/** Runs `0install` with exactly this environment; see `sandboxEnv`. */
export async function zeroInstall(env: Environment, ...args: string[]): Promise<Answer> {
  const { code, stdout, stderr } = await new Deno.Command("0install", {
    args,
    env: { ...env },
    clearEnv: true,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** The digest of the tree at `directory`. */
export async function digest(
  env: Environment,
  algorithm: Algorithm,
  directory: string,
): Promise<string> {
  return (await expectSuccess(env, "digest", `--algorithm=${algorithm}`, directory)).trim();
}

/** The manifest of the tree at `directory`, without a digest at its end. */
export async function manifest(
  env: Environment,
  algorithm: Algorithm,
  directory: string,
): Promise<string> {
  return await expectSuccess(env, "digest", "--manifest", `--algorithm=${algorithm}`, directory);
}

/** Puts a copy of the tree in the store of `env` and gives its digest. */
export async function storeAdd(
  env: Environment,
  algorithm: Algorithm,
  directory: string,
): Promise<string> {
  const name = await digest(env, algorithm, directory);
  await expectSuccess(env, "store", "add", name, directory);
  return name;
}

/** Fails with Zero Install's own explanation unless the tree at `path` is what its name says. */
export async function verify(env: Environment, path: string): Promise<void> {
  await expectSuccess(env, "store", "verify", path);
}

/** Fails unless everything in `store` verifies. */
export async function audit(env: Environment, store: string): Promise<void> {
  await expectSuccess(env, "store", "audit", store);
}

async function expectSuccess(env: Environment, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await zeroInstall(env, ...args);
  assert.equal(code, 0, `0install ${args.join(" ")}: exit ${code}\n${stdout}${stderr}`);
  return stdout;
}
