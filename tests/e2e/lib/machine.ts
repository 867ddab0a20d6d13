/** Machines that a test plays on this one, and what is on them. */

import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { isDigest } from "../../../lib/manifest/digest.ts";
import { noise } from "../../serve/implementations.ts";
import { directory, file, type Node, symlink } from "../../vectors/trees.ts";
import type { Program } from "./program.ts";
import type { Sandbox, TemporaryDirectory } from "./sandbox_env.ts";
import { serve, type ServeOptions, type Server } from "./server.ts";

/** A little of everything that has a place in a tree on every system. */
export const SMALL: readonly Node[] = [
  directory("bin"),
  directory("bin/deeper"),
  directory("empty"),
  file("README", "hello\n"),
  file("bin/run", "#!/bin/sh\necho run\n", { mode: 0o755 }),
  file("bin/deeper/größe with space", noise(1, 3000)),
  file("bin/deeper/again", "hello\n"),
  file("nothing", ""),
];

/** The same with symlinks: to a file, to a directory, and to nothing. */
export const LINKED: readonly Node[] = [
  ...SMALL,
  symlink("bin/link", "../README"),
  symlink("empty/up", ".."),
  symlink("dangling", "nowhere/at/all"),
];

/** 3.5 MB in two larger files with small ones around them, which takes several blocks. */
export const LARGER: readonly Node[] = [
  file("a", noise(2, 1000)),
  file("b", noise(3, 2_000_000)),
  file("c", noise(4, 100)),
  file("d", noise(5, 1_500_000)),
  file("e", noise(6, 77)),
];

/** A machine with a store of its own, which is there already. */
export function machine(
  directory: TemporaryDirectory,
  name: string,
  extra: Readonly<Record<string, string>> = {},
): Sandbox {
  const sandbox = directory.sandbox(name, extra);
  mkdirSync(sandbox.store, { recursive: true });
  return sandbox;
}

/** A server of a machine's stores on ports that nobody else uses. */
export async function serveOn(
  program: Program,
  machine: Sandbox,
  options: Partial<ServeOptions> = {},
): Promise<Server> {
  return await serve(program, { env: machine.env, discoveryPort: freePort(), ...options });
}

/** A UDP port that nobody has now. */
export function freePort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  return port;
}

/** The digests under which something is in a store, sorted. */
export function digestsIn(store: string): string[] {
  return namesIn(store).filter(isDigest);
}

/** All names in a directory, sorted; none when it is missing. */
export function namesIn(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * Every entry of a tree, itself included, with its kind, mode, size, time in whole seconds and
 * content: two trees that are the same have equal ones.
 *
 * @param options.directoryTimes whether the times of directories count, as for `sha1`
 */
export function snapshot(root: string, options: { directoryTimes: boolean }): string[] {
  const lines: string[] = [];
  const visit = (path: string, relative: string) => {
    const info = Deno.lstatSync(path);
    const mode = ((info.mode ?? 0) & 0o7777).toString(8);
    const mtime = Math.floor((info.mtime?.getTime() ?? 0) / 1000);
    if (info.isSymlink) {
      lines.push(`${relative} -> ${Deno.readLinkSync(path)}`);
    } else if (info.isDirectory) {
      // The time of the root is in no manifest.
      const time = options.directoryTimes && relative !== "" ? ` ${mtime}` : "";
      lines.push(`${relative}/ ${mode}${time}`);
      for (const name of namesIn(path)) visit(join(path, name), `${relative}/${name}`);
    } else {
      const hash = createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
      // That of the .manifest is when it was made.
      const time = relative === "/.manifest" ? "" : ` ${mtime}`;
      lines.push(`${relative} ${mode}${time} ${info.size} ${hash}`);
    }
  };
  visit(root, "");
  return lines;
}
