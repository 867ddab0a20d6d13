import { dirname } from "node:path";

/**
 * Zero Install's settings, as far as they matter here. `directories` are those that hold them, the
 * user's own first; nothing is thrown for what is missing.
 */

const GLOBAL = "injector/global";

/** As Zero Install checks the names of applications. */
const APP_NAME = /^[^./\\:=;'"][^/\\:=;'"]*$/;

/** Whether the user wants no network: `network_use` of `0install config`. */
export function isOffline(directories: readonly string[]): boolean {
  return /^\s*network_use\s*=\s*off-line\s*$/m.test(globalSettings(directories));
}

/** The file with what was chosen for an application of `0install add`; undefined if it is none. */
export function appSelections(directories: readonly string[], name: string): string | undefined {
  if (!APP_NAME.test(name)) return undefined;
  // An application that has no selections yet is one all the same: the file is then missing.
  const app = directories.map((directory) => `${directory}/apps/${name}`).find(isDirectory);
  return app === undefined ? undefined : `${app}/selections.xml`;
}

/** Files and directories whose change may change what Zero Install chooses. */
export function settingsThatChoose(directories: readonly string[]): string[] {
  return directories.flatMap((directory) =>
    ["global", "interfaces", "feeds", "implementation-dirs"].map((name) =>
      `${directory}/injector/${name}`
    )
  );
}

/**
 * Makes `0install select` choose as if there was a network, from the feeds that are here, while
 * nothing gets out: with the user's setting "off-line" it takes nothing that is not in a store yet.
 * It is to prefer what is in one, as it does off-line.
 *
 * @param temporary an empty directory, to be removed afterwards
 * @returns what to add to the environment
 */
export function offlineEnvironment(
  directories: readonly string[],
  temporary: string,
): Record<string, string> {
  const kept = globalSettings(directories).split("\n").filter((line) =>
    !/^\s*(\[|network_use\b|freshness\b)/.test(line)
  );
  const injector = `${temporary}/0install.net/injector`;
  Deno.mkdirSync(injector, { recursive: true });
  Deno.writeTextFileSync(
    `${injector}/global`,
    // Feeds that are never stale are not updated in the background.
    ["[global]", "network_use = minimal", "freshness = 0", ...kept, ""].join("\n"),
  );
  // A port that nobody listens on, as the proxy of every protocol.
  const nowhere = "http://127.0.0.1:1";
  const proxies = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
  return {
    XDG_CONFIG_HOME: temporary,
    XDG_CONFIG_DIRS: directories.map((directory) => dirname(directory)).join(":"),
    ...Object.fromEntries(proxies.map((name) => [name, nowhere])),
    no_proxy: "",
    NO_PROXY: "",
  };
}

/** The first such file counts. */
function globalSettings(directories: readonly string[]): string {
  for (const directory of directories) {
    try {
      return Deno.readTextFileSync(`${directory}/${GLOBAL}`);
    } catch {
      // The next one, then.
    }
  }
  return "";
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
