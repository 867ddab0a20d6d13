import { fileURLToPath } from "node:url";

/** How to run this program again from anywhere, and the files that this takes beside the executable. */
export function ownCommand(): { command: string[]; files: string[] } {
  const executable = Deno.execPath();
  if (Deno.build.standalone) return { command: [executable], files: [] };
  const main = fileURLToPath(Deno.mainModule);
  return { command: [executable, "run", "--quiet", "--allow-all", main], files: [main] };
}
