import { InvalidManifest } from "../errors.ts";

/** NUL, slash and newline: a name with one of them is two names, or none. */
const SPLITTING = /[\0/\n]/;

/**
 * What forbids a text as the name of one file or directory in a manifest; undefined if nothing
 * does. A name without a problem stays in the directory it is joined to, on a POSIX system.
 */
export function nameProblem(name: string): string | undefined {
  if (name === "") return "a name is empty";
  if (name === "." || name === "..") return `${quote(name)} is not the name of a file`;
  if (SPLITTING.test(name)) {
    if (name.includes("/")) return `the name ${quote(name)} contains a slash`;
    if (name.includes("\n")) return `the name ${quote(name)} contains a newline`;
    return `the name ${quote(name)} contains NUL`;
  }
  if (!name.isWellFormed()) return `the name ${quote(name)} is not Unicode: lone surrogate`;
  return undefined;
}

/**
 * Makes sure that a text is the name of one file or directory.
 *
 * @throws InvalidManifest with the reason when it is empty, `.` or `..`, contains a slash, a
 *   newline or NUL, or is not Unicode
 */
export function checkName(name: string): void {
  const problem = nameProblem(name);
  if (problem !== undefined) throw new InvalidManifest(problem);
}

/** Device names that Windows finds in every directory, whatever their extension. */
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?=[ .:]|$)/i;

// deno-lint-ignore no-control-regex
const WINDOWS_SPECIAL = /[\u0000-\u001f\\/:*?"<>|]/;

/**
 * What keeps Windows from having a file of this name, in this place and no other; undefined if
 * nothing does. Names that are harmless elsewhere climb out of the tree there (`..\x`) or mean
 * another file (`x:stream`, `con`, a dot or space at the end).
 */
export function windowsNameProblem(name: string): string | undefined {
  const special = WINDOWS_SPECIAL.exec(name)?.[0];
  if (special !== undefined) {
    return `Windows does not allow ${quote(special)} in the name ${quote(name)}`;
  }
  if (/[. ]$/.test(name)) return `Windows drops the last character of the name ${quote(name)}`;
  if (WINDOWS_DEVICE.test(name)) return `Windows takes the name ${quote(name)} for a device`;
  return undefined;
}

function quote(name: string): string {
  return JSON.stringify(name);
}
