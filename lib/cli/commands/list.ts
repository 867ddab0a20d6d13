import { ShareError, UsageError } from "../../errors.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { MANIFEST_NAME, readManifest } from "../../manifest/manifest.ts";
import { listImplementations, type StoredImplementation } from "../../store/lookup.ts";
import { storeLocations } from "../../store/locations.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit.ts";
import { count, formatBytes } from "../quantities.ts";

export const list: Command = {
  name: "list",
  args: "",
  summary: "List the implementations in this machine's stores",
  options: [],
  notes: [
    "Each line has the digest, the size, the number of files and the store. The sizes are those\n" +
    'of the manifests; "0share verify" looks at the files themselves.',
  ],
  run(parsed, { output, environment }) {
    if (parsed.args.length > 0) {
      throw new UsageError(`Command "list" takes no arguments: ${JSON.stringify(parsed.args[0])}`);
    }
    for (const stored of listImplementations(storeLocations(environment))) {
      const { digest, store, path } = stored;
      const { bytes, files, problem } = measure(stored);
      if (output.json) {
        output.event("implementation", { digest, bytes, files, store, path, problem });
      } else if (problem === undefined) {
        output.result(`${digest}  ${formatBytes(bytes)}  ${count(files, "file")}  ${store}`);
      } else output.result(`${digest}  ${problem}  ${store}`);
    }
    return Promise.resolve(EXIT.done);
  },
};

function measure(
  { digest, path }: StoredImplementation,
): { bytes: number; files: number; problem?: string } {
  let manifest: Manifest;
  try {
    manifest = readManifest(digest, Deno.readFileSync(`${path}/${MANIFEST_NAME}`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { bytes: 0, files: 0, problem: "no manifest" };
    }
    if (error instanceof ShareError) return { bytes: 0, files: 0, problem: "damaged manifest" };
    return { bytes: 0, files: 0, problem: "unreadable" };
  }
  let bytes = 0;
  let files = 0;
  for (const entry of manifest.entries) {
    if (entry.kind !== "file") continue;
    bytes += entry.size;
    files++;
  }
  return { bytes, files };
}
