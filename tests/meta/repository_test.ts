import assert from "node:assert/strict";

import { configuration, files, read } from "./sources.ts";

/** Text files in which a stray path or version would be seen by somebody. */
const TEXTS = /(?:\.(?:ts|md|json|yml|service|sh|py)|\.ci\/run|\.gitignore)$/;

/** Lines of the repository's texts in which `pattern` occurs, as "path:line: text". */
function linesWith(pattern: RegExp, options: { except?: readonly string[] } = {}): string[] {
  const found: string[] = [];
  for (const path of files("")) {
    if (!TEXTS.test(path) || options.except?.includes(path)) continue;
    read(path).split("\n").forEach((line, index) => {
      if (pattern.test(line)) found.push(`${path}:${index + 1}: ${line.trim()}`);
    });
  }
  return found;
}

/** The commands of README's code blocks. */
function readmeCommands(): string[] {
  const blocks = read("README.md").matchAll(/^(?:```[a-z]*\n([\s\S]*?)^```|((?:^ {4}.*\n)+))/gm);
  return [...blocks].flatMap((block) => (block[1] ?? block[2] ?? "").split("\n"))
    .map((line) => line.trim().replace(/^(?:\w+ )?\$ /, "").replace(/\s+#.*$/, ""));
}

Deno.test("the version stands in deno.json alone", () => {
  const version = configuration().version.replaceAll(".", "\\.");
  assert.deepEqual(
    linesWith(new RegExp(`(?<![\\d.])${version}(?![\\d.]*\\d)`), {
      except: ["deno.json", "CHANGELOG.md"],
    }),
    [],
  );
});

Deno.test("no file of lib is longer than 400 lines", () => {
  const long = ["main.ts", ...files("lib", { suffix: ".ts" })]
    .map((path) => ({ path, lines: read(path).split("\n").length - 1 }))
    .filter(({ lines }) => lines > 400);
  assert.deepEqual(long, []);
});

Deno.test("no file names a path of one machine or the host of a registry", () => {
  const directories = ["work", "root", "farm"].join("|");
  // In parts, so that this file is looked at as well.
  const hosts = [["registry", "npmjs"], ["jsr", "io"], ["dl", "deno", "land"]]
    .map((labels) => labels.join("\\.")).join("|");
  assert.deepEqual(linesWith(new RegExp(`(?<![a-z./$}])/(?:${directories})/|${hosts}`)), []);
});

Deno.test("every imported package has its line in docs/dependencies.md", () => {
  const page = read("docs/dependencies.md").split("\n");
  for (const [name, specifier] of Object.entries(configuration().imports)) {
    const packageName = /^npm:(@?[^@]+)@\d+\.\d+\.\d+$/.exec(specifier)?.[1];
    assert.ok(packageName, `${name} is not pinned to one version: ${specifier}`);
    assert.ok(page.some((line) => line.includes(packageName)), `no line for ${packageName}`);
  }
});

Deno.test("every task that the README or the gate names exists", () => {
  const { tasks } = configuration();
  const named = [...readmeCommands(), ...Object.values(tasks)].flatMap((command) =>
    [...command.matchAll(/\bdeno(?:@[\d.]+)? task (\w+)/g)].map((match) => match[1]!)
  );
  assert.ok(named.length > 0, "the README names no task");
  for (const name of named) assert.ok(name in tasks, `no task ${name}`);
});

Deno.test("the README pins one version of Deno, and everything else takes or repeats it", () => {
  const pins = new Set([...read("README.md").matchAll(/\bdeno@([\w.]+)/g)].map((pin) => pin[1]!));
  assert.equal(pins.size, 1, `the README names deno@ ${[...pins].join(", ")}`);
  const [pin] = pins;
  assert.match(pin!, /^\d+\.\d+\.\d+$/);
  for (const path of files(".github/workflows", { suffix: ".yml" })) {
    const versions = [...read(path).matchAll(/deno(?:-version:\s*|@)v?(\d+\.\d+\.\d+)/g)];
    assert.ok(versions.length > 0, `${path} pins no Deno`);
    for (const version of versions) assert.equal(version[1], pin, path);
  }
});

Deno.test("continuous integration runs the README's test command", () => {
  const gates = readmeCommands().filter((command) => /^npx -y deno@\S+ task ok$/.test(command));
  assert.ok(gates.length > 0, "the README does not say how to run the gate through npm");
  const script = read(".ci/run");
  assert.match(script, /README\.md/);
  assert.match(script, /npx -y "deno@\$\w+" task ok/);
  assert.doesNotMatch(script, /deno@\d/);
  assert.match(read(".github/workflows/ci.yml"), /deno task ok/);
});
