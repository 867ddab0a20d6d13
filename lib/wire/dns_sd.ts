import {
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
  encodeMessage,
  type RecordData,
} from "./dns_message.ts";
import { type DnsName, keyOfName, labelOf, MAX_LABEL_SIZE, sameName } from "./dns_name.ts";
import { MAX_STORES } from "./limits.ts";

/** What stores of implementations are announced as: the name that Zero Install for .NET looks for. */
export const SERVICE: DnsName = ["_0install-store", "_tcp", "local"];

/** Who asks for this wants to know which kinds of service there are (RFC 6763, section 9). */
const ENUMERATION: DnsName = ["_services", "_dns-sd", "_udp", "local"];

/** What the TXT record says: that this peer answers the routes of `docs/protocol.md`. */
const OWN_ROUTES = "0share=1";

/** And which server it is, as in its answers to queries. */
const ID = /^id=([0-9a-f]{16})$/;

/** How long records may be believed, in seconds (RFC 6762, section 10): those with addresses less. */
const TTL = 4500;
const HOST_TTL = 120;

/** The same for a resolver that hears no later corrections (RFC 6762, section 6.7). */
const LEGACY_TTL = 10;

/** Addresses of one link that are told: more would not fit into one frame. */
const MAX_ADDRESSES = 16;

/** A store as it is announced on one link. */
export interface AnnouncedStore {
  /** A label that people can read. */
  readonly instance: string;
  /** A label that no other machine has. */
  readonly host: string;
  /** The TCP port. */
  readonly port: number;
  /** What it calls itself in answers to queries: 16 lower-case hexadecimal digits. */
  readonly id: string;
  /** Of this machine on this link, without scope. */
  readonly addresses: readonly string[];
}

/** The name of an instance; the second choice and later ones have a number (RFC 6763, appendix D). */
export function instanceLabel(wanted: string, choice: number): string {
  const suffix = choice === 1 ? "" : ` (${choice})`;
  const label = labelOf(wanted.trim(), MAX_LABEL_SIZE - suffix.length) || "0share";
  return label + suffix;
}

/** The full name of an instance. */
export function instanceName(instance: string): DnsName {
  return [instance, ...SERVICE];
}

/** Everything that is said of a store. Pointers to it come first. */
export function recordsOf(store: AnnouncedStore): DnsRecord[] {
  const name = instanceName(store.instance);
  const host = [store.host, "local"];
  const { port } = store;
  return [
    { name: SERVICE, ttl: TTL, unique: false, data: { type: "PTR", target: name } },
    { name: ENUMERATION, ttl: TTL, unique: false, data: { type: "PTR", target: SERVICE } },
    {
      name,
      ttl: HOST_TTL,
      unique: true,
      data: { type: "SRV", priority: 0, weight: 0, port, target: host },
    },
    {
      name,
      ttl: TTL,
      unique: true,
      data: { type: "TXT", strings: ["txtvers=1", OWN_ROUTES, `id=${store.id}`] },
    },
    ...store.addresses.slice(0, MAX_ADDRESSES).map((address): DnsRecord => ({
      name: host,
      ttl: HOST_TTL,
      unique: true,
      data: { type: address.includes(":") ? "AAAA" : "A", address },
    })),
  ];
}

/** Whether a record answers a question. */
export function answers(record: DnsRecord, { name, type }: DnsQuestion): boolean {
  return sameName(record.name, name) && (type === "ANY" || record.data.type === type);
}

/**
 * What is sent along with answers, because whoever asked for them asks for it next (RFC 6763, section
 * 12). Zero Install for .NET does not even ask: it takes port and addresses from here or not at all.
 */
export function additionalsTo(given: readonly DnsRecord[], all: readonly DnsRecord[]): DnsRecord[] {
  const names = new Set<string>();
  const pending = given.flatMap(namesIn);
  for (let name; (name = pending.pop()) !== undefined;) {
    const key = keyOfName(name);
    if (names.has(key)) continue;
    names.add(key);
    pending.push(...all.filter((record) => sameName(record.name, name!)).flatMap(namesIn));
  }
  return all.filter((record) =>
    record.unique && names.has(keyOfName(record.name)) && !given.includes(record)
  );
}

/** The names by which one goes on from a record. */
function namesIn({ name, data }: DnsRecord): DnsName[] {
  if (data.type === "PTR") return sameName(data.target, SERVICE) ? [] : [data.target];
  return data.type === "SRV" ? [data.target] : [name];
}

/** The records for a resolver that knows nothing of multicast (RFC 6762, section 6.7). */
export function forLegacy(records: readonly DnsRecord[]): DnsRecord[] {
  return records.map((record) => ({
    ...record,
    ttl: Math.min(record.ttl, LEGACY_TTL),
    unique: false,
  }));
}

/** A message without anything, to be filled. */
export const EMPTY: DnsMessage = {
  id: 0,
  response: false,
  truncated: false,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
};

/**
 * The question which stores there are; with `instance`, where that one is. The answer repeats the
 * number.
 *
 * @throws RangeError for what is no name; one that was read in a message is always one
 */
export function encodeStoreQuestion(id: number, instance?: DnsName): Uint8Array<ArrayBuffer> {
  const question: DnsQuestion = instance === undefined
    ? { name: SERVICE, type: "PTR", unicast: false }
    : { name: instance, type: "SRV", unicast: false };
  return encodeMessage({ ...EMPTY, id, questions: [question] });
}

/** What a message says of a store. */
export interface FoundStore {
  readonly instance: DnsName;
  /** The TCP port; undefined if the message does not say it. */
  readonly port: number | undefined;
  /** The addresses that the message gives it. */
  readonly addresses: readonly string[];
  /** Which server it is, if it says that it answers the routes of `docs/protocol.md`. */
  readonly id: string | undefined;
}

/** The stores that a message tells of, each once, and not too many. Nothing of it is verified. */
export function storesIn(message: DnsMessage): FoundStore[] {
  if (!message.response) return [];
  const records = [...message.answers, ...message.additionals].filter(({ ttl }) => ttl > 0);
  const byName = Map.groupBy(records, ({ name }) => keyOfName(name));
  return instancesIn(records).map((instance) => {
    const of = <T extends RecordData["type"]>(type: T, name: DnsName) =>
      (byName.get(keyOfName(name)) ?? []).filter(({ data }) => data.type === type)
        .map(({ data }) => data as RecordData & { type: T });
    const [srv] = of("SRV", instance).filter(({ port }) => port > 0);
    const addresses = srv === undefined
      ? []
      : [...of("A", srv.target), ...of("AAAA", srv.target)].map(({ address }) => address);
    const texts = of("TXT", instance).flatMap(({ strings }) => strings);
    const id = texts.map((text) => ID.exec(text)?.[1]).find((id) => id !== undefined);
    return {
      instance,
      port: srv?.port,
      addresses,
      id: texts.includes(OWN_ROUTES) ? id : undefined,
    };
  });
}

function instancesIn(records: readonly DnsRecord[]): DnsName[] {
  const instances = new Map<string, DnsName>();
  for (const { name, data } of records) {
    const instance = data.type === "PTR" && sameName(name, SERVICE)
      ? data.target
      : data.type === "SRV"
      ? name
      : undefined;
    if (instance === undefined || !sameName(instance.slice(1), SERVICE)) continue;
    instances.set(keyOfName(instance), instance);
    if (instances.size === MAX_STORES) break;
  }
  return [...instances.values()];
}
