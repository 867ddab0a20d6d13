/** More would bury what matters, and nobody reads on: everything has changed. */
const MAX_LINES = 1000;

// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/**
 * The lines in which two manifests differ, "- …" for those of the first and "+ …" for those of the
 * second, in the order of their paths. Lines of one path come together.
 *
 * Takes any text, as a manifest that is wrong is what this is for. Control characters are escaped,
 * so that a file's name cannot play tricks on a terminal.
 *
 * @param old whether the manifests are in the format of `sha1`
 */
export function manifestDifference(
  recorded: string,
  actual: string,
  options: { old: boolean },
): string[] {
  const before = index(recorded, options.old);
  const after = index(actual, options.old);
  const difference: string[] = [];
  for (let i = 0, j = 0; i < before.length || j < after.length;) {
    const order = i === before.length ? 1 : j === after.length ? -1 : compare(
      before[i]!.path,
      after[j]!.path,
    );
    const removed = order <= 0 ? before[i++]!.line : undefined;
    const added = order >= 0 ? after[j++]!.line : undefined;
    if (removed === added) continue;
    if (removed !== undefined) difference.push(`- ${removed}`);
    if (added !== undefined) difference.push(`+ ${added}`);
  }
  const left = difference.length - MAX_LINES;
  const shown = difference.slice(0, MAX_LINES).map((line) => line.replace(CONTROL, escape));
  return left > 0 ? [...shown, `(${left} more ${left === 1 ? "line" : "lines"})`] : shown;
}

interface Line {
  readonly path: string;
  readonly line: string;
}

function index(text: string, old: boolean): Line[] {
  const lines: Line[] = [];
  let directory = "/";
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const isDirectory = line.startsWith("D ");
    const name = afterFields(line, isDirectory ? (old ? 2 : 1) : line.startsWith("S ") ? 3 : 4);
    if (isDirectory) directory = name;
    lines.push({ path: isDirectory ? name : `${directory}/${name}`, line });
  }
  return lines.sort((a, b) => compare(a.path, b.path) || compare(a.line, b.line));
}

/** What follows a number of fields, each ended by one space. */
function afterFields(line: string, count: number): string {
  let start = 0;
  for (; count > 0; count--) start = line.indexOf(" ", start) + 1;
  return line.slice(start);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
