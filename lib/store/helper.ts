import { StoreFailed } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { findImplementation, type StoredImplementation } from "./lookup.ts";

const HINT = "the helper may need to be set up: see Zero Install's page on sharing implementations";

/** Of what a helper says, this much goes into an error, from its end. */
const MAX_OUTPUT = 2000;

/**
 * Has a finished tree put into the system's store by `0store-secure-add-helper`, which copies it as
 * another user, as Zero Install does. What it prints goes into the error if it fails.
 *
 * A helper that succeeds is not believed: the implementation has to be there afterwards.
 *
 * @param tree with final modes and times, and its `.manifest`
 * @param target.system where to look for it afterwards
 * @throws StoreFailed; the signal's reason
 */
export async function addWithHelper(
  target: { readonly command: string; readonly system: readonly string[] },
  digest: Digest,
  tree: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<StoredImplementation> {
  options.signal?.throwIfAborted();
  const { code, output } = await run(target.command, digest, tree, options.signal);
  if (code !== 0) {
    throw new StoreFailed(
      `Cannot store ${digest} with "${target.command}": exit ${code}${output}`,
      {
        hint: HINT,
      },
    );
  }
  const found = findImplementation(target.system, [digest]);
  if (found === undefined) {
    throw new StoreFailed(
      `Cannot store ${digest} with "${target.command}": it says that it did, but ` +
        `${digest} is not in ${target.system.map((store) => JSON.stringify(store)).join(", ")}` +
        output,
      { hint: HINT },
    );
  }
  return found;
}

async function run(
  command: string,
  digest: Digest,
  tree: string,
  signal: AbortSignal | undefined,
): Promise<{ code: number; output: string }> {
  try {
    const { code, stdout, stderr } = await new Deno.Command(command, {
      args: [digest],
      cwd: tree,
      // So that a helper which is meant to start with an empty environment can notice that it does
      // not.
      env: { ENV_NOT_CLEARED: "Unclean", HOME: "Unclean" },
      stdin: "null",
      ...(signal === undefined ? {} : { signal }),
    }).output();
    signal?.throwIfAborted();
    const decoder = new TextDecoder();
    const text = (decoder.decode(stdout) + decoder.decode(stderr)).trim().slice(-MAX_OUTPUT);
    return { code, output: text === "" ? "" : `\n${text}` };
  } catch (cause) {
    signal?.throwIfAborted();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StoreFailed(`Cannot run "${command}": ${reason}`, { hint: HINT, cause });
  }
}
