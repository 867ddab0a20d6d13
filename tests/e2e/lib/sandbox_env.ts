/** An environment in which a program touches nothing of the person who runs the tests. */

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

export interface Sandbox {
  /** The whole environment for a child process that starts with `clearEnv`. */
  readonly env: Readonly<Record<string, string>>;
  /** The only store that is looked at in it. Not made: a machine may have none yet. */
  readonly store: string;
  readonly home: string;
}

/** Without these, nothing starts on Windows. */
const FROM_WINDOWS = ["SystemRoot", "SystemDrive", "windir", "ComSpec", "PATHEXT", "TEMP", "TMP"];

/**
 * HOME, the XDG directories and their Windows equivalents all lie in `directory`, and there is no
 * system store: even root's 0install writes to `store` only. Nothing else of the caller's
 * environment comes along, a proxy for example, except what Deno needs to find its own cache.
 */
export function sandboxEnv(
  directory: string,
  extra: Readonly<Record<string, string>> = {},
): Sandbox {
  const home = join(directory, "home");
  const cache = join(directory, "cache");
  mkdirSync(home, { recursive: true });
  const windows = Deno.build.os === "windows";
  const inherited = ["PATH", ...(windows ? FROM_WINDOWS : []), "DENORT_BIN"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  const env = {
    ...Object.fromEntries(inherited) as Record<string, string>,
    HOME: home,
    USERPROFILE: home,
    LOCALAPPDATA: cache,
    APPDATA: join(directory, "config"),
    PROGRAMDATA: join(directory, "machine"),
    XDG_CACHE_HOME: cache,
    XDG_CACHE_DIRS: "",
    XDG_CONFIG_HOME: join(directory, "config"),
    XDG_CONFIG_DIRS: join(directory, "machine"),
    XDG_DATA_HOME: join(directory, "data"),
    DENO_DIR: denoDirectory(),
    DENO_NO_UPDATE_CHECK: "1",
    LANG: "C.UTF-8",
    NO_COLOR: "1",
    ...extra,
  };
  return { env, home, store: join(cache, "0install.net", "implementations") };
}

/** A directory of one test's own, removed with all that is in it when the test ends. */
export class TemporaryDirectory implements AsyncDisposable {
  readonly path: string;

  constructor(options: { prefix?: string } = {}) {
    this.path = Deno.realPathSync(
      Deno.makeTempDirSync({ prefix: options.prefix ?? "0share-test-" }),
    );
  }

  /** `sandboxEnv` of a subdirectory: one for each machine that a test plays. */
  sandbox(name: string, extra: Readonly<Record<string, string>> = {}): Sandbox {
    return sandboxEnv(join(this.path, name), extra);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeTree(this.path);
  }
}

/** Removes a tree in which directories may be read-only, as they are in a store. */
export async function removeTree(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const unlock = (directory: string) => {
    Deno.chmodSync(directory, 0o755);
    for (const entry of Deno.readDirSync(directory)) {
      if (entry.isDirectory) unlock(join(directory, entry.name));
    }
  };
  if (Deno.lstatSync(path).isDirectory) unlock(path);
  await Deno.remove(path, { recursive: true });
}

let found: string | undefined;

/** Where this Deno keeps what it downloaded: with another HOME a child would not find it. */
function denoDirectory(): string {
  if (found === undefined) {
    const info = new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-config"],
      stderr: "null",
    }).outputSync();
    found = String(JSON.parse(new TextDecoder().decode(info.stdout)).denoDir);
  }
  return found;
}
