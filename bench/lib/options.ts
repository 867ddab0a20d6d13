/** The options that all benchmarks understand. */

import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { fromSource, type Program } from "../../tests/e2e/lib/program.ts";
import { V8_FLAGS } from "../../tools/v8_flags.ts";
import type { WorkplaceOptions } from "./workplace.ts";

const COMMON = {
  runs: { type: "string", default: "5" },
  program: { type: "string" },
  trees: { type: "string" },
  work: { type: "string", default: tmpdir() },
  size: { type: "string", default: "75%" },
  lock: { type: "string" },
} as const;

export interface Options extends WorkplaceOptions {
  readonly runs: number;
  /** 0share: from source, or the executable that was named. */
  readonly program: Program;
  /** Where the trees are, or are made. */
  readonly trees: string;
}

/**
 * Reads the command line: the common options, and those of `own`, which all take a value and have
 * a default.
 */
export function options<Name extends string>(
  own: Readonly<Record<Name, string>>,
): Options & { readonly own: Readonly<Record<Name, string>> } {
  const specific = Object.fromEntries(
    Object.entries<string>(own).map(([name, value]) => [name, {
      type: "string" as const,
      default: value,
    }]),
  );
  const { values } = parseArgs({ args: Deno.args, options: { ...specific, ...COMMON } });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`Cannot run ${values.runs} times`);
  const given = values as Record<string, string>;
  return {
    runs,
    program: values.program === undefined
      ? fromSource(["--allow-all", `--v8-flags=${V8_FLAGS}`])
      : { name: values.program, command: [Deno.realPathSync(values.program)] },
    trees: values.trees ?? defaultTrees(),
    work: values.work,
    size: values.size,
    lock: values.lock,
    own: Object.fromEntries(Object.keys(own).map((name) => [name, given[name]!])) as Record<
      Name,
      string
    >,
  };
}

export function list(text: string): string[] {
  return text.split(",").filter(Boolean);
}

export function numbers(text: string): number[] {
  return list(text).map((one) => {
    const value = Number(one);
    if (!Number.isInteger(value) || value < 1) throw new Error(`Cannot use ${one} as a number`);
    return value;
  });
}

function defaultTrees(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? tmpdir(), ".cache");
  return join(cache, "0share-bench");
}
