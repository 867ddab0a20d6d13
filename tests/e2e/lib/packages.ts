/**
 * Real packages from npm as source trees for implementations, pinned, downloaded once into
 * `0share-test-packages` in the user's cache. Whatever the registry or tar did to modes and times
 * is evened out, so that each tree has the same digest on every machine.
 */

import { copyFileSync, existsSync, lutimesSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";

/** One file of 11 MB and two small ones. */
export const LARGE_FILE = { name: "@esbuild/linux-x64", version: "0.28.2" };
/** Over 5,000 files, most of them below 2 KB. */
export const MANY_FILES = { name: "date-fns", version: "4.1.0" };
/** Executables, deep directories; `linksAndExecutables` adds what an npm package cannot hold. */
export const PROGRAM = { name: "npm", version: "12.2.0" };

export interface PackageName {
  readonly name: string;
  readonly version: string;
}

/** 26 October 1985, the time of every file in a package made by npm. */
const PACKED_AT = 499_162_500;

/** Whether the three packages are here or could be downloaded just now. */
export function available(): boolean {
  return [LARGE_FILE, MANY_FILES, PROGRAM].every((one) => download(one) !== undefined);
}

/** Unpacks a package as a fresh tree at `directory`, which must not exist, and gives its path. */
export async function unpack(wanted: PackageName, directory: string): Promise<string> {
  const archive = download(wanted);
  if (archive === undefined) {
    throw new Error(`Cannot get ${wanted.name}@${wanted.version} from npm`);
  }
  mkdirSync(directory, { recursive: true });
  const { success, stderr } = await new Deno.Command("tar", {
    args: ["-xzf", archive, "-C", directory, "--strip-components=1", "--no-same-owner"],
  }).output();
  if (!success) throw new Error(`tar: ${new TextDecoder().decode(stderr)}`);
  normalize(directory);
  return directory;
}

/**
 * npm itself as an implementation with all that a tree may hold: executables in bin/, symlinks to
 * a file, to a directory, upward and to nothing, empty files and directories, odd names.
 */
export async function linksAndExecutables(directory: string): Promise<string> {
  await unpack(PROGRAM, directory);
  const at = (path: string) => join(directory, path);
  for (const name of ["bin/npm-cli.js", "bin/npx-cli.js"]) Deno.chmodSync(at(name), 0o755);
  mkdirSync(at("links/deeper"), { recursive: true });
  Deno.symlinkSync("../bin/npm-cli.js", at("links/npm"));
  Deno.symlinkSync("../../bin", at("links/deeper/bin"));
  Deno.symlinkSync("nowhere/at/all", at("links/dangling"));
  Deno.symlinkSync("npm", at("links/second"));
  mkdirSync(at("empty/inside"), { recursive: true });
  Deno.writeTextFileSync(at("empty/file"), "");
  Deno.writeTextFileSync(at("empty/again"), "");
  Deno.writeTextFileSync(at("links/with space"), "a\n");
  Deno.writeTextFileSync(at("links/größe"), "ö\n");
  copyFileSync(at("package.json"), at("links/.hidden"));
  normalize(directory);
  return directory;
}

/** 0755 for directories and executables, 0644 for other files, one time for everything. */
function normalize(directory: string): void {
  for (const entry of Deno.readDirSync(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory) normalize(path);
    else if (entry.isFile) {
      const mode = Deno.statSync(path).mode ?? 0;
      Deno.chmodSync(path, mode & 0o111 ? 0o755 : 0o644);
    }
    lutimesSync(path, PACKED_AT, PACKED_AT);
  }
  Deno.chmodSync(directory, 0o755);
  lutimesSync(directory, PACKED_AT, PACKED_AT);
}

/** The package's archive in the cache; undefined when npm cannot get it. */
function download({ name, version }: PackageName): string | undefined {
  const cache = cacheDirectory();
  const file = `${name.replace(/^@/, "").replaceAll("/", "-")}-${version}.tgz`;
  const kept = join(cache, file);
  if (existsSync(kept)) return kept;
  mkdirSync(cache, { recursive: true });
  // Another run may download the same: each works in a directory of its own and renames.
  const own = Deno.makeTempDirSync({ dir: cache });
  try {
    const npm = Deno.build.os === "windows" ? "npm.cmd" : "npm";
    const { success } = new Deno.Command(npm, {
      args: [
        "pack",
        "--silent",
        "--fetch-retries=1",
        "--fetch-timeout=60000",
        `${name}@${version}`,
      ],
      cwd: own,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).outputSync();
    if (!success || !existsSync(join(own, file))) return undefined;
    renameSync(join(own, file), kept);
    return kept;
  } catch {
    return undefined;
  } finally {
    Deno.removeSync(own, { recursive: true });
  }
}

function cacheDirectory(): string {
  const { env } = Deno;
  const home = env.get("HOME") ?? env.get("USERPROFILE");
  const cache = env.get("XDG_CACHE_HOME") || env.get("LOCALAPPDATA") ||
    (home === undefined ? undefined : join(home, ".cache"));
  return cache === undefined
    ? join(Deno.env.get("TMPDIR") ?? "/tmp", "0share-test-packages")
    : join(cache, "0share-test-packages");
}
