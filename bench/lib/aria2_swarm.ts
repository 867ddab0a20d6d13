import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { type Program, start } from "../../tests/e2e/lib/program.ts";
import { sandboxEnv } from "../../tests/e2e/lib/sandbox_env.ts";
import { listening, pack, type Packing } from "./archives.ts";
import { LIMIT_MS } from "./processes.ts";
import type { Seat } from "./seats.ts";
import type { Swarm } from "./swarm.ts";
import { torrentOf } from "./torrent.ts";
import type { Workplace } from "./workplace.ts";

const TRACKER_PORT = 6969;
const PEER_PORT = 6881;

const DOWNLOAD = [
  'mkfifo "$1/complete"',
  `printf '#!/bin/sh\\necho complete >%s\\n' "$1/complete" >"$1/hook"`,
  'chmod +x "$1/hook"',
  'aria2c "${@:3}" --on-bt-download-complete="$1/hook" >"$1/aria2.log" 2>&1 </dev/null &',
  'read -r _ <"$1/complete"',
  'tar -C "$1/tree" -xf "$1/$2"',
  "echo unpacked",
  "wait",
].join("\n");

/**
 * BitTorrent with aria2, of an archive made beforehand: a tracker on the seed and local peer
 * discovery; who is complete goes on sharing. Nobody verifies the tree that comes out.
 */
export function aria2Swarm(packing: Packing, place: Workplace): Swarm {
  const archives = place.fresh("torrents");
  const files = new Map<string, { archive: string; torrent: string }>();
  return {
    name: `aria2, ${packing}`,
    async prepare(load) {
      const archive = await pack(load, packing, archives);
      files.set(load.digest, { archive, torrent: `${archive}.torrent` });
    },
    async seed(load, seat) {
      const { archive, torrent } = files.get(load.digest)!;
      const announce = `http://${seat.address}:${TRACKER_PORT}/announce`;
      await Deno.writeFile(torrent, await torrentOf(archive, announce));
      const { env } = sandboxEnv(place.fresh("aria2-seed"));
      const options = { env, prefix: seat.prefix, limit: LIMIT_MS };
      const tracker = start(trackerProgram(), [String(TRACKER_PORT)], options);
      await tracker.output(/tracking/, "stdout");
      const aria2: Program = { name: "aria2", command: ["aria2c"] };
      const args = [...common(seat), `--dir=${archives}`, "--bt-seed-unverified=true", torrent];
      await listening(seat, PEER_PORT, start(aria2, args, options));
    },
    join(load, seat, gate) {
      const { archive, torrent } = files.get(load.digest)!;
      const directory = place.fresh("aria2");
      const { env } = sandboxEnv(join(directory, "home"));
      const tree = join(directory, "tree");
      Deno.mkdirSync(tree);
      const aria2: Program = { name: "aria2", command: ["bash", "-e", "-c", DOWNLOAD, "download"] };
      const name = archive.slice(archives.length + 1);
      const args = [directory, name, ...common(seat), `--dir=${directory}`, torrent];
      const prefix = [...seat.prefix, ...gate.prefix];
      const running = start(aria2, args, { env, prefix, limit: LIMIT_MS });
      const complete = running.output(/unpacked/, "stdout").then(() => performance.now());
      return { running, complete, tree, directory };
    },
  };
}

function trackerProgram(): Program {
  const module = fileURLToPath(new URL("tracker.ts", import.meta.url));
  return {
    name: "tracker",
    command: [Deno.execPath(), "run", "--quiet", "--no-config", "--allow-net", module],
  };
}

/** No DHT and no encryption, which a local network does not need; all peers at once. */
function common({ link }: Seat): string[] {
  return [
    "--no-conf",
    "--quiet",
    "--summary-interval=0",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=true",
    `--bt-lpd-interface=${link}`,
    `--listen-port=${PEER_PORT}`,
    "--bt-require-crypto=false",
    "--bt-min-crypto-level=plain",
    "--file-allocation=none",
    "--disk-cache=32M",
    "--async-dns=false",
    "--seed-ratio=0",
    "--seed-time=600",
  ];
}
