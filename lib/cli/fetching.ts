import { Interrupted, UsageError } from "../errors.ts";
import { type CompressionMode, isCompressionMode } from "../fetch/compression.ts";
import type { Fetched } from "../fetch/delivery.ts";
import { DownloadLimit } from "../fetch/download_limit.ts";
import type { FetchEvent } from "../fetch/events.ts";
import { fetchImplementation } from "../fetch/fetch.ts";
import { Discovery } from "../fetch/search/discovery.ts";
import { LocalSearch } from "../fetch/search/local_search.ts";
import { type NamedPeer, NamedSearch, parseNamedPeer } from "../fetch/search/named_peer.ts";
import { PeerMemory } from "../fetch/search/peer_memory.ts";
import type { Search } from "../fetch/search/search.ts";
import type { Digest } from "../manifest/digest.ts";
import { networkInterfaces } from "../net/interfaces.ts";
import type { ServeEvent } from "../serve/events.ts";
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

/** How one round of fetching is done. */
export interface RoundOptions {
  /** Told of each implementation as soon as it is known what became of it. */
  readonly onOutcome?: (outcome: Outcome) => void;
  /** How many at once. */
  readonly atOnce?: number;
  /** Says nothing of a search that finds nothing. */
  readonly quiet?: boolean;
}

/**
 * Fetches some at a time, and tells of it on the terminal; one that fails does not keep the others
 * back.
 *
 * @param wanted for each implementation the names of its tree, preferred first
 * @returns what became of each, in the order of `wanted`
 * @throws Interrupted
 */
export async function fetchAll(
  wanted: readonly (readonly Digest[])[],
  settings: FetchSettings,
  context: Context,
  options: RoundOptions & { readonly signal: AbortSignal },
): Promise<Outcome[]> {
  await using fetching = new Fetching(wanted.flat(), settings, context, options.signal);
  return await fetching.round(wanted, options);
}

/** Fetching implementations, in one or several rounds, and sharing what comes meanwhile. */
export class Fetching implements AsyncDisposable {
  /** Gives to others what is being fetched. */
  readonly sharing: Sharing;
  readonly #settings: FetchSettings;
  readonly #context: Context;
  readonly #signal: AbortSignal;
  readonly #bar: ProgressBar;
  readonly #limit: DownloadLimit | undefined;

  /**
   * @param digests all that may be wanted
   * @param onServe told of what happens at the server that shares
   */
  constructor(
    digests: readonly Digest[],
    settings: FetchSettings,
    context: Context,
    signal: AbortSignal,
    onServe: (event: ServeEvent) => void = () => {},
  ) {
    const { output, names } = context;
    const { downloadLimit } = settings;
    names.expect(digests);
    this.#settings = settings;
    this.#context = context;
    this.#signal = signal;
    this.#bar = new ProgressBar(output);
    this.#limit = downloadLimit === undefined ? undefined : new DownloadLimit(downloadLimit);
    this.sharing = new Sharing({
      stores: settings.targets,
      digests,
      discoveryPort: settings.discoveryPort,
      uploadLimit: settings.uploadLimit,
      onEvent: (event) => {
        tellSharing(output, event);
        onServe(event);
      },
      onFailure: (reason) => output.detail(`Nothing is shared meanwhile: ${reason}`),
    });
  }

  /**
   * Fetches what is wanted, as far as somebody has it.
   *
   * @returns what became of each, in the order of `wanted`
   * @throws Interrupted
   */
  async round(
    wanted: readonly (readonly Digest[])[],
    options: RoundOptions = {},
  ): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    let interrupted: Interrupted | undefined;
    const queue = wanted.entries();
    const work = async () => {
      for (const [index, digests] of queue) {
        let outcome: Outcome;
        try {
          outcome = { digests, fetched: await this.#fetch(digests, options) };
        } catch (error) {
          if (error instanceof Interrupted) {
            interrupted = error;
            return;
          }
          outcome = { digests, error };
        }
        outcomes[index] = outcome;
        options.onOutcome?.(outcome);
      }
    };
    await Promise.all(Array.from({ length: options.atOnce ?? AT_ONCE }, work));
    // Told once, however many were under way.
    if (interrupted !== undefined) throw interrupted;
    return outcomes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bar[Symbol.dispose]();
    await this.sharing[Symbol.asyncDispose]();
  }

  async #fetch(digests: readonly Digest[], options: RoundOptions): Promise<Fetched> {
    const { compress, memory, peers, share, stores, targets } = this.#settings;
    const wait = this.#settings.wait ?? memory.wait();
    const report = (event: FetchEvent) => this.#tell(event, options);
    return await fetchImplementation(digests, {
      stores: targets,
      sources: stores,
      chooseTarget: (digest) => chooseTarget(this.#context.environment, targets, { digest }),
      search: (digests) => this.#search(digests, wait, report),
      share: (digest, search) => {
        // Who names the machine to ask wants nothing of the others.
        if (share && peers.length === 0) this.sharing.share(digest, search);
      },
      keepFrame: (digest, frame) => this.sharing.keep(digest, frame),
      compress,
      limit: this.#limit,
      nobody: nobody(this.#settings, wait),
      report,
      signal: this.#signal,
    });
  }

  #search(
    digests: readonly Digest[],
    wait: number,
    report: (event: FetchEvent) => void,
  ): Search {
    const { discoveryPort, mdns, peers } = this.#settings;
    if (peers.length > 0) return new NamedSearch(digests, peers, { report });
    const Local = mdns ? LocalSearch : Discovery;
    const interfaces = networkInterfaces();
    return new Local(digests, { interfaces, port: discoveryPort, wait, report });
  }

  #tell(event: FetchEvent, { quiet }: RoundOptions): void {
    const { memory, explain: explains } = this.#settings;
    const { output } = this.#context;
    if (event.kind === "has") memory.saw();
    if (event.kind === "progress") this.#bar.update(event.digest, event);
    if (quiet !== true || (event.kind !== "asking" && event.kind !== "trouble")) {
      tellFetch(output, event);
    }
    if (event.kind === "summary" && explains) explain(output, event);
  }
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
      'check that "0share serve" runs on a machine that has it, that its firewall lets UDP and ' +
      `TCP port ${PORT} in, and the firewall here answers from UDP port ${PORT}; name it with ` +
      "-H HOST, or wait longer with --timeout 5",
  };
}
