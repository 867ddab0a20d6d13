/** DNS messages, true ones and nearly true ones. */

import fc from "fast-check";
import {
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
  encodeMessage,
  type RecordData,
} from "../../lib/wire/dns_message.ts";
import type { DnsName } from "../../lib/wire/dns_name.ts";
import { addressOfBytes } from "../../lib/wire/ip_bytes.ts";

const label: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom("_0install-store", "_tcp", "local", "a.b", "größe", "back\\slash", "\ufeffx"),
  fc.string({ minLength: 1, maxLength: 15, unit: "binary" }).filter((text) =>
    text.isWellFormed() && text !== ""
  ),
);

export const name: fc.Arbitrary<DnsName> = fc.array(label, { maxLength: 4 });

export const address: fc.Arbitrary<string> = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // With gaps of all lengths.
  fc.array(fc.constantFrom([0, 0], [0, 1], [254, 128]), { minLength: 8, maxLength: 8 })
    .map((groups) => Uint8Array.from(groups.flat())),
).map(addressOfBytes);

const number = fc.integer({ min: 0, max: 0xffff });

const data: fc.Arbitrary<RecordData> = fc.oneof(
  address.map((address): RecordData => ({
    type: address.includes(":") ? "AAAA" : "A",
    address,
  })),
  name.map((target): RecordData => ({ type: "PTR", target })),
  fc.array(fc.string({ maxLength: 20 }), { minLength: 1, maxLength: 3 })
    .map((strings): RecordData => ({ type: "TXT", strings })),
  fc.tuple(number, number, number, name).map(([priority, weight, port, target]): RecordData => ({
    type: "SRV",
    priority,
    weight,
    port,
    target,
  })),
);

const record: fc.Arbitrary<DnsRecord> = fc.record({
  name,
  ttl: fc.integer({ min: 0, max: 0xffffffff }),
  unique: fc.boolean(),
  data,
}, { noNullPrototype: true });

const question: fc.Arbitrary<DnsQuestion> = fc.record({
  name,
  type: fc.constantFrom("A", "AAAA", "PTR", "TXT", "SRV", "ANY"),
  unicast: fc.boolean(),
}, { noNullPrototype: true });

export const message: fc.Arbitrary<DnsMessage> = fc.record({
  id: number,
  response: fc.boolean(),
  truncated: fc.boolean(),
  questions: fc.array(question, { maxLength: 3 }),
  answers: fc.array(record, { maxLength: 4 }),
  authorities: fc.array(record, { maxLength: 3 }),
  additionals: fc.array(record, { maxLength: 4 }),
}, { noNullPrototype: true });

/** The bytes of such messages, of which some were changed on the way: single ones, and long rows. */
export function damaged(messages: fc.Arbitrary<DnsMessage>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.nat(),
    length: fc.oneof(fc.constant(1), fc.nat(255)),
    value: fc.oneof(fc.constant(0xff), fc.nat(255)),
  });
  return fc.tuple(messages, fc.array(change, { maxLength: 5 })).map(([message, changes]) => {
    const bytes = encodeMessage(message);
    for (const { at, length, value } of changes) {
      const start = at % bytes.length;
      bytes.fill(value, start, start + length);
    }
    return bytes;
  });
}
