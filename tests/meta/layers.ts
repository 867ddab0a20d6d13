/**
 * Which room may import which: the table of docs/architecture.md in a form that a machine checks.
 * Pure: takes the sources as texts, gives the violations as sentences.
 */

/** One import of a module: the module's path from the repository's root, or a bare specifier. */
export interface Import {
  readonly specifier: string;
  /** `import type`, `export type` and `typeof import()`: gone when the program runs. */
  readonly typeOnly: boolean;
}

/** The rooms within the room of fetching. */
const FETCH = ["fetch/assembly", "fetch/schedule", "fetch/search", "fetch/peer"];

/** For each room, the rooms that it may import, apart from itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  cli: ["sandbox", "serve", "fetch", ...FETCH, "zeroinstall", "store", "wire", "net", "manifest"],
  sandbox: ["serve"],
  serve: ["store", "wire", "net", "manifest"],
  fetch: ["store", "wire", "net", "manifest", ...FETCH],
  "fetch/assembly": ["store", "wire", "manifest"],
  "fetch/schedule": [],
  "fetch/search": ["fetch/peer", "wire", "net", "manifest"],
  "fetch/peer": ["wire", "manifest"],
  zeroinstall: ["manifest"],
  store: ["manifest"],
  wire: ["manifest"],
  net: [],
  manifest: [],
};

/** What a room may know the types of without being able to call it. */
const MAY_IMPORT_TYPES: Readonly<Record<string, readonly string[]>> = {
  sandbox: ["store", "wire", "net", "manifest"],
};

const ERRORS = "lib/errors.ts";
const MAIN = "main.ts";
const CONFIG = "deno.json";

/**
 * Every import of a module's source: static, re-exported, dynamic, type-only, and modules named
 * by `new URL("…", import.meta.url)` or `import.meta.resolve("…")`, which is how workers are
 * loaded. A dynamic import of anything but a literal gives the specifier "(computed)".
 */
export function importsOf(source: string): Import[] {
  const code = withoutComments(source);
  const found: Import[] = [];
  const add = (pattern: RegExp, typeOnly: (match: RegExpMatchArray) => boolean) => {
    for (const match of code.matchAll(pattern)) {
      found.push({ specifier: match.groups!["specifier"]!, typeOnly: typeOnly(match) });
    }
  };
  add(
    /(?:^|[;}\s])(?:import|export)\s+(?<type>type\s+(?!from\b))?(?:[\w$*{}\s,]+?)\bfrom\s*["'](?<specifier>[^"'\n]+)["']/g,
    (match) => match.groups!["type"] !== undefined,
  );
  add(/(?:^|[;}\s])import\s*["'](?<specifier>[^"'\n]+)["']/g, () => false);
  add(
    /(?<type>\btypeof\s+)?\bimport\s*\(\s*["'`](?<specifier>[^"'`\n]+)["'`]/g,
    (match) => match.groups!["type"] !== undefined,
  );
  add(/\bnew\s+URL\s*\(\s*["'`](?<specifier>[^"'`\n]+)["'`]\s*,\s*import\.meta\.url/g, () => false);
  add(/\bimport\.meta\.resolve\s*\(\s*["'`](?<specifier>[^"'`\n]+)["'`]/g, () => false);
  if (/\bimport\s*\(\s*(?!["'`\s])/.test(code)) {
    found.push({ specifier: "(computed)", typeOnly: false });
  }
  return found;
}

/** What is wrong with the modules, given as path → source. Empty when nothing is. */
export function violations(modules: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [path, source] of modules) {
    const targets: string[] = [];
    graph.set(path, targets);
    for (const { specifier, typeOnly } of importsOf(source)) {
      const relative = specifier.startsWith("./") || specifier.startsWith("../");
      if (!relative) {
        if (/^(?:https?|jsr|data|blob|file):|^\/|^\(computed\)$/.test(specifier)) {
          found.push(`${path} imports ${specifier}`);
        }
        continue;
      }
      const target = resolvePath(path, specifier);
      if (modules.has(target)) targets.push(target);
      else if (target.endsWith(".ts")) found.push(`${path} imports ${target}, which is not there`);
      const reason = forbidden(path, target, typeOnly);
      if (reason !== undefined) found.push(`${path} imports ${target}: ${reason}`);
    }
    for (const call of forbiddenCalls(path, source)) found.push(`${path} uses ${call}`);
  }
  for (const cycle of cycles(graph)) found.push(`cycle: ${cycle.join(" → ")}`);
  return found;
}

/** `lib/fetch/peer/peer.ts` and `../wire/tar.ts` → `lib/wire/tar.ts`. */
function resolvePath(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** The room of a module of lib; undefined for anything outside the rooms. */
function roomOf(path: string): string | undefined {
  const room = /^lib\/(.+)\/[^/]+$/.exec(path)?.[1];
  // A folder that is no room of its own belongs to the one that it is in.
  return room === undefined || room in MAY_IMPORT ? room : room.split("/")[0];
}

function forbidden(from: string, to: string, typeOnly: boolean): string | undefined {
  if (to === CONFIG || to === ERRORS) return undefined;
  if (from === ERRORS) return "errors.ts imports nothing";
  const target = roomOf(to);
  if (from === MAIN) return target === "cli" ? undefined : "main.ts imports lib/cli";
  const room = roomOf(from);
  const allowed = room === undefined ? undefined : MAY_IMPORT[room];
  if (room === undefined || allowed === undefined) return `${from} is in no room of the table`;
  if (target === undefined) return "it is in no room of lib";
  if (target === room || allowed.includes(target)) return undefined;
  if (MAY_IMPORT_TYPES[room]?.includes(target)) {
    return typeOnly ? undefined : `${room} may only import types from ${target}`;
  }
  return `${room} must not import ${target}`;
}

/** Only main.ts may end the process; nothing prints but through lib/cli. */
function forbiddenCalls(path: string, source: string): string[] {
  const code = withoutComments(source);
  const calls: string[] = [];
  if (/\bconsole\s*(?:\.|\[)/.test(code)) calls.push("console");
  if (path !== MAIN && /\b(?:Deno|process)\s*\.\s*exit\s*\(/.test(code)) calls.push("exit");
  return calls;
}

/**
 * Whole comment lines become empty. A comment behind code stays: telling `//` in a string from a
 * comment needs a parser, and all that such a comment can do is raise a false alarm.
 */
function withoutComments(source: string): string {
  return source.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, "").replace(/^[ \t]*\/\/.*$/gm, "");
}

/** Each cycle once, as the modules on it, the first repeated at the end. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (node: string) => {
    const at = trail.indexOf(node);
    if (at >= 0) {
      found.push([...trail.slice(at), node]);
      return;
    }
    if (done.has(node)) return;
    trail.push(node);
    for (const target of graph.get(node) ?? []) visit(target);
    trail.pop();
    done.add(node);
  };
  for (const node of graph.keys()) visit(node);
  return found;
}
