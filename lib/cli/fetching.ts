import { Interrupted, UsageError } from "../errors.ts";
import { type CompressionMode, isCompressionMode } from "../fetch/compression.ts";
import { Discovery } from "../fetch/discovery.ts";
import { DownloadLimit } from "../fetch/download_limit.ts";
import type { FetchEvent } from "../fetch/events.ts";
import { type Fetched, fetchImplementation } from "../fetch/fetch.ts";
import { LocalSearch } from "../fetch/local_search.ts";
import { type NamedPeer, NamedSearch, parseNamedPeer } from "../fetch/named_peer.ts";
import { PeerMemory } from "../fetch/peer_memory.ts";
import type { Search } from "../fetch/search.ts";
import type { Digest } from "../manifest/digest.ts";
import { networkInterfaces } from "../net/interfaces.ts";
import { storeLocations } from "../store/locations.ts";
import { chooseTarget } from "../store/target.ts";
import { PORT } from "../wire/limits.ts";
import type { Context } from "./command.ts";
import { NO_MDNS } from "./fetching_options.ts";
import { integerOption, type Parsed, rateOption, secondsOption } from "./options.ts";
import { ProgressBar } from "./progress.ts";
import { Sharing } from "./sharing.ts";
import { explain, tellFetch, tellSharing } from "./transcript.ts";

/** Implementations that are fetched at once: enough to hide the waiting for answers. */
const AT_ONCE = 4;

/** How implementations are to be fetched, all of one call alike. */
export interface FetchSettings {
  /** Zero Install's own: files are taken from there where they are the same. */
  readonly stores: readonly string[];
  /** Where they may be, and are put: Zero Install's own stores, or the one that was named. */
  readonly targets: readonly string[];
  readonly peers: readonly NamedPeer[];
  readonly discoveryPort: number;
  /** Whether to look for announced stores, too. */
  readonly mdns: boolean;
  /** In milliseconds; undefined for what experience says. */
  readonly wait: number | undefined;
  readonly memory: PeerMemory;
  readonly compress: CompressionMode;
  /** In bytes per second. */
  readonly downloadLimit: number | undefined;
  readonly uploadLimit: number | undefined;
  /** Whether others get what this process is fetching. */
  readonly share: boolean;
  /** Whether to say in the end what came from where. */
  readonly explain: boolean;
}

/**
 * Reads the options of `FETCHING_OPTIONS`.
 *
 * @param options.store the one store to use in place of Zero Install's own
 * @throws UsageError
 */
export function fetchSettings(
  parsed: Parsed,
  { environment }: Context,
  options: { store?: string | undefined } = {},
): FetchSettings {
  const stores = storeLocations(environment);
  const seconds = secondsOption(parsed, "timeout");
  const compress = parsed.get("compress") ?? "auto";
  if (!isCompressionMode(compress)) {
    throw new UsageError(
      `Option "--compress" needs auto, always or never: ${JSON.stringify(compress)}`,
    );
  }
  return {
    stores: [...new Set(stores)],
    targets: options.store === undefined ? stores : [options.store],
    peers: parsed.all("host").map((text) => parseNamedPeer(text, PORT)),
    discoveryPort: integerOption(parsed, "discovery-port", { min: 1, max: 65535 }) ?? PORT,
    mdns: !parsed.has(NO_MDNS),
    wait: seconds === undefined ? undefined : seconds * 1000,
    memory: new PeerMemory(stores[0]),
    compress,
    downloadLimit: rateOption(parsed, "download-limit"),
    uploadLimit: rateOption(parsed, "upload-limit"),
    share: !parsed.has("no-share"),
    explain: parsed.has("explain"),
  };
}

/** What became of one implementation that was wanted. */
export type Outcome =
  | { readonly digests: readonly Digest[]; readonly fetched: Fetched }
  | { readonly digests: readonly Digest[]; readonly error: unknown };

/**
 * Fetches some at a time, and tells of it on the terminal; one that fails does not keep the others
 * back.
 *
 * @param wanted for each implementation the names of its tree, preferred first
 * @param options.onOutcome told of each as soon as it is known
 * @param options.atOnce how many at once
 * @returns what became of each, in the order of `wanted`
 * @throws Interrupted
 */
export async function fetchAll(
  wanted: readonly (readonly Digest[])[],
  settings: FetchSettings,
  { output, environment, names }: Context,
  options: { signal: AbortSignal; onOutcome?: (outcome: Outcome) => void; atOnce?: number },
): Promise<Outcome[]> {
  using bar = new ProgressBar(output);
  names.expect(wanted.flat());
  const { signal, onOutcome } = options;
  const report = (event: FetchEvent) => {
    if (event.kind === "has") settings.memory.saw();
    if (event.kind === "progress") bar.update(event.digest, event);
    tellFetch(output, event);
    if (event.kind === "summary" && settings.explain) explain(output, event);
  };
  const wait = settings.wait ?? settings.memory.wait();
  const search = (digests: readonly Digest[]): Search => {
    if (settings.peers.length > 0) return new NamedSearch(digests, settings.peers, { report });
    const Local = settings.mdns ? LocalSearch : Discovery;
    return new Local(digests, {
      interfaces: networkInterfaces(),
      port: settings.discoveryPort,
      wait,
      report,
    });
  };
  // Who names the machine to ask wants nothing of the others.
  const shares = settings.share && settings.peers.length === 0;
  await using sharing = new Sharing({
    stores: settings.targets,
    digests: wanted.flat(),
    discoveryPort: settings.discoveryPort,
    uploadLimit: settings.uploadLimit,
    onEvent: (event) => tellSharing(output, event),
    onFailure: (reason) => output.detail(`Nothing is shared meanwhile: ${reason}`),
  });
  const { downloadLimit } = settings;
  const limit = downloadLimit === undefined ? undefined : new DownloadLimit(downloadLimit);
  const outcomes: Outcome[] = [];
  let interrupted: Interrupted | undefined;
  const queue = wanted.entries();
  const work = async () => {
    for (const [index, digests] of queue) {
      let outcome: Outcome;
      try {
        const fetched = await fetchImplementation(digests, {
          stores: settings.targets,
          sources: settings.stores,
          chooseTarget: (digest) => chooseTarget(environment, settings.targets, { digest }),
          search,
          share: (digest, search) => {
            if (shares) sharing.share(digest, search);
          },
          compress: settings.compress,
          limit,
          nobody: nobody(settings, wait),
          report,
          signal,
        });
        outcome = { digests, fetched };
      } catch (error) {
        if (error instanceof Interrupted) {
          interrupted = error;
          return;
        }
        outcome = { digests, error };
      }
      outcomes[index] = outcome;
      onOutcome?.(outcome);
    }
  };
  await Promise.all(Array.from({ length: options.atOnce ?? AT_ONCE }, work));
  // Told once, however many were under way.
  if (interrupted !== undefined) throw interrupted;
  return outcomes;
}

/** What to say when nobody has it. */
function nobody({ peers }: FetchSettings, wait: number): { asked: string; hint: string } {
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
