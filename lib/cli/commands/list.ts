import { ShareError, UsageError } from "../../errors.ts";
import { MANIFEST_NAME } from "../../manifest/entry.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { readManifest } from "../../manifest/manifest.ts";
import { listImplementations, type StoredImplementation } from "../../store/lookup.ts";
import { storeLocations } from "../../store/locations.ts";
import type { ImplementationName } from "../../zeroinstall/names.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit.ts";
import { formatName } from "../names.ts";
import { count, formatBytes } from "../quantities.ts";
import { UnreadableStores } from "../unreadable_stores.ts";

export const list: Command = {
  name: "list",
  args: "[NAME]",
  summary: "List the implementations in this machine's stores",
  options: [],
  notes: [
    "Each line has the digest, the program's name and version if a cached feed says so, the size,\n" +
    'the number of files and the store. The sizes are those of the manifests; "0share verify"\n' +
    "looks at the files themselves.",
    "NAME chooses those whose name and version, or whose feed's URI, contain it, or whose digest\n" +
    "begins with it, in upper or lower case.",
  ],
  run(parsed, { output, environment, names }) {
    if (parsed.args.length > 1) {
      throw new UsageError(
        `Command "list" takes one name at most: ${JSON.stringify(parsed.args[1])}`,
      );
    }
    const [wanted] = parsed.args;
    const unreadable = new UnreadableStores(output);
    const all = [...listImplementations(storeLocations(environment), unreadable.tell)];
    names.expect(all.map(({ digest }) => digest));
    for (const stored of all) {
      const { digest, store, path } = stored;
      const called = names.of(digest);
      if (wanted !== undefined && !matches(wanted, digest, called)) continue;
      const { bytes, files, problem } = measure(stored);
      if (output.json) {
        output.event("implementation", { digest, ...called, bytes, files, store, path, problem });
        continue;
      }
      const label = called === undefined ? digest : `${digest} (${formatName(called)})`;
      const what = problem ?? `${formatBytes(bytes)}  ${count(files, "file")}`;
      output.result(`${label}  ${what}  ${store}`);
    }
    return Promise.resolve(EXIT.done);
  },
};

function matches(wanted: string, digest: string, called: ImplementationName | undefined): boolean {
  const text = wanted.toLowerCase();
  const { name = "", version = "", feed = "" } = called ?? {};
  return digest.toLowerCase().startsWith(text) ||
    [`${name} ${version}`, feed].some((one) => one.toLowerCase().includes(text));
}

function measure(
  { digest, path }: StoredImplementation,
): { bytes: number; files: number; problem?: string } {
  let manifest: Manifest;
  try {
    const file = `${path}/${MANIFEST_NAME}`;
    // A pipe would be read for ever.
    if (!Deno.lstatSync(file).isFile) return { bytes: 0, files: 0, problem: "damaged manifest" };
    manifest = readManifest(digest, Deno.readFileSync(file));
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
