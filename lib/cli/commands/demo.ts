import { Interrupted, ShareError, UsageError } from "../../errors.ts";
import { digestOf } from "../../manifest/digest_of.ts";
import { generateManifest } from "../../manifest/generate.ts";
import { formatManifest } from "../../manifest/manifest.ts";
import { commit, sealUnpacked } from "../../store/commit.ts";
import { openStaging } from "../../store/staging.ts";
import { removeTree } from "../../store/remove.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit.ts";
import { onInterrupt } from "../interrupt.ts";
import type { Output } from "../output.ts";
import { ownCommand } from "../own_command.ts";

/** Where this program's source is, when it runs from source. */
const SOURCE = new URL(".", Deno.mainModule);

export const demo: Command = {
  name: "demo",
  args: "",
  summary: "Show it all on this machine: one store serves, another one fetches",
  options: [],
  notes: [
    "Makes an implementation of files that are at hand, among them this program's own executable,\n" +
    "in a temporary store; serves that; fetches it over UDP and HTTP into a second store; and\n" +
    "verifies it there. Everything is removed afterwards. With --quiet only failures are told.",
  ],
  eventsAreLog: true,
  async run(parsed, { output }) {
    if (parsed.args.length > 0) {
      throw new UsageError(`Command "demo" takes no arguments: ${JSON.stringify(parsed.args[0])}`);
    }
    const controller = new AbortController();
    const { signal } = controller;
    const release = onInterrupt(() => controller.abort(new Interrupted()));
    const root = Deno.makeTempDirSync({ prefix: "0share-demo-" });
    try {
      await demonstrate({ root, output, signal });
    } catch (error) {
      // That a child was ended is what came of it.
      signal.throwIfAborted();
      throw error;
    } finally {
      release();
      removeTree(root);
    }
    return EXIT.done;
  },
};

/** Where it happens, who is told, and what ends it. */
interface Stage {
  readonly root: string;
  readonly output: Output;
  readonly signal: AbortSignal;
}

async function demonstrate(stage: Stage): Promise<void> {
  const { root, output } = stage;
  const { digest, store } = await makeStore(`${root}/machine1`);
  output.info(`machine1 has ${digest} in ${store}`);
  output.event("stored", { machine: "machine1", digest, store });
  const discoveryPort = String(freeUdpPort());

  await using server = start("machine1", stage, [
    ...["serve", "--port", "0", "--discovery-port", discoveryPort, "--no-mdns"],
    ...["--allow-read", store],
  ]);
  await server.said(/listening for requests/);
  const fetching = start("machine2", stage, [
    ...["fetch", digest, "--discovery-port", discoveryPort, "--timeout", "5", "--no-mdns"],
  ]);
  await fetching.done();
  await start("machine2", stage, ["verify", digest]).done();
}

/** The only store of a machine, which has its `environmentOf`. */
function storeOf(machine: string): string {
  return `${machine}/cache/implementations`;
}

/**
 * With this base Zero Install's caches and settings are below it on every system, whatever is set for
 * the person who runs the demo: otherwise a machine might put things into their stores, or read them.
 */
function environmentOf(machine: string): Record<string, string> {
  return { HOME: machine, ZEROINSTALL_PORTABLE_BASE: machine };
}

/** A store with one implementation, made of files that every machine with this program has. */
async function makeStore(machine: string): Promise<{ digest: string; store: string }> {
  const source = `${machine}/source`;
  Deno.mkdirSync(`${source}/bin`, { recursive: true });
  Deno.copyFileSync(Deno.execPath(), `${source}/bin/program`);
  Deno.chmodSync(`${source}/bin/program`, 0o755);
  if (Deno.build.os !== "windows") Deno.symlinkSync("program", `${source}/bin/latest`);
  Deno.writeTextFileSync(`${source}/empty`, "");
  if (!Deno.build.standalone) copySources(new URL("lib/", SOURCE), `${source}/lib`);

  const digest = digestOf("sha256new", formatManifest(await generateManifest("sha256new", source)));
  const store = storeOf(machine);
  await using staging = await openStaging(store, digest);
  for (const { name } of [...Deno.readDirSync(source)]) {
    Deno.renameSync(`${source}/${name}`, `${staging.tree}/${name}`);
  }
  await commit(await sealUnpacked(staging), { kind: "store", store });
  return { digest, store };
}

function copySources(from: URL, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copySources(new URL(`${name}/`, from), `${to}/${name}`);
    else Deno.copyFileSync(new URL(name, from), `${to}/${name}`);
  }
}

function freeUdpPort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  socket.close();
  return (socket.addr as Deno.NetAddr).port;
}

interface Side extends AsyncDisposable {
  /** Waits until it says something like this. */
  said(pattern: RegExp): Promise<void>;
  /** Waits until it ends. @throws ShareError when it fails */
  done(): Promise<void>;
}

/** Starts this program as if on a machine of its own, and shows what it says. */
function start(machine: string, { root, output, signal }: Stage, args: readonly string[]): Side {
  signal.throwIfAborted();
  const command = `0share ${args.join(" ")}`;
  output.info(`${machine} $ ${command}`);
  output.event("command", { machine, command });
  const [executable, ...program] = ownCommand().command;
  const process = new Deno.Command(executable!, {
    args: [...program, ...args],
    env: { ...environmentOf(`${root}/${machine}`), ...quiet() },
    // It is ended as by SIGTERM.
    signal,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const waiting: { pattern: RegExp; resolve: () => void }[] = [];
  const show = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        output.info(`${machine} | ${line}`);
        output.event("line", { machine, line });
        waiting.filter(({ pattern }) => pattern.test(line)).forEach(({ resolve }) => resolve());
      }
    }
  };
  const shown = Promise.all([show(process.stdout), show(process.stderr)]);
  const done = async () => {
    const [{ code }] = await Promise.all([process.status, shown]);
    if (code !== 0) throw new ShareError(`The demo failed: 0share ${args[0]} ended with ${code}`);
  };
  return {
    done,
    said: (pattern) =>
      Promise.race([
        new Promise<void>((resolve) => waiting.push({ pattern, resolve })),
        done(),
      ]),
    async [Symbol.asyncDispose]() {
      try {
        process.kill("SIGINT");
      } catch {
        // It has ended, which may be what went wrong.
      }
      await Promise.all([process.status, shown]);
    },
  };
}

/** The child's cache of compiled modules stays this one's, wherever its home is. */
function quiet(): Record<string, string> {
  const cache = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME") ?? ""}/.cache/deno`;
  return { DENO_DIR: cache, NO_COLOR: "1" };
}
