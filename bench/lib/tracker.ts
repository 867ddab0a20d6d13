/**
 * A tracker of one torrent (BEP 3, compact answers of BEP 23), so that a rival that needs one has
 * it: `deno run --allow-net tracker.ts PORT`. Says "tracking" when it listens.
 */

import { bencode } from "./torrent.ts";

/** IPv4 address and port of each peer, six bytes, by their text. */
const peers = new Map<string, Uint8Array>();

Deno.serve({
  hostname: "0.0.0.0",
  port: Number(Deno.args[0]),
  onListen: () => void Deno.stdout.writeSync(new TextEncoder().encode("tracking\n")),
}, (request, { remoteAddr }) => {
  const query = new URL(request.url).searchParams;
  const { hostname } = remoteAddr as Deno.NetAddr;
  const port = Number(query.get("port"));
  const key = `${hostname}:${port}`;
  if (query.get("event") === "stopped") peers.delete(key);
  else {
    const bytes = [...hostname.split(".").map(Number), port >> 8, port & 255];
    peers.set(key, Uint8Array.from(bytes));
  }
  const others = [...peers].filter(([other]) => other !== key).map(([, bytes]) => bytes);
  const compact = new Uint8Array(others.length * 6);
  others.forEach((bytes, i) => compact.set(bytes, i * 6));
  return new Response(bencode({ interval: 60, peers: compact }));
});
