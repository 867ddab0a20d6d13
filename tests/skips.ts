/** Tests that need what not every machine has: skipped there, and it is said how to get it. */

import { available as archivesAvailable } from "./e2e/lib/application.ts";
import { available as avahiAvailable } from "./e2e/lib/avahi.ts";
import { available as networkAvailable } from "./e2e/lib/network.ts";
import { available as oracleAvailable } from "./e2e/lib/oracle.ts";
import { available as publishingAvailable } from "./e2e/lib/origin.ts";
import { available as packagesAvailable } from "./e2e/lib/packages.ts";
import { compiledProgram } from "./e2e/lib/program.ts";

interface Need {
  /** What is missing and how to get it, as a sentence without a final period. */
  readonly missing: string;
  readonly met: () => boolean;
}

const NEEDS = {
  oracle: {
    missing: "the real 0install is not here: install Debian's 0install-core",
    met: oracleAvailable,
  },
  publishing: {
    missing: "no publisher's tools: install GnuPG, tar, bzip2, xz, zip and unzip",
    met: () => publishingAvailable() && archivesAvailable(),
  },
  root: {
    missing: "not running as root: run the tests as root",
    met: () => Deno.build.os !== "windows" && Deno.uid() === 0,
  },
  namespaces: {
    missing: "no network namespaces: run the tests as root on Linux with Debian's iproute2",
    met: networkAvailable,
  },
  avahi: {
    missing: "Avahi is not here: install Debian's avahi-daemon, avahi-utils and dbus",
    met: avahiAvailable,
  },
  packages: {
    missing: "no packages from npm: install npm and run the tests once with its registry in reach",
    met: packagesAvailable,
  },
  compiled: {
    missing: "no compiled program: run `deno task compile` and set ZERO_SHARE_COMPILED=dist/0share",
    met: () => compiledProgram() !== undefined,
  },
  posix: {
    missing: "Windows has no modes and no free symlinks: run the tests on Linux or macOS",
    met: () => Deno.build.os !== "windows",
  },
  linux: { missing: "this is not Linux", met: () => Deno.build.os === "linux" },
  zstd: {
    missing: "the zstd command is not here: install Debian's zstd",
    met: () => commandExists("zstd"),
  },
  curl: {
    missing: "the curl command is not here: install Debian's curl",
    met: () => commandExists("curl"),
  },
} satisfies Record<string, Need>;

export type NeedName = keyof typeof NEEDS;

const known = new Map<NeedName, boolean>();

/**
 * For the options of `Deno.test`: `ignore` is true when any of `names` is missing here.
 *
 *     Deno.test({ name: "…", ...needs("oracle", "root"), fn: async () => { … } });
 *
 * The first time in a run that something is missed, a line on stderr says how to get it.
 */
export function needs(...names: NeedName[]): { ignore: boolean } {
  const missing = names.filter((name) => !isMet(name));
  for (const name of missing) tell(name);
  return { ignore: missing.length > 0 };
}

function isMet(name: NeedName): boolean {
  let met = known.get(name);
  if (met === undefined) {
    met = NEEDS[name].met();
    known.set(name, met);
  }
  return met;
}

function tell(name: NeedName): void {
  // Every test file is a program of its own; the environment is what they share.
  const told = `ZERO_SHARE_TESTS_TOLD_${name.toUpperCase()}`;
  if (Deno.env.get(told)) return;
  Deno.env.set(told, "1");
  Deno.stderr.writeSync(new TextEncoder().encode(`skipping tests: ${NEEDS[name].missing}\n`));
}

function commandExists(name: string): boolean {
  try {
    return new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}
