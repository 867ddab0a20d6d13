/** Zero Install for .NET, both ways, and everybody else who looks for services of the network. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { addImplementation } from "../serve/implementations.ts";
import { Avahi } from "./lib/avahi.ts";
import type { Host } from "./lib/host.ts";
import { digestsIn, LINKED } from "./lib/machine.ts";
import { available as oracleAvailable, zeroInstall } from "./lib/oracle.ts";
import { Running } from "./lib/program.ts";
import { forEachProgram, PORT, type Room } from "./lib/room.ts";
import { removeTree } from "./lib/sandbox_env.ts";

const TYPE = "_0install-store._tcp";
const STORE_PORT = 40_404;

/** A program of the tests, on a host. */
function helper(host: Host, name: string, ...args: string[]): Running {
  const [config, path] = ["../../deno.json", `./lib/${name}`].map((relative) =>
    fileURLToPath(new URL(relative, import.meta.url))
  ) as [string, string];
  const { PATH, HOME, DENO_DIR } = Deno.env.toObject();
  const inherited = Object.entries({ PATH, HOME, DENO_DIR })
    .filter((entry): entry is [string, string] => entry[1] !== undefined);
  return new Running([
    ...[...host.prefix, Deno.execPath(), "run", "--allow-all", "--quiet", "--config", config],
    ...[path, ...args],
  ], { env: Object.fromEntries(inherited) });
}

function avahiOn(room: Room, host: Host): Promise<Avahi> {
  return Avahi.start(host, join(room.directory.path, `avahi${host.ipv4}`));
}

/** Serves, and waits until it is announced. */
async function announced(room: Room, host: Host, ...args: string[]) {
  const server = await room.serve(host, { args: ["-v", ...args] });
  const [, name] = await server.running.output(
    /^Announced as "(.*)\._0install-store\._tcp\.local"/m,
  );
  return { server, name: name! };
}

/** Waits until something is so: news of the network takes its time. */
async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  assert.fail(`it never came true: ${what}`);
}

forEachProgram(
  "a client that does what that of .NET does finds the store within 2 s and gets an archive",
  { hosts: 2, ipv6: true },
  async (room, one, two) => {
    const wanted = await addImplementation(room.machine(one!).store, LINKED);
    const { server, name } = await announced(room, one!);
    await using _server = server;
    const archive = join(room.directory.path, "archive.tar.gz");
    const digests = `sha1new=${"0".repeat(40)},${wanted.digest}`;
    await using client = helper(two!, "dotnet_client.ts", digests, archive);
    const { code, stdout } = await client.ended;
    assert.equal(code, 0, client.report());
    const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines[0], {
      instance: `${name}.${TYPE}.local`,
      port: PORT,
      addresses: [one!.ipv4, one!.ipv6],
    });
    assert.equal(lines.at(-1).queries, 1);
    const unpacked = join(room.directory.path, "unpacked");
    mkdirSync(unpacked);
    await one!.exec("tar", "--extract", "--gzip", "--file", archive, "--directory", unpacked);
    if (!oracleAvailable()) return;
    const { env, store } = room.machine(two!);
    const added = await zeroInstall(env, "store", "add", wanted.digest, unpacked);
    assert.equal(added.code, 0, added.stderr);
    assert.deepEqual(digestsIn(store), [wanted.digest]);
  },
);

forEachProgram(
  "avahi-browse resolves the store, from another host and beside it, until it says goodbye",
  { hosts: 2, ipv6: true },
  async (room, one, two) => {
    await using beside = await avahiOn(room, one!);
    await using other = await avahiOn(room, two!);
    const { server, name } = await announced(room, one!);
    await using _server = server;
    for (const avahi of [other, beside]) {
      const found = await avahi.browse(TYPE);
      assert.deepEqual(found.map(({ family }) => family).sort(), ["IPv4", "IPv6"]);
      for (const { instance, port, address, text } of found) {
        assert.deepEqual([instance, port], [name, PORT]);
        assert.ok([one!.ipv4, one!.ipv6].includes(address), address);
        assert.match(text, /"0share=1"/);
      }
    }
    await server.stop();
    await until(async () => (await other.browse(TYPE)).length === 0, "the store is gone");
    assert.doesNotMatch(beside.log + other.log, /conflict|collision/i);
  },
  "avahi",
);

forEachProgram(
  "a fetch uses a store that knows archives only and was announced with Avahi",
  { hosts: 3, ipv6: true },
  async (room, one, two, three) => {
    const wanted = await addImplementation(room.machine(one!).store, LINKED);
    await using avahi = await avahiOn(room, one!);
    // A fetch takes nothing from the Avahi of its own machine.
    await using beside = await avahiOn(room, three!);
    await using store = helper(
      one!,
      "dotnet_store.ts",
      room.machine(one!).store,
      String(STORE_PORT),
    );
    await store.output(/^ready/m, "stdout");
    await avahi.publish("6d6f1c5c-4f4c-4b9f-8f6c-0d9a6ed5a3aa", TYPE, STORE_PORT);
    await using _other = await room.serve(two!);
    const digests = `${wanted.digest},sha256=${"0".repeat(64)}`;
    await room.assertFetched(three!, await room.find(three!, digests), wanted);
    assert.match(store.stdout, new RegExp(`^HEAD /${digests}\\.tar\\.gz 200$`, "m"));
    assert.match(store.stdout, new RegExp(`^GET /${wanted.digest}\\.tar\\.gz 200$`, "m"));
    assert.equal((await beside.browse(TYPE)).length > 0, true);

    const absent = `sha256new_${"A".repeat(52)}`;
    const missed = await room.fetch(two!, absent);
    room.assertNobody(two!, missed, /no answer from the local network within/);
    assert.match(store.stdout, new RegExp(`^HEAD /${absent}\\.tar\\.gz 404$`, "m"));
    const silent = await room.fetch(two!, wanted.digest, "--no-mdns");
    room.assertNobody(two!, silent, /no answer from the local network within/);
  },
  "avahi",
);

forEachProgram(
  "a store that knows archives only is used over link-local IPv6 addresses alone",
  { hosts: 2, ipv4: false, ipv6: true },
  async (room, one, two) => {
    for (const host of [one!, two!]) {
      await host.exec("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global");
    }
    const wanted = await addImplementation(room.machine(one!).store, LINKED);
    await using avahi = await avahiOn(room, one!);
    await using store = helper(
      one!,
      "dotnet_store.ts",
      room.machine(one!).store,
      String(STORE_PORT),
    );
    await store.output(/^ready/m, "stdout");
    await avahi.publish("link-local", TYPE, STORE_PORT);
    await room.assertFetched(two!, await room.find(two!, wanted.digest), wanted);
  },
  "avahi",
);

forEachProgram(
  "a fetch finds another 0share whose answers to queries do not get through",
  { hosts: 3 },
  async (room, one, two, three) => {
    const wanted = await addImplementation(room.machine(one!).store, LINKED);
    const allow = ["--allow", `${two!.ipv4}/32`];
    const { server } = await announced(room, one!, "--discovery-port", "40405", ...allow);
    await using _server = server;
    // Who may not be served is not answered on this way either.
    const refused = await room.fetch(three!, wanted.digest);
    room.assertNobody(three!, refused, /no answer from the local network/);
    assert.doesNotMatch(server.log, /Refused|HEAD/);
    // Who is only downloading it has not answered for those who have it.
    await using downloading = helper(three!, "downloading_program.ts", wanted.digest);
    await downloading.output(/^ready/m, "stdout");
    await room.assertFetched(two!, await room.find(two!, wanted.digest), wanted);
    assert.match(server.log, /^HEAD \/\S+\.tar\.gz from/m);
    assert.match(server.log, /^GET \S+\/content from/m);
  },
);

forEachProgram(
  "two stores of one name each get a name of their own, and --no-mdns announces nothing",
  { hosts: 2 },
  async (room, one, two) => {
    await using avahi = await avahiOn(room, two!);
    const first = await announced(room, one!);
    await using _first = first.server;
    const second = await announced(room, two!);
    await using _second = second.server;
    assert.equal(second.name, `${first.name} (2)`);
    await using quiet = await room.serve(one!, { port: 0, args: ["-v", "--no-mdns"] });
    await until(
      async () => (await avahi.browse(TYPE)).length === 2,
      "both are found",
    );
    const found = await avahi.browse(TYPE);
    assert.deepEqual(found.map(({ instance }) => instance).sort(), [first.name, second.name]);
    assert.doesNotMatch(quiet.log, /Announced/);
  },
  "avahi",
);

forEachProgram(
  "a store is announced on an interface that comes later, and with its new address",
  { hosts: 2 },
  async (room, one, two) => {
    await using avahi = await avahiOn(room, two!);
    await one!.exec("ip", "addr", "flush", "dev", "eth0");
    await using server = await room.serve(one!, { args: ["-v"] });
    assert.deepEqual(await avahi.browse(TYPE), []);
    await one!.exec("ip", "addr", "add", `${one!.ipv4}/24`, "brd", "+", "dev", "eth0");
    await server.running.output(/^Announced/m);
    const found = await avahi.browse(TYPE);
    assert.deepEqual(found.map(({ address }) => address), [one!.ipv4]);
  },
  "avahi",
);

/** How many connections the liar got, and what a fetch beside an honest store or without one did. */
async function lieTo(room: Room, asker: Host, liar: Host, digest: string, ...lie: string[]) {
  await using lying = helper(liar, "mdns_liar.ts", ...lie);
  await lying.output(/^ready/m, "stdout");
  const result = await room.fetch(asker, digest, "--timeout", "2");
  return { result, connections: lying.stdout.match(/^connection/gm)?.length ?? 0 };
}

forEachProgram(
  "who lies about stores makes nobody connect elsewhere, wait long, or store what is not so",
  { hosts: 4 },
  async (room, one, two, three, four) => {
    const absent = `sha256new_${"A".repeat(52)}`;
    const wanted = await addImplementation(room.machine(one!).store, LINKED);
    await using bystander = helper(three!, "dotnet_store.ts", room.machine(three!).store, "40406");
    await bystander.output(/^ready/m, "stdout");

    const elsewhere = await lieTo(room, two!, four!, absent, "elsewhere", three!.ipv4, "40406");
    room.assertNobody(two!, elsewhere.result, /no answer from the local network/);
    assert.equal(bystander.stdout, "ready\n");

    const many = await lieTo(room, two!, four!, absent, "many");
    room.assertNobody(two!, many.result, /no answer from the local network/);
    assert.ok(many.connections >= 1 && many.connections <= 64, `${many.connections} connections`);

    const stalling = await lieTo(room, two!, four!, absent, "stalling");
    room.assertNobody(two!, stalling.result, /no answer from the local network/);
    assert.equal(stalling.connections, 1);

    for (const lie of ["wrong-id", "garbage"]) {
      const { result, connections } = await lieTo(room, two!, four!, absent, lie);
      room.assertNobody(two!, result, /no answer from the local network/);
      assert.equal(connections, 0, lie);
    }

    for (const store of ["bare", "false"]) {
      const { result, connections } = await lieTo(room, two!, four!, absent, store);
      assert.equal(result.code, 4, result.stderr);
      assert.ok(connections > 0, store);
      assert.deepEqual(digestsIn(room.machine(two!).store), []);
    }

    const { server } = await announced(room, one!);
    await using _server = server;
    for (const lie of ["many", "stalling", "false", "garbage"]) {
      const { result } = await lieTo(room, two!, four!, wanted.digest, lie);
      assert.equal(result.code, 0, result.stderr);
      await removeTree(room.machine(two!).store);
    }
  },
);

forEachProgram(
  "where another program has the port for itself, it is told, and queries are answered all the same",
  { hosts: 2 },
  async (room, one, two) => {
    const wanted = await addImplementation(room.machine(one!).store, LINKED);
    const hold = `Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 5353 });
      console.log("ready"); await new Promise((resolve) => setTimeout(resolve, 60_000));`;
    await using holder = new Running(
      [...one!.prefix, Deno.execPath(), "eval", "--unstable-net", hold],
      { env: room.machine(one!).env },
    );
    await holder.output(/^ready/m, "stdout");
    await using server = await room.serve(one!);
    await server.running.output(/warning: Cannot announce this store on UDP port 5353: .*in use/);
    await room.assertFetched(two!, await room.find(two!, wanted.digest), wanted);
  },
);

forEachProgram(
  "a server that hears garbage over multicast DNS goes on",
  { hosts: 2, ipv6: true },
  async (room, one, two) => {
    const wanted = await addImplementation(room.machine(one!).store, LINKED);
    const { server } = await announced(room, one!);
    await using _server = server;
    await using noise = helper(two!, "mdns_noise.ts");
    assert.equal((await noise.ended).code, 0, noise.report());
    const archive = join(room.directory.path, "archive.tar.gz");
    await using client = helper(two!, "dotnet_client.ts", wanted.digest, archive);
    assert.equal((await client.ended).code, 0, client.report());
    assert.doesNotMatch(server.log, /warning|error/i);
    await server.stop();
  },
);
