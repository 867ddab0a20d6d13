/** What this machine says over multicast DNS, compared with what others say. */

import {
  type Claim,
  claimOf,
  compareClaims,
  type DnsMessage,
  type DnsRecord,
  type RecordData,
  sameData,
} from "../wire/dns_message.ts";
import { type DnsName, keyOfName, sameName } from "../wire/dns_name.ts";

/** What a record says, so that two that say the same have the same. */
export function keyOf({ name, data }: DnsRecord): string {
  return `${keyOfName(name)} ${JSON.stringify(data)}`;
}

/** Whether the asker knows a record, and will for some time (RFC 6762, section 7.1). */
export function isKnown(record: DnsRecord, { answers }: DnsMessage): boolean {
  return answers.some(({ name, ttl, data }) =>
    ttl >= record.ttl / 2 && sameName(name, record.name) && saysTheSame(data, record.data)
  );
}

/** Whether somebody else's record cannot be true beside ours. */
export function contradicts(data: RecordData, own: readonly DnsRecord[]): boolean {
  const ours = own.filter((record) => record.unique && record.data.type === data.type);
  return ours.length > 0 && !ours.some((record) => saysTheSame(record.data, data));
}

/** Names in a record may come in other letter case. */
function saysTheSame(one: RecordData, other: RecordData): boolean {
  if (one.type === "PTR" && other.type === "PTR") return sameName(one.target, other.target);
  if (one.type === "SRV" && other.type === "SRV") {
    return sameName(one.target, other.target) && one.port === other.port;
  }
  // Addresses have one spelling.
  if ("address" in one && "address" in other) return one.address === other.address;
  return sameData(one, other);
}

/** What is said of a name, in the order in which claims are compared. */
export function claimsTo(name: DnsName, records: readonly DnsRecord[]): Claim[] {
  return records.filter((record) => sameName(record.name, name)).map(({ data }) => claimOf(data))
    .sort(compareClaims);
}

/** Whose claim is greater (RFC 6762, section 8.2): positive if ours. Both are in order. */
export function compareAll(ours: readonly Claim[], theirs: readonly Claim[]): number {
  for (const [index, claim] of ours.entries()) {
    const their = theirs[index];
    if (their === undefined) return 1;
    const order = compareClaims(claim, their);
    if (order !== 0) return order;
  }
  return ours.length - theirs.length;
}
