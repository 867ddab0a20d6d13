import { StoreFailed } from "../errors.ts";
import { type Entry, MANIFEST_NAME } from "../manifest/entry.ts";
import { kindOf } from "../manifest/list_directory.ts";
import { removeTree } from "./remove.ts";
import { setMode } from "./store_directory.ts";

/** What to do where two names lead to one file. */
export const FOLDED_NAMES_HINT =
  "if the file system takes names that differ only in case or accents for the same, " +
  "choose a store on another one with: --store DIR";

/**
 * Makes a directory of a staging tree have nothing but what is listed: the rest, whatever has the
 * name of a listed entry but is of another kind included, is removed.
 *
 * Names are compared as the file system gives them back: it may have folded their case or accents,
 * and then two files are one.
 *
 * @param kinds by name
 * @throws StoreFailed when something listed is missing; an operating system's error
 */
export function matchListing(
  path: string,
  kinds: ReadonlyMap<string, Entry["kind"]>,
  isRoot: boolean,
): void {
  let matching = 0;
  for (const found of [...Deno.readDirSync(path)]) {
    const kind = kinds.get(found.name);
    if (kind !== undefined && kindOf(found) === kind) matching++;
    else if (!isRoot || found.name !== MANIFEST_NAME) {
      // The directory may be finished already, by an earlier process that got no further.
      setMode(path, 0o755);
      removeTree(`${path}/${found.name}`);
    }
  }
  if (matching === kinds.size) return;
  const there = new Set(Array.from(Deno.readDirSync(path), ({ name }) => name));
  const missing = [...kinds.keys()].find((name) => !there.has(name)) ?? "";
  throw new StoreFailed(`Cannot finish ${JSON.stringify(`${path}/${missing}`)}: it is not there`, {
    hint: FOLDED_NAMES_HINT,
  });
}
