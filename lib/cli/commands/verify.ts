import {
  Interrupted,
  ShareError,
  TreeChanged,
  UnsupportedTree,
  VerificationFailed,
} from "../../errors.ts";
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
import { UnreadableStores } from "../unreadable_stores.ts";

export const verify: Command = {
  name: "verify",
  args: "[DIGEST…]",
  summary: "Check implementations against their digests (default: all of them)",
  options: [],
  notes: ["What is wrong is listed as in 0install store verify, and the exit status is then 4."],
  async run(parsed, { output, environment, names }) {
    const stores = storeLocations(environment);
    const unreadable = new UnreadableStores(output);
    const chosen = parsed.args.length === 0
      ? [...listImplementations(stores, unreadable.tell)]
      : parsed.args.flatMap((text) => copiesOf(stores, text, unreadable));
    names.expect(chosen.map(({ digest }) => digest));
    const controller = new AbortController();
    const release = onInterrupt(() => controller.abort(new Interrupted()));
    let worst: ExitCode = unreadable.any ? EXIT.failed : EXIT.done;
    try {
      for (const implementation of chosen) {
        const { digest, path } = implementation;
        let bytes = 0;
        try {
          await verifyTree(digest, path, {
            signal: controller.signal,
            onBytes: (count) => output.bar(`Verifying ${digest}: ${formatBytes(bytes += count)}`),
          });
        } catch (error) {
          output.bar("");
          if (error instanceof Interrupted) throw error;
          const code = tellError(output, wrong(implementation, error), { digest, path });
          worst = Math.max(worst, code) as ExitCode;
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
function copiesOf(
  stores: readonly string[],
  text: string,
  unreadable: UnreadableStores,
): StoredImplementation[] {
  const digests = parseDigestList(text);
  const copies = [...new Set(stores)].flatMap((store) =>
    findImplementation([store], digests, unreadable.tell) ?? []
  );
  if (copies.length === 0) {
    const where = unreadable.any ? "in no store that can be read" : "in no store";
    throw new ShareError(`Cannot verify ${text}: it is ${where}`, {
      hint: "0share list shows what there is",
    });
  }
  return copies;
}

/** One that cannot be read is no reason not to look at the rest. */
function wrong({ digest, path }: StoredImplementation, cause: unknown): ShareError {
  if (cause instanceof VerificationFailed) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  // What no manifest can describe is not what the manifest with this digest describes.
  if (cause instanceof UnsupportedTree && !(cause instanceof TreeChanged)) {
    const lines = [`${JSON.stringify(path)} does not verify:`, `${digest} (expected digest)`];
    return new VerificationFailed(path, digest, undefined, [...lines, "", reason].join("\n"));
  }
  return new ShareError(`Cannot verify "${path}": ${reason}`, { cause });
}
