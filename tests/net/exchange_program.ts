/** One end of an exchange, for a host: `hear PORT` answers who asks, `ask PORT` prints the answers. */

import { AskSockets, waysOf } from "../../lib/net/ask.ts";
import { QuerySocket } from "../../lib/net/hear.ts";
import { networkInterfaces } from "../../lib/net/interfaces.ts";

const encoder = new TextEncoder();
const [role, port] = Deno.args;

if (role === "hear") {
  using socket = new QuerySocket(Number(port), networkInterfaces());
  setInterval(() => socket.update(networkInterfaces()), 200);
  Deno.stdout.writeSync(encoder.encode("ready\n"));
  for await (const { from } of socket.messages()) {
    const error = await socket.send(encoder.encode(from.address), from);
    if (error !== undefined) throw error;
  }
} else {
  using sockets = new AskSockets(waysOf(networkInterfaces()));
  setTimeout(() => sockets[Symbol.dispose](), 1500);
  // Again and again, as a fetch does: the first multicast may come before the group is known.
  const again = setInterval(() => void sockets.send(encoder.encode("who?"), Number(port)), 300);
  for await (const { bytes, from } of sockets.messages()) {
    const asked = new TextDecoder().decode(bytes);
    Deno.stdout.writeSync(encoder.encode(`${from.address}: ${asked}\n`));
  }
  clearInterval(again);
}
