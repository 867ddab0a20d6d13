/** What the stores' places depend on: passed in, so that any machine can be asked about. */
export interface Environment {
  get(name: string): string | undefined;
  readonly os: "linux" | "darwin" | "windows";
  /** The text of a file; undefined if it is missing or may not be read. */
  readTextFile(path: string): string | undefined;
  /** The working directory, which relative settings start from; `Deno.cwd()` if left out. */
  cwd?(): string;
  /**
   * Whether this process is root's and the directory exists but is not: `sudo` without `-H`. Then
   * `HOME` is not believed. Left out: false.
   */
  isForeignHome?(path: string): boolean;
}

const PORTABLE = "ZEROINSTALL_PORTABLE_BASE";
const IMPLEMENTATIONS = "implementations";
const CONFIG_FILE = "injector/implementation-dirs";
const SUBDIRECTORY = "0install.net";

/**
 * The directories where Zero Install keeps implementations, the user's own first, as absolute paths
 * in the order that `0install store list` prints. They need not exist. One that is configured
 * twice comes twice, because the second place has a meaning: see `chooseTarget`.
 *
 * Follows Zero Install's code where that departs from the XDG base directory specification: a
 * relative directory is used, starting from the working directory, and so is an empty
 * `XDG_CACHE_HOME`; the lines of an `implementation-dirs` file count from the last to the first,
 * and so do the files; nothing in them is trimmed or expanded.
 */
export function storeLocations(env: Environment): string[] {
  const portable = env.get(PORTABLE);
  const caches = cacheLocations(env).map((cache) => below(env, cache, IMPLEMENTATIONS));
  const configs = portable === undefined
    ? baseDirectories(env, "CONFIG").map((base) =>
      below(env, base, `${SUBDIRECTORY}/${CONFIG_FILE}`)
    )
    : [below(env, portable, `config/${CONFIG_FILE}`)];
  return [...caches, ...configuredStores(env, configs)].map((path) => absolute(env, path));
}

/**
 * The directories that hold Zero Install's caches, of implementations and of feeds, as absolute
 * paths: the user's own first, then the machine's. They need not exist.
 */
export function cacheLocations(env: Environment): string[] {
  const portable = env.get(PORTABLE);
  const caches = portable === undefined
    ? baseDirectories(env, "CACHE").map((base) => below(env, base, SUBDIRECTORY))
    : [below(env, portable, "cache")];
  return caches.map((path) => absolute(env, path));
}

/**
 * The directories that hold Zero Install's settings, as absolute paths: the user's own first, then
 * the machine's. They need not exist.
 */
export function configLocations(env: Environment): string[] {
  const portable = env.get(PORTABLE);
  const configs = portable === undefined
    ? baseDirectories(env, "CONFIG").map((base) => below(env, base, SUBDIRECTORY))
    : [below(env, portable, "config")];
  return configs.map((path) => absolute(env, path));
}

function configuredStores(env: Environment, files: readonly string[]): string[] {
  const stores: string[] = [];
  for (const file of files) {
    const text = env.readTextFile(absolute(env, file)) ?? "";
    // Only Windows has text files that end their lines with CR LF; elsewhere CR is part of a name.
    for (const line of text.split(env.os === "windows" ? /\r?\n/ : "\n")) {
      if (line !== "" && !line.startsWith("#")) stores.unshift(line);
    }
  }
  return stores;
}

function baseDirectories(env: Environment, kind: "CACHE" | "CONFIG"): string[] {
  const own = env.get(`XDG_${kind}_HOME`);
  const shared = env.get(`XDG_${kind}_DIRS`);
  const [defaultOwn, defaultShared] = defaults(env, kind);
  return [
    own ?? defaultOwn(),
    ...(shared?.split(env.os === "windows" ? ";" : ":").filter((path) => path !== "") ??
      defaultShared),
  ];
}

function defaults(
  env: Environment,
  kind: "CACHE" | "CONFIG",
): [own: () => string, shared: string[]] {
  if (env.os !== "windows") {
    return kind === "CACHE"
      ? [() => below(env, home(env), ".cache"), ["/var/cache"]]
      : [() => below(env, home(env), ".config"), ["/etc/xdg"]];
  }
  const profile = () => env.get("USERPROFILE") ?? "C:\\";
  const shared = env.get("PROGRAMDATA") ?? "C:\\ProgramData";
  return kind === "CACHE"
    ? [() => env.get("LOCALAPPDATA") ?? below(env, profile(), "AppData/Local"), [shared]]
    : [() => env.get("APPDATA") ?? below(env, profile(), "AppData/Roaming"), [shared]];
}

/** Zero Install takes `/root` when there is no `HOME`, whoever asks. */
function home(env: Environment): string {
  const claimed = env.get("HOME") ?? "/root";
  return env.isForeignHome?.(claimed) === true ? homeOfRoot(env) : claimed;
}

function homeOfRoot(env: Environment): string {
  for (const line of (env.readTextFile("/etc/passwd") ?? "").split("\n")) {
    const fields = line.split(":");
    if (fields[2] === "0" && fields[5] !== undefined) return fields[5];
  }
  return "/";
}

/**
 * Not `join` of node:path: that would take `..` away, which means another place behind a symlink.
 */
function below(env: Environment, base: string, path: string): string {
  const ended = base === "" || base.endsWith("/") || env.os === "windows" && base.endsWith("\\");
  return ended ? base + path : `${base}/${path}`;
}

function absolute(env: Environment, path: string): string {
  if (env.os === "windows" ? /^([a-z]:)?[\\/]/i.test(path) : path.startsWith("/")) return path;
  return below(env, env.cwd === undefined ? Deno.cwd() : env.cwd(), path);
}
