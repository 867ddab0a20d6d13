import { Interrupted, InvalidDigest, ShareError } from "../errors.ts";
import { type Digest, parseDigestList } from "../manifest/digest.ts";
import { configLocations } from "../store/locations.ts";
import type { ZeroInstallCall } from "../zeroinstall/command_line.ts";
import { appSelections } from "../zeroinstall/settings.ts";
import { choose } from "./choosing.ts";
import type { Context } from "./command.ts";
import { findZeroInstall, ZeroInstallFailed } from "./real_zero_install.ts";

/** What a person gives to say which implementations are meant. */
export type Reference =
  /** Names of one tree. */
  | { readonly kind: "digests"; readonly digests: readonly Digest[] }
  /** A feed's URI or file, a selections file, or an application of `0install add`. */
  | { readonly kind: "program"; readonly target: string };

/**
 * Tells digests from what only Zero Install knows the digests of.
 *
 * @throws InvalidDigest if it is neither
 */
export function parseReference(
  text: string,
  { environment }: Pick<Context, "environment">,
): Reference {
  if (/^https?:\/\//.test(text)) return { kind: "program", target: text };
  try {
    return { kind: "digests", digests: parseDigestList(text) };
  } catch (error) {
    const known = isFile(text) || appSelections(configLocations(environment), text) !== undefined;
    if (known) return { kind: "program", target: text };
    if (!(error instanceof InvalidDigest) || /^sha(1|1new|256|256new)[=_]/.test(text)) throw error;
    throw new InvalidDigest(text, "it is none, and no feed's URI, file or application either");
  }
}

/**
 * The implementations that are meant: for each the names of its tree, preferred first, and each once.
 * A program's are those that Zero Install chooses to run it, libraries and all; where it has chosen
 * before, for an application or in a selections file, it is not started.
 *
 * @throws ZeroInstallMissing, InvalidDocument
 * @throws ShareError when Zero Install can choose nothing; it has said why
 * @throws Interrupted
 */
export async function resolveReferences(
  references: readonly Reference[],
  context: Context,
): Promise<(readonly Digest[])[]> {
  const found = new Map<string, readonly Digest[]>();
  for (const reference of references) {
    const all = reference.kind === "digests"
      ? [reference.digests]
      : await chosenFor(reference.target, context);
    for (const digests of all) found.set(digests.join(), digests);
  }
  return [...found.values()];
}

async function chosenFor(target: string, context: Context): Promise<(readonly Digest[])[]> {
  const call: ZeroInstallCall = {
    command: "download",
    options: [{ name: "--console", values: [] }],
    args: [target],
  };
  // Looked for only if it has to choose.
  const zeroInstall = {
    get program() {
      return findZeroInstall(context).program;
    },
  };
  try {
    const { missing } = await choose(zeroInstall, call, target, () => true, context);
    if (missing.length === 0) context.output.info(`Nothing that ${target} needs has a digest`);
    return missing.map(({ digests }) => digests);
  } catch (error) {
    if (!(error instanceof ZeroInstallFailed)) throw error;
    if (error.ended.signal !== null) throw new Interrupted();
    throw new ShareError(`Cannot fetch "${target}": 0install could not choose what it needs`, {
      cause: error,
    });
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
