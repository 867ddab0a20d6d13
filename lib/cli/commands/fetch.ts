import { resolve } from "node:path";
import { Interrupted, UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { fetchAll, fetchSettings } from "../fetching.ts";
import { FETCHING_OPTIONS } from "../fetching_options.ts";
import { onInterrupt } from "../interrupt.ts";
import { parseReference, resolveReferences } from "../references.ts";
import { tellError } from "../tell_error.ts";

export const fetch: Command = {
  name: "fetch",
  args: "DIGEST…",
  summary: "Get implementations from other machines of the local network",
  options: [
    ...FETCHING_OPTIONS,
    { name: "store", value: "DIR", help: "put them into this store (default: as 0install does)" },
    { name: "fetch", short: "f", value: "DIGEST", many: true, hidden: true, help: "as in 2008" },
  ],
  notes: [
    "DIGEST is the name of a directory in a store, such as sha256new_ABC… or sha1new=84e3…;\n" +
    "several names of the same tree may be joined with commas. The path of each implementation\n" +
    "is printed on standard output.",
    "In place of a digest there may be what Zero Install knows the digests of: a feed's URI, a local\n" +
    "feed, an application of 0install add, or a selections file. Then everything that it needs is\n" +
    "fetched, as 0install chooses it; nothing is got from anywhere but the local network, apart\n" +
    'from feeds. "0share download" gets what nobody has from its origin.',
  ],
  async run(parsed, context) {
    const references = [...parsed.all("fetch"), ...parsed.args].map((text) =>
      parseReference(text, context)
    );
    if (references.length === 0) {
      throw new UsageError('Command "fetch" needs a digest: none was given', {
        hint: "0share list, on a machine that has it, shows the digests",
      });
    }
    const { output } = context;
    const store = parsed.get("store");
    const settings = fetchSettings(parsed, context, {
      store: store === undefined ? undefined : resolve(store),
    });
    const wanted = await resolveReferences(references, context);
    const controller = new AbortController();
    const release = onInterrupt(() => controller.abort(new Interrupted()));
    let worst: ExitCode = EXIT.done;
    try {
      await fetchAll(wanted, settings, context, {
        signal: controller.signal,
        onOutcome(outcome) {
          if ("error" in outcome) {
            worst = Math.max(worst, tellError(output, outcome.error)) as ExitCode;
          } else if (!output.json) output.result(outcome.fetched.path);
        },
      });
      return worst;
    } finally {
      release();
    }
  },
};
