/** The repository's own files, for the tests that read them. */

export const ROOT = new URL("../../", import.meta.url);

/** Made by tools or other people: nothing here is ours to judge. */
const NOT_OURS = new Set([".git", "node_modules", "dist", "deno.lock", "LICENSE", "vectors"]);

/** Paths under `directory` ("" for the whole repository), with forward slashes, sorted. */
export function files(directory: string, options: { suffix?: string } = {}): string[] {
  const found: string[] = [];
  const walk = (path: string) => {
    for (const entry of Deno.readDirSync(new URL(path, ROOT))) {
      if (NOT_OURS.has(entry.name)) continue;
      if (entry.isDirectory) walk(`${path}${entry.name}/`);
      else if (entry.isFile && entry.name.endsWith(options.suffix ?? "")) {
        found.push(path + entry.name);
      }
    }
  };
  walk(directory === "" ? "./" : `${directory}/`);
  return found.map((path) => path.replace(/^\.\//, "")).filter((path) =>
    !path.startsWith("bench/work/")
  ).sort();
}

export function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

export interface Configuration {
  readonly version: string;
  readonly tasks: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
}

export function configuration(): Configuration {
  return JSON.parse(read("deno.json"));
}
