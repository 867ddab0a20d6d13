import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { UsageError } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import type { Offer } from "./discovery.ts";
import type { ReportFetch } from "./events.ts";

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

/** The addresses of named peers, as if each had said that it has every digest. */
export async function* namedPeers(
  digests: readonly Digest[],
  peers: readonly NamedPeer[],
  options: { report: ReportFetch },
): AsyncGenerator<Offer> {
  options.report({ kind: "asking", digests, how: "named" });
  for (const { host, port } of peers) {
    for (const address of await addressesOf(host, options.report)) {
      for (const digest of digests) yield { peer: { address, port }, digest };
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
