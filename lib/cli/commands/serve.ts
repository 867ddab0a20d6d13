import { resolve } from "node:path";
import { ShareError, UsageError } from "../../errors.ts";
import { parseDigest } from "../../manifest/digest.ts";
import { networkInterfaces } from "../../net/interfaces.ts";
import { serveConfined } from "../../sandbox/serve.ts";
import { isReadable, pathsOfStore } from "../../sandbox/store_paths.ts";
import type { ServeEvent } from "../../serve/events.ts";
import type { Serving } from "../../serve/server.ts";
import { storeLocations } from "../../store/locations.ts";
import { reasonOf } from "../../store/errors.ts";
import { listImplementations } from "../../store/lookup.ts";
import { PORT } from "../../wire/limits.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit.ts";
import { DISCOVERY_PORT_OPTION, NO_MDNS } from "../fetching_options.ts";
import { onInterrupt } from "../interrupt.ts";
import { integerOption, rateOption, secondsOption } from "../options.ts";
import type { Output } from "../output.ts";
import { tellServe } from "../transcript.ts";

/** How often to look for interfaces that have come or gone, in milliseconds. */
const INTERFACE_CHECK_MS = 10_000;

/** How often to look whether anybody still wants something, in milliseconds. */
const IDLE_CHECK_MS = 500;

/** Since when nobody has wanted anything that is served, as far as its events tell. */
class Use {
  #latest = performance.now();
  /** Transfers that are under way. */
  #sending = 0;

  take({ kind }: ServeEvent): void {
    if (kind === "sending") this.#sending++;
    else if (kind === "sent") this.#sending--;
    else if (kind !== "started" && kind !== "reply" && kind !== "answered") return;
    this.#latest = performance.now();
  }

  /** In seconds. */
  get idleFor(): number {
    return this.#sending > 0 ? 0 : (performance.now() - this.#latest) / 1000;
  }
}

export const serve: Command = {
  name: "serve",
  args: "",
  summary: "Offer the implementations of this machine's stores to the local network",
  options: [
    {
      name: "allow-read",
      value: "DIR",
      many: true,
      help: "serve this store (default: Zero Install's own stores)",
    },
    { name: "port", short: "p", value: "PORT", help: `TCP port, 0 for any (default ${PORT})` },
    DISCOVERY_PORT_OPTION,
    { name: NO_MDNS, help: "do not announce it over multicast DNS, for Zero Install for .NET" },
    {
      name: "allow",
      value: "CIDR",
      many: true,
      help: "answer this network, and no other (default: private and link-local addresses)",
    },
    {
      name: "upload-limit",
      value: "RATE",
      help: "send no more than this in all, in bytes per second: 500k, 2M, 1.5MB/s",
    },
    {
      name: "only",
      value: "DIGEST",
      many: true,
      help: "serve this implementation and no other",
    },
    { name: "idle", value: "SECONDS", help: "end when nobody has wanted anything for so long" },
  ],
  notes: [
    "The process that serves can read the stores and use the network, and nothing else.\n" +
    "It runs until it is interrupted.",
  ],
  eventsAreLog: true,
  async run(parsed, { output, environment, names }) {
    if (parsed.args.length > 0) {
      throw new UsageError(`Command "serve" takes no arguments: ${JSON.stringify(parsed.args[0])}`);
    }
    const named = parsed.all("allow-read").map((directory) => resolve(directory));
    const stores = named.length > 0 ? named : [...new Set(storeLocations(environment))];
    const options = {
      stores: readable(stores, output, named.length > 0),
      port: integerOption(parsed, "port", { min: 0, max: 65535 }) ?? PORT,
      discoveryPort: integerOption(parsed, "discovery-port", { min: 1, max: 65535 }) ?? PORT,
      allow: parsed.all("allow"),
      names: ownNames(),
      interfaces: networkInterfaces(),
      announce: !parsed.has(NO_MDNS),
      uploadLimit: rateOption(parsed, "upload-limit"),
      only: parsed.all("only").length === 0 ? undefined : parsed.all("only").map(parseDigest),
    };
    const idle = secondsOption(parsed, "idle");
    const use = new Use();
    const starting = serveConfined(options, (event) => {
      use.take(event);
      tellServe(output, event);
    });
    // While the serving thread is loading: nothing is given up before this thread comes to rest.
    if (output.tellsPeople) {
      names.keep([...listImplementations(options.stores)].map(({ digest }) => digest));
    }
    const server = await starting;
    await untilInterrupted(server, () => idle !== undefined && use.idleFor > idle);
    return EXIT.done;
  },
};

/** Runs until SIGINT or SIGTERM, or until it is idle; a second signal does not wait for transfers. */
async function untilInterrupted(server: Serving, isIdle: () => boolean): Promise<void> {
  const interrupted = Promise.withResolvers<void>();
  const release = onInterrupt(() => interrupted.resolve());
  const watch = setInterval(() => server.update(networkInterfaces()), INTERFACE_CHECK_MS);
  const looks = setInterval(() => {
    if (isIdle()) interrupted.resolve();
  }, IDLE_CHECK_MS);
  try {
    await Promise.race([interrupted.promise, server.finished]);
  } finally {
    clearInterval(watch);
    clearInterval(looks);
    // From now on the signals have their usual effect again: they end the process at once.
    release();
  }
  await server.stop();
}

/** The stores that this process may read; Deno would ask the person about the others, again and again. */
function readable(stores: readonly string[], output: Output, named: boolean): string[] {
  const permitted = stores.filter((store) => {
    const missing = pathsOfStore(store).find((path) => !isReadable(path));
    if (missing !== undefined) output.warning(notPermitted(store, missing));
    return missing === undefined;
  });
  for (const store of permitted) look(store, output, named);
  if (permitted.length > 0) return permitted;
  throw new ShareError("Cannot serve: this process is not permitted to read any store", {
    hint: "run it as: deno run --allow-net --allow-read=STORE main.ts serve --allow-read STORE",
  });
}

/** Says what is wrong with a store. @throws UsageError when it was named, and cannot become one */
function look(store: string, output: Output, named: boolean): void {
  try {
    Deno.readDirSync(store)[Symbol.iterator]().next();
  } catch (error) {
    // It may appear later.
    const missing = error instanceof Deno.errors.NotFound;
    if (missing && !named) return;
    if (named && error instanceof Deno.errors.NotADirectory) {
      throw new UsageError(`Cannot serve "${store}": it is not a directory`);
    }
    output.warning(
      missing
        ? `The store "${store}" is not there yet`
        : `Cannot read the store "${store}": ${reasonOf(error)}`,
    );
  }
}

function notPermitted(store: string, missing: string): string {
  const reason = missing === store ? "" : `: it is really "${missing}", which may not be read`;
  return `Not permitted to read store "${store}"${reason}`;
}

/** What requests may call this machine; nothing if that may not be known. */
function ownNames(): string[] {
  const permission = { name: "sys", kind: "hostname" } as const;
  return Deno.permissions.querySync(permission).state === "granted" ? [Deno.hostname()] : [];
}
