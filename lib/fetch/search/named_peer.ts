import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { NetworkFailed, UsageError } from "../../errors.ts";
import type { Digest } from "../../manifest/digest.ts";
import { Offers, type ReportSearch, type Search } from "./search.ts";

/** A peer that was named by the person at the terminal. */
export interface NamedPeer {
  /** A host name, or an IP address without brackets; a link-local one with its scope. */
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `HOST`, `HOST:PORT`, an IPv6 address, or `[ADDRESS]:PORT`.
 *
 * @throws UsageError
 */
export function parseNamedPeer(text: string, defaultPort: number): NamedPeer {
  if (isAddress(text)) return { host: text, port: defaultPort };
  const [, bracketed, plain, digits] =
    /^(?:\[([^\]]+)\]|([^:[\]\s/]+))(?::(\d{1,5}))?$/.exec(text) ??
      [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (
    host === undefined || (bracketed !== undefined && !isAddress(bracketed)) || port < 1 ||
    port > 65535
  ) {
    throw new UsageError(`Cannot use ${JSON.stringify(text)} as a host`, {
      hint: "give HOST, HOST:PORT, or [IPv6 ADDRESS]:PORT",
    });
  }
  return { host, port };
}

/** Finds the addresses of a host; rejects when it has none. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/**
 * A search among named peers alone: each is said to have every digest, and asking tells. It fails with
 * NetworkFailed when none of them has an address.
 */
export class NamedSearch implements Search {
  readonly offers = new Offers();
  readonly settled: Promise<void>;
  readonly #report: ReportSearch;
  readonly #resolve: Resolve;
  #over = false;

  constructor(
    digests: readonly Digest[],
    peers: readonly NamedPeer[],
    options: { report: ReportSearch; resolve?: Resolve },
  ) {
    this.#report = options.report;
    this.#resolve = options.resolve ?? askSystem;
    this.#report({ kind: "asking", digests, how: "named" });
    // All at once: one name that the system finds no answer for keeps nobody else waiting.
    const finding = peers.map((peer) => this.#find(digests, peer));
    this.settled = Promise.all(finding).then((found) => {
      if (!found.some(Boolean)) throw this.#noAddress(peers);
    });
    this.settled.catch(() => {});
  }

  /** Who names the machine to ask does not ask the network, nor tell it anything. */
  announce(): void {}

  /** The system cannot be told to give a name up, so that nobody waits for it. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    return Promise.resolve();
  }

  /** Returns whether it has any address. */
  async #find(digests: readonly Digest[], { host, port }: NamedPeer): Promise<boolean> {
    const addresses = isAddress(host) ? [host] : await this.#addressesOf(host);
    if (this.#over) return true;
    for (const address of addresses) {
      for (const digest of digests) {
        this.offers.add({ peer: { address, port }, digest, state: "unknown" });
      }
    }
    return addresses.length > 0;
  }

  async #addressesOf(host: string): Promise<readonly string[]> {
    try {
      return await this.#resolve(host);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const problem = `Cannot find the address of ${host}: ${reason}`;
      if (!this.#over) this.#report({ kind: "trouble", reason: problem });
      return [];
    }
  }

  #noAddress(peers: readonly NamedPeer[]): NetworkFailed {
    const hosts = peers.map(({ host }) => host).join(", ");
    return new NetworkFailed(`Cannot ask ${hosts}: no address was found`, {
      hint: "name the machine by its IP address",
    });
  }
}

async function askSystem(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function isAddress(text: string): boolean {
  return isIP(text.replace(/%[\w.-]+$/, "")) !== 0;
}
