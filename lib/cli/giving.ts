import { fileURLToPath } from "node:url";
import type { Digest } from "../manifest/digest.ts";
import type { FetchSettings } from "./fetching.ts";

/** How long after nobody has asked for anything any more, in seconds. */
const IDLE_SECONDS = 20;

/**
 * Starts a process that goes on giving some implementations after this one has ended, until nobody
 * wants them any more: other machines have waited for them, and on this one nothing else may serve.
 * It is nobody's child, and the terminal's signals do not reach it.
 */
export function giveAfterwards(digests: readonly Digest[], settings: FetchSettings): void {
  if (Deno.build.os === "windows") return;
  const [command, ...args] = [
    ...ownCommand(),
    "serve",
    "--quiet",
    "--no-mdns",
    ...["--port", "0", "--idle", String(IDLE_SECONDS)],
    ...["--discovery-port", String(settings.discoveryPort)],
    ...digests.flatMap((digest) => ["--only", digest]),
    ...[...new Set(settings.targets)].flatMap((store) => ["--allow-read", store]),
    ...(settings.uploadLimit === undefined
      ? []
      : ["--upload-limit", `${Math.round(settings.uploadLimit)}`]),
  ];
  // A shell's background process, because whoever started this one may wait for its children.
  new Deno.Command("/bin/sh", {
    args: ["-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh", command!, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).outputSync();
}

/** How this program was started. */
function ownCommand(): string[] {
  const executable = Deno.execPath();
  if (Deno.build.standalone) return [executable];
  return [executable, "run", "--quiet", "--allow-all", fileURLToPath(Deno.mainModule)];
}
