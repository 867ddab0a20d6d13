import { BlockList, isIP } from "node:net";
import { UsageError } from "../errors.ts";
import { unmapped } from "../net/inbox.ts";
import { REMEMBERED_ADDRESSES } from "../wire/limits.ts";

/** Loopback, link-local and private addresses (RFC 1122, 1918, 3927, 4193, 4291): the local network. */
const LOCAL_NETWORKS = [
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "::1/128",
  "fe80::/10",
  "fc00::/7",
];

/** This machine itself is always answered: `--allow` is about others. */
const THIS_MACHINE = ["127.0.0.0/8", "::1/128"];

/** Suffixes that nobody can register, so that no page of the web can have such a name (RFC 6762, 8375, …). */
const LOCAL_SUFFIXES = ["local", "lan", "home", "home.arpa", "internal", "localdomain"];

/** Who is answered, over UDP and HTTP alike. */
export interface Access {
  /** Whether this address (IPv4 or IPv6, with or without a scope) is answered at all. */
  admits(address: string): boolean;
  /** Whether an HTTP request with this `Host` header may be answered. */
  admitsHost(host: string | null): boolean;
}

/**
 * Access for the given networks.
 *
 * @param allow networks in CIDR notation or single addresses; none means the local network
 * @param names this machine's names, without suffix
 * @throws UsageError for what is neither a network nor an address
 */
export function accessFor(allow: readonly string[], names: readonly string[]): Access {
  const list = new BlockList();
  for (const network of allow.length === 0 ? LOCAL_NETWORKS : [...THIS_MACHINE, ...allow]) {
    add(list, network);
  }
  // The same few machines, hundreds of times a second.
  const admitted = new Map<string, boolean>();
  const known = new Set(["localhost"]);
  for (const name of names.map((name) => name.toLowerCase())) {
    known.add(name);
    for (const suffix of LOCAL_SUFFIXES) known.add(`${name}.${suffix}`);
  }
  return {
    admits(address) {
      let admits = admitted.get(address);
      if (admits === undefined) {
        const plain = unmapped(address.replace(/%.*$/, ""));
        const family = isIP(plain);
        admits = family !== 0 && list.check(plain, family === 4 ? "ipv4" : "ipv6");
        if (admitted.size >= REMEMBERED_ADDRESSES) admitted.clear();
        admitted.set(address, admits);
      }
      return admits;
    },
    // A page of the web reaches a local server by giving its own name a local address (DNS
    // rebinding); the browser then still sends that name. What sends no Host is no browser.
    admitsHost(host) {
      if (host === null) return true;
      const name = host.replace(/:\d*$/, "").toLowerCase();
      const address = /^\[(.*)\]$/.exec(name)?.[1] ?? name;
      return isIP(address.replace(/%.*$/, "")) !== 0 || known.has(name.replace(/\.$/, ""));
    },
  };
}

function add(list: BlockList, network: string): void {
  const [, address = "", length] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(network) ?? [];
  // A scope is of one machine's interfaces, and so is no part of a network.
  const family = address.includes("%") ? 0 : isIP(address);
  const most = family === 4 ? 32 : 128;
  const bits = length === undefined ? most : Number(length);
  if (family === 0 || bits > most) {
    throw new UsageError(`Cannot allow ${JSON.stringify(network)}: not a network`, {
      hint: "give an address or a network in CIDR notation, like 192.168.7.0/24",
    });
  }
  list.addSubnet(address, bits, family === 4 ? "ipv4" : "ipv6");
}
