/** One address of one network interface of this machine. Plain data: it crosses to a worker. */
export interface NetworkInterface {
  readonly name: string;
  /** The interface's number, which IPv6 calls a scope; 0 when it is not known. */
  readonly index: number;
  readonly family: "IPv4" | "IPv6";
  readonly address: string;
  /** Where a datagram reaches everybody on the link; only IPv4, and not on every link. */
  readonly broadcast: string | undefined;
  readonly loopback: boolean;
}

/** What the system says of one address; a part of `Deno.NetworkInterfaceInfo`. */
export type SystemInterface = Pick<
  Deno.NetworkInterfaceInfo,
  "name" | "family" | "address" | "netmask" | "scopeid"
>;

/** This machine's interfaces; none when this process may not ask. Never prompts. */
export function networkInterfaces(): NetworkInterface[] {
  const permission = { name: "sys", kind: "networkInterfaces" } as const;
  if (Deno.permissions.querySync(permission).state !== "granted") return [];
  return fromSystem(Deno.networkInterfaces());
}

/** Completes what the system says: numbers and broadcast addresses. */
export function fromSystem(found: readonly SystemInterface[]): NetworkInterface[] {
  // Only link-local addresses come with the number of their interface.
  const indices = new Map<string, number>();
  for (const { name, scopeid } of found) if (scopeid) indices.set(name, scopeid);
  return found.map(({ name, family, address, netmask }) => ({
    name,
    index: indices.get(name) ?? 0,
    family,
    address,
    broadcast: family === "IPv4" ? broadcastOf(address, netmask) : undefined,
    loopback: isLoopback(address),
  }));
}

/** Whether an address is that of this machine for itself. */
export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

/** Whether an address is valid only together with the interface it belongs to. */
export function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}

/** The address with all host bits set; a link with one or two addresses has none (RFC 3021). */
function broadcastOf(address: string, netmask: string): string | undefined {
  const mask = numberOf(netmask);
  if (mask >= 0xfffffffe) return undefined;
  const broadcast = (numberOf(address) | ~mask) >>> 0;
  return [24, 16, 8, 0].map((shift) => broadcast >>> shift & 255).join(".");
}

function numberOf(address: string): number {
  return address.split(".").reduce((number, byte) => (number << 8 | Number(byte)) >>> 0, 0);
}
