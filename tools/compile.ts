/**
 * Makes the one executable: `deno task compile [--target TARGET] [--output FILE]`.
 *
 * The Deno that runs this compiles, unless DENO_COMPILE names another; DENORT_BIN, which Deno
 * itself reads, names a runtime to put the program into where none can be downloaded.
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { V8_FLAGS } from "./v8_flags.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/**
 * All that any command needs: Deno lets only who may do everything see how another process of this
 * user gets on (`lib/zeroinstall/activity.ts`). `serve` gives it up before it serves. The modules of
 * workers are not reached by an import, so they are named here.
 */
const PERMISSIONS = ["--allow-all", "--no-prompt"];
const WORKERS = ["lib/sandbox/serve_worker.ts", "lib/fetch/assembly/file_writer_thread.ts"];

const { values } = parseArgs({
  args: Deno.args,
  options: { target: { type: "string" }, output: { type: "string", default: "dist/0share" } },
});

const compiler = Deno.env.get("DENO_COMPILE") || Deno.execPath();

const { code } = await new Deno.Command(compiler, {
  args: [
    "compile",
    "--quiet",
    "--frozen",
    // The gate has checked the types.
    "--no-check",
    ...await supported("--exclude-unused-npm"),
    // It would be read from the directory for temporary files, where any user can put one.
    "--no-code-cache",
    `--v8-flags=${V8_FLAGS}`,
    ...PERMISSIONS,
    ...WORKERS.flatMap((module) => ["--include", module]),
    ...(values.target === undefined ? [] : ["--target", values.target]),
    "--output",
    values.output,
    "main.ts",
  ],
  cwd: ROOT,
  // It says what it could not download.
  stderr: "inherit",
}).output();
Deno.exitCode = code;

/** Keeps what only the tests import out of the executable, where the compiler knows how. */
async function supported(flag: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(compiler, { args: ["compile", "--help"] }).output();
  return new TextDecoder().decode(stdout).includes(flag) ? [flag] : [];
}
