/** A machine that says to whoever asks for a digest that it is downloading it, and has nothing of it. */

import { QuerySocket } from "../../../lib/net/hear.ts";
import { networkInterfaces } from "../../../lib/net/interfaces.ts";
import { PORT } from "../../../lib/wire/limits.ts";

const [digest] = Deno.args;
const encoder = new TextEncoder();
const reply = encoder.encode(`0share-reply\nid 0123456789abcdef\nport 1\npending ${digest}\n`);
using socket = new QuerySocket(PORT, networkInterfaces());
Deno.stdout.writeSync(encoder.encode("ready\n"));
for await (const { from } of socket.messages()) await socket.send(reply, from);
