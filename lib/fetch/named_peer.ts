import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { UsageError } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import type { ReportFetch } from "./events.ts";
import { Offers, type Search } from "./search.ts";

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

/** A search among named peers alone: each is said to have every digest, and asking tells. */
export class NamedSearch implements Search {
  readonly offers = new Offers();
  readonly settled: Promise<void>;

  constructor(
    digests: readonly Digest[],
    peers: readonly NamedPeer[],
    options: { report: ReportFetch },
  ) {
    options.report({ kind: "asking", digests, how: "named" });
    this.settled = this.#find(digests, peers, options.report);
  }

  /** Who names the machine to ask does not ask the network, nor tell it anything. */
  announce(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settled;
  }

  async #find(
    digests: readonly Digest[],
    peers: readonly NamedPeer[],
    report: ReportFetch,
  ): Promise<void> {
    for (const { host, port } of peers) {
      for (const address of await addressesOf(host, report)) {
        for (const digest of digests) {
          this.offers.add({ peer: { address, port }, digest, state: "unknown" });
        }
      }
    }
  }
}

async function addressesOf(host: string, report: ReportFetch): Promise<string[]> {
  if (isAddress(host)) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    report({ kind: "trouble", reason: `Cannot find the address of ${host}: ${reason}` });
    return [];
  }
}

function isAddress(text: string): boolean {
  return isIP(text.replace(/%[\w.-]+$/, "")) !== 0;
}
