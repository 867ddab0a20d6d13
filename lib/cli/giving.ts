import { pause } from "../fetch/peer/pause.ts";
import { Asking } from "../fetch/search/asking.ts";
import type { Digest } from "../manifest/digest.ts";
import { networkInterfaces } from "../net/interfaces.ts";
import type { FetchSettings } from "./fetching.ts";
import { ownCommand } from "./own_command.ts";

/** How long after nobody has asked for anything any more, in seconds. */
const IDLE_SECONDS = 20;

/** How long what serves already has to answer, and what is started, in milliseconds. */
const ANSWER_MS = 100;
const START_MS = 5000;

/**
 * Goes on giving some implementations after this process has ended, until nobody wants them any
 * more: other machines have waited for them. Unless a server is running on this machine that gives
 * them, a process is started that is nobody's child and that the terminal's signals do not reach.
 * Returns when that one answers, so that there is no time in which nobody does.
 *
 * @param options.id of this process's own server
 * @throws the signal's reason
 */
export async function giveAfterwards(
  digests: readonly Digest[],
  settings: FetchSettings,
  { id, signal }: { readonly id: string; readonly signal: AbortSignal },
): Promise<void> {
  if (Deno.build.os === "windows") return;
  const given = new Set<Digest>();
  await using _asking = new Asking(digests, {
    interfaces: networkInterfaces().filter(({ loopback }) => loopback),
    port: settings.discoveryPort,
    id,
    claims: false,
    heard: ({ digest, state }) => {
      if (state === "have") given.add(digest);
    },
  });
  await pause(ANSWER_MS, signal);
  const lacking = digests.filter((digest) => !given.has(digest));
  if (lacking.length === 0) return;
  await start(lacking, settings);
  const end = performance.now() + START_MS;
  // A tree may be in the store under one of its names only.
  while (!lacking.some((digest) => given.has(digest)) && performance.now() < end) {
    await pause(ANSWER_MS, signal);
  }
}

async function start(digests: readonly Digest[], settings: FetchSettings): Promise<void> {
  const command = [
    ...ownCommand().command,
    "serve",
    "--quiet",
    "--no-mdns",
    ...["--port", "0", "--idle", String(IDLE_SECONDS)],
    ...["--discovery-port", String(settings.discoveryPort)],
    ...digests.flatMap((digest) => ["--only", digest]),
    ...[...new Set(settings.targets)].flatMap((store) => ["--allow-read", store]),
    ...(settings.uploadLimit === undefined
      ? []
      : ["--upload-limit", String(Math.round(settings.uploadLimit))]),
  ];
  // A shell's background process, because whoever this one becomes may wait for its children; in a
  // session of its own, because the terminal tells all of a session when it is closed.
  const shell = new Deno.Command("/bin/sh", {
    args: ["-c", '"$@" &', "sh", ...command],
    cwd: "/",
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await shell.status;
}
