/** Asking and hearing, on this machine alone. */

import assert from "node:assert/strict";
import { AskSockets, waysOf } from "../../lib/net/ask.ts";
import { QuerySocket } from "../../lib/net/hear.ts";
import { unmapped } from "../../lib/net/inbox.ts";
import { fromSystem, type NetworkInterface } from "../../lib/net/interfaces.ts";
import { bytes, text } from "../wire/arbitraries.ts";

const [LOOPBACK4, LOOPBACK6] = fromSystem([
  { name: "lo", family: "IPv4", address: "127.0.0.1", netmask: "255.0.0.0", scopeid: null },
  { name: "lo", family: "IPv6", address: "::1", netmask: "ffff:ffff::", scopeid: 0 },
]) as [NetworkInterface, NetworkInterface];

/** An address of a network that is for documentation only: no machine has it. */
const DEAD: NetworkInterface = {
  name: "dead0",
  index: 77,
  family: "IPv4",
  address: "192.0.2.77",
  broadcast: "192.0.2.255",
  loopback: false,
};

function freePort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  socket.close();
  return (socket.addr as Deno.NetAddr).port;
}

/** Answers every datagram with the sender's address and the same text, until it is closed. */
async function echo(socket: QuerySocket): Promise<void> {
  for await (const { bytes: asked, from } of socket.messages()) {
    assert.equal(await socket.send(bytes(`${from.address} ${text(asked)}`), from), undefined);
  }
}

/** The first answers to a question, as many as are wanted. */
async function ask(interfaces: NetworkInterface[], port: number, count = 1): Promise<string[]> {
  using sockets = new AskSockets(waysOf(interfaces));
  await sockets.send(bytes("hello"), port);
  const answers: string[] = [];
  for await (const { bytes, from } of sockets.messages()) {
    answers.push(`${from.address}: ${text(bytes)}`);
    if (answers.length === count) break;
  }
  return answers;
}

async function withEcho(run: (port: number) => Promise<void>): Promise<void> {
  const port = freePort();
  const socket = new QuerySocket(port, [LOOPBACK4, LOOPBACK6]);
  const echoing = echo(socket);
  try {
    await run(port);
  } finally {
    socket[Symbol.dispose]();
    await echoing;
  }
}

Deno.test("this machine is asked over IPv4, whose addresses look like such on both sides", async () => {
  await withEcho(async (port) => {
    assert.deepEqual(await ask([LOOPBACK4], port), ["127.0.0.1: 127.0.0.1 hello"]);
  });
});

Deno.test("this machine is asked over IPv6", async () => {
  await withEcho(async (port) => {
    assert.deepEqual(await ask([LOOPBACK6], port), ["::1: ::1 hello"]);
  });
});

Deno.test("an interface that is dead keeps no other from being asked, and is told", async () => {
  await withEcho(async (port) => {
    using sockets = new AskSockets(waysOf([DEAD, LOOPBACK4]));
    const sent = await sockets.send(bytes("hello"), port);
    assert.deepEqual(sent.map(({ error }) => error === undefined), [false, true]);
    assert.equal(sent[0]!.target, DEAD.address);
    for await (const { from } of sockets.messages()) {
      assert.equal(from.port, port);
      break;
    }
  });
});

Deno.test({
  name: "all processes that listen on this machine are asked",
  // Elsewhere a datagram to this machine goes to one of them.
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await withEcho(async (port) => {
      using second = new QuerySocket(port, []);
      const echoing = echo(second);
      assert.equal((await ask([LOOPBACK4], port, 2)).length, 2);
      second[Symbol.dispose]();
      await echoing;
    });
  },
});

Deno.test("an answer that cannot be sent is told, not thrown", async () => {
  using socket = new QuerySocket(freePort(), []);
  const error = await socket.send(new Uint8Array(70_000), { address: "127.0.0.1", port: 9 });
  assert.ok(error instanceof Error);
});

Deno.test("closing ends the messages and may be done twice", async () => {
  const sockets = new AskSockets(waysOf([LOOPBACK4]));
  const hearing = new QuerySocket(freePort(), [LOOPBACK4]);
  const messages = [Array.fromAsync(sockets.messages()), Array.fromAsync(hearing.messages())];
  for (const each of [sockets, hearing, sockets, hearing]) each[Symbol.dispose]();
  assert.deepEqual(await Promise.all(messages), [[], []]);
  assert.deepEqual(await sockets.send(bytes("hello"), 9), []);
});

Deno.test({
  name: "a port that somebody has for himself cannot be had",
  // Elsewhere the other family may still be had.
  ignore: Deno.build.os !== "linux",
  fn: () => {
    const own = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
    try {
      const { port } = own.addr as Deno.NetAddr;
      assert.throws(() => new QuerySocket(port, []), Deno.errors.AddrInUse);
    } finally {
      own.close();
    }
  },
});

Deno.test("interfaces that come and go, or cannot be joined, keep nobody from being answered", async () => {
  const port = freePort();
  const socket = new QuerySocket(port, []);
  const echoing = echo(socket);
  try {
    for (const interfaces of [[DEAD], [LOOPBACK6], [DEAD, LOOPBACK6], []]) {
      socket.update(interfaces);
      assert.deepEqual(await ask([LOOPBACK4], port), ["127.0.0.1: 127.0.0.1 hello"]);
    }
  } finally {
    socket[Symbol.dispose]();
    await echoing;
  }
});

Deno.test("only an IPv4 address in its IPv6 form is taken for one", () => {
  assert.equal(unmapped("::ffff:192.168.2.1"), "192.168.2.1");
  assert.equal(unmapped("::FFFF:10.0.0.1"), "10.0.0.1");
  assert.equal(unmapped("fe80::1"), "fe80::1");
  assert.equal(unmapped("64:ff9b::10.0.0.1"), "64:ff9b::10.0.0.1");
  assert.equal(unmapped("10.0.0.1"), "10.0.0.1");
});
