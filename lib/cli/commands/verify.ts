import { Interrupted, ShareError, VerificationFailed } from "../../errors.ts";
import { parseDigestList } from "../../manifest/digest.ts";
import { verifyTree } from "../../manifest/verify.ts";
import {
  findImplementation,
  listImplementations,
  type StoredImplementation,
} from "../../store/lookup.ts";
import { storeLocations } from "../../store/locations.ts";
import type { Command } from "../command.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { onInterrupt } from "../interrupt.ts";
import { formatBytes } from "../quantities.ts";
import { tellError } from "../tell_error.ts";

export const verify: Command = {
  name: "verify",
  args: "[DIGEST…]",
  summary: "Check implementations against their digests (default: all of them)",
  options: [],
  notes: ["What is wrong is listed as in 0install store verify, and the exit status is then 4."],
  async run(parsed, { output, environment, names }) {
    const stores = storeLocations(environment);
    const chosen = parsed.args.length === 0
      ? [...listImplementations(stores)]
      : parsed.args.flatMap((text) => copiesOf(stores, text));
    names.expect(chosen.map(({ digest }) => digest));
    const controller = new AbortController();
    const release = onInterrupt(() => controller.abort(new Interrupted()));
    let worst: ExitCode = EXIT.done;
    try {
      for (const { digest, path } of chosen) {
        let bytes = 0;
        try {
          await verifyTree(digest, path, {
            signal: controller.signal,
            onBytes: (count) => output.bar(`Verifying ${digest}: ${formatBytes(bytes += count)}`),
          });
        } catch (error) {
          output.bar("");
          if (error instanceof Interrupted) throw error;
          const named = error instanceof VerificationFailed ? error : wrong(path, error);
          worst = Math.max(worst, tellError(output, named)) as ExitCode;
          continue;
        }
        output.bar("");
        output.event("verified", { digest, path });
        if (!output.json) output.result(`${path}: OK`);
      }
    } finally {
      release();
    }
    return worst;
  },
};

/** Every store's copy of what was named: each may be damaged on its own. */
function copiesOf(stores: readonly string[], text: string): StoredImplementation[] {
  const digests = parseDigestList(text);
  const copies = [...new Set(stores)].flatMap((store) =>
    findImplementation([store], digests) ?? []
  );
  if (copies.length === 0) {
    throw new ShareError(`Cannot verify ${text}: it is in no store`, {
      hint: "0share list shows what there is",
    });
  }
  return copies;
}

/** One that cannot be read is no reason not to look at the rest. */
function wrong(path: string, cause: unknown): ShareError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ShareError(`Cannot verify "${path}": ${reason}`, { cause });
}
