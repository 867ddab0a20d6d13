import assert from "node:assert/strict";

import { importsOf, violations } from "./layers.ts";
import { files, read } from "./sources.ts";

function check(modules: Record<string, string>): string[] {
  return violations(new Map(Object.entries(modules)));
}

Deno.test("imports go downward only, without a cycle, and nothing prints or exits on its own", () => {
  const paths = ["main.ts", ...files("lib", { suffix: ".ts" })];
  assert.ok(paths.length > 10, `found only ${paths.length} modules`);
  assert.deepEqual(violations(new Map(paths.map((path) => [path, read(path)]))), []);
});

Deno.test("the layer check sees every way to import", () => {
  const specifiers = importsOf(`
    import fs from "node:fs";
    import "./side_effect.ts";
    import { a, type B } from "./named.ts";
    import * as c from "./star.ts";
    import type { D } from "./type.ts";
    import {
      e,
      f,
    } from "./lines.ts";
    export { g } from "./exported.ts";
    export type { H } from "./exported_type.ts";
    export * from "./exported_star.ts";
    const i = await import("./dynamic.ts");
    type J = typeof import("./typeof.ts");
    new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    new Worker(import.meta.resolve("./resolved.ts"));
    // import k from "./comment.ts";
    /* import l from "./block.ts"; */
    /** \`import m from "./docs.ts"\` */
  `);
  assert.deepEqual(
    specifiers.map((one) => one.specifier + (one.typeOnly ? " (type)" : "")).sort(),
    [
      "./dynamic.ts",
      "./exported.ts",
      "./exported_star.ts",
      "./exported_type.ts (type)",
      "./lines.ts",
      "./named.ts",
      "./resolved.ts",
      "./side_effect.ts",
      "./star.ts",
      "./type.ts (type)",
      "./typeof.ts (type)",
      "./worker.ts",
      "node:fs",
    ],
  );
});

Deno.test("the layer check accepts what the table allows", () => {
  assert.deepEqual(
    check({
      "main.ts": `import { run } from "./lib/cli/run.ts"; Deno.exit(await run(Deno.args));`,
      "lib/errors.ts": "",
      "lib/cli/run.ts": `
        import config from "../../deno.json" with { type: "json" };
        import { fetch } from "../fetch/fetch.ts";
        import { start } from "../sandbox/start.ts";`,
      "lib/sandbox/start.ts": `
        import type { Digest } from "../manifest/digest.ts";
        new Worker(new URL("./worker.ts", import.meta.url));`,
      "lib/sandbox/worker.ts": `import { serve } from "../serve/serve.ts";`,
      "lib/serve/serve.ts": `import { parse } from "../wire/query.ts";`,
      "lib/fetch/fetch.ts": `import { parse } from "../wire/query.ts";`,
      "lib/wire/query.ts": `import { Digest } from "../manifest/digest.ts";`,
      "lib/manifest/digest.ts": `import { ShareError } from "../errors.ts";`,
    }),
    [],
  );
});

Deno.test("the layer check refuses each kind of wrong edge", () => {
  const target = { "lib/store/lookup.ts": "", "lib/fetch/plan.ts": "", "lib/cli/help.ts": "" };
  const edges: [string, string, RegExp][] = [
    ["lib/manifest/digest.ts", `import "../store/lookup.ts"`, /manifest must not import store/],
    ["lib/serve/serve.ts", `import { a } from "../fetch/plan.ts"`, /serve must not import fetch/],
    ["lib/serve/serve.ts", `import type { A } from "../cli/help.ts"`, /serve must not import cli/],
    ["lib/serve/serve.ts", `await import("../fetch/plan.ts")`, /serve must not import fetch/],
    ["lib/net/udp.ts", `new URL("../store/lookup.ts", import.meta.url)`, /net must not import/],
    ["lib/fetch/peer/a.ts", `import "../plan.ts"`, /fetch\/peer must not import fetch/],
    ["lib/fetch/schedule/a.ts", `import "../../store/lookup.ts"`, /schedule must not import store/],
    ["lib/sandbox/start.ts", `import { a } from "../store/lookup.ts"`, /only import types/],
    ["lib/errors.ts", `import { a } from "./store/lookup.ts"`, /errors.ts imports nothing/],
    ["main.ts", `import { a } from "./lib/store/lookup.ts"`, /main.ts imports lib\/cli/],
    ["lib/utils/all.ts", `import { a } from "../store/lookup.ts"`, /in no room of the table/],
    ["lib/fetch/other.ts", `import { a } from "../../tests/a.ts"`, /in no room of lib/],
    ["lib/fetch/other.ts", `import { a } from "./gone.ts"`, /which is not there/],
    ["lib/fetch/other.ts", `import { a } from "https://example.org/a.ts"`, /imports https:/],
    ["lib/fetch/other.ts", `import { a } from "jsr:@std/path"`, /imports jsr:/],
    ["lib/fetch/other.ts", `await import(name)`, /imports \(computed\)/],
    ["lib/fetch/other.ts", `console.log("here")`, /uses console/],
    ["lib/fetch/other.ts", `Deno.exit(1)`, /uses exit/],
  ];
  for (const [path, source, expected] of edges) {
    assert.match(check({ ...target, [path]: source }).join("\n"), expected, source);
  }
});

Deno.test("the layer check finds a cycle, also through a type and a worker", () => {
  assert.deepEqual(
    check({
      "lib/fetch/a.ts": `import type { B } from "./b.ts";`,
      "lib/fetch/b.ts": `new Worker(new URL("./c.ts", import.meta.url));`,
      "lib/fetch/c.ts": `export * from "./a.ts";`,
    }),
    ["cycle: lib/fetch/a.ts → lib/fetch/b.ts → lib/fetch/c.ts → lib/fetch/a.ts"],
  );
});
