import { resolve } from "node:path";
import { Interrupted, UsageError } from "../../errors.ts";
import type { Offer } from "../../fetch/discovery.ts";
import { type NamedPeer, namedPeers, parseNamedPeer } from "../../fetch/named_peer.ts";
import type { FetchEvent } from "../../fetch/events.ts";
import { fetchImplementation } from "../../fetch/fetch.ts";
import { type Digest, parseDigestList } from "../../manifest/digest.ts";
import { PeerMemory } from "../../fetch/peer_memory.ts";
import { search } from "../../fetch/search.ts";
import { networkInterfaces } from "../../net/interfaces.ts";
import { storeLocations } from "../../store/locations.ts";
import { chooseTarget } from "../../store/target.ts";
import { PORT } from "../../wire/limits.ts";
import type { Command, Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { onInterrupt } from "../interrupt.ts";
import { integerOption, type Parsed, secondsOption } from "../options.ts";
import { ProgressBar } from "../progress.ts";
import { tellFetch } from "../transcript.ts";
import { tellError } from "../tell_error.ts";
import { DISCOVERY_PORT_OPTION, NO_MDNS } from "./serve.ts";

/** Implementations that are fetched at once: enough to hide the waiting for answers. */
const AT_ONCE = 4;

export const fetch: Command = {
  name: "fetch",
  args: "DIGEST…",
  summary: "Get implementations from other machines of the local network",
  options: [
    {
      name: "host",
      short: "H",
      value: "HOST[:PORT]",
      many: true,
      help: "ask this machine, and do not ask the network",
    },
    { name: "store", value: "DIR", help: "put them into this store (default: as 0install does)" },
    {
      name: "timeout",
      value: "SECONDS",
      help: "how long to wait for a first answer (default 0.25, or 2 where peers were seen lately)",
    },
    DISCOVERY_PORT_OPTION,
    { name: NO_MDNS, help: "do not look for stores of Zero Install for .NET over multicast DNS" },
    { name: "fetch", short: "f", value: "DIGEST", many: true, hidden: true, help: "as in 2008" },
  ],
  notes: [
    "DIGEST is the name of a directory in a store, such as sha256new_ABC… or sha1new=84e3…;\n" +
    "several names of the same tree may be joined with commas. The path of each implementation\n" +
    "is printed on standard output.",
  ],
  async run(parsed, context) {
    const wanted = [...parsed.all("fetch"), ...parsed.args].map(parseDigestList);
    if (wanted.length === 0) {
      throw new UsageError('Command "fetch" needs a digest: none was given', {
        hint: "0share list, on a machine that has it, shows the digests",
      });
    }
    const controller = new AbortController();
    const release = onInterrupt(() => controller.abort(new Interrupted()));
    using bar = new ProgressBar(context.output);
    try {
      const settings = settingsOf(parsed, context);
      return await fetchAll(wanted, settings, context, bar, controller.signal);
    } finally {
      release();
    }
  },
};

/** How one `fetch` is to be done, for all of its implementations alike. */
interface Settings {
  /** Zero Install's own: files are taken from there where they are the same. */
  readonly stores: readonly string[];
  /** Where they may be, and are put: Zero Install's own stores, or the one that was named. */
  readonly targets: readonly string[];
  readonly peers: readonly NamedPeer[];
  readonly discoveryPort: number;
  readonly mdns: boolean;
  /** In milliseconds; undefined for what experience says. */
  readonly wait: number | undefined;
  readonly memory: PeerMemory;
}

function settingsOf(parsed: Parsed, { environment }: Context): Settings {
  const stores = storeLocations(environment);
  const named = parsed.get("store");
  const targets = named === undefined ? stores : [resolve(named)];
  const seconds = secondsOption(parsed, "timeout");
  return {
    stores: [...new Set(stores)],
    targets,
    peers: parsed.all("host").map((text) => parseNamedPeer(text, PORT)),
    discoveryPort: integerOption(parsed, "discovery-port", { min: 1, max: 65535 }) ?? PORT,
    mdns: !parsed.has(NO_MDNS),
    wait: seconds === undefined ? undefined : seconds * 1000,
    memory: new PeerMemory(stores[0]),
  };
}

/** Fetches some at a time; one that fails does not keep the others back. */
async function fetchAll(
  wanted: readonly Digest[][],
  settings: Settings,
  context: Context,
  bar: ProgressBar,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { output, environment } = context;
  const report = (event: FetchEvent) => {
    if (event.kind === "has") settings.memory.saw();
    if (event.kind === "progress") bar.update(event.digest, event);
    tellFetch(output, event);
  };
  const wait = settings.wait ?? settings.memory.wait();
  const offers = (digests: readonly Digest[]): AsyncIterable<Offer> =>
    settings.peers.length > 0 ? namedPeers(digests, settings.peers, { report }) : search(digests, {
      interfaces: networkInterfaces(),
      port: settings.discoveryPort,
      mdns: settings.mdns,
      wait,
      report,
      signal,
    });
  let worst: ExitCode = EXIT.done;
  let interrupted: Interrupted | undefined;
  const queue = wanted.values();
  const work = async () => {
    for (const digests of queue) {
      try {
        const { path } = await fetchImplementation(digests, {
          stores: settings.targets,
          sources: settings.stores,
          chooseTarget: (digest) => chooseTarget(environment, settings.targets, { digest }),
          offers,
          nobody: nobody(settings, wait),
          report,
          signal,
        });
        if (!output.json) output.result(path);
      } catch (error) {
        if (error instanceof Interrupted) {
          interrupted = error;
          return;
        }
        worst = Math.max(worst, tellError(output, error)) as ExitCode;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  // Told once, however many were under way.
  if (interrupted !== undefined) throw interrupted;
  return worst;
}

/** What to say when nobody has it. */
function nobody({ peers }: Settings, wait: number): { asked: string; hint: string } {
  if (peers.length > 0) {
    return {
      asked: `it is not on ${peers.map(({ host }) => host).join(", ")}`,
      hint: 'see what a machine has with "0share list" there',
    };
  }
  return {
    asked: `no answer from the local network within ${wait / 1000} seconds`,
    hint:
      'check that "0share serve" runs on a machine that has it and that its firewall lets UDP ' +
      `and TCP port ${PORT} in; name it with -H HOST, or wait longer with --timeout 5`,
  };
}
