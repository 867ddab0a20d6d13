import { decodeName, decodeText, type DnsName, encodeName, type NamePlaces } from "./dns_name.ts";
import { addressOfBytes, bytesOfAddress } from "./ip_bytes.ts";
import { MAX_DNS_ENTRIES, MAX_DNS_LABELS, MAX_DNS_MESSAGE_SIZE } from "./limits.ts";

/** The types of records that finding a service takes (RFC 1035, 2782, 3596), by number. */
const TYPES = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33 } as const;

/** A question for all types. */
const ANY = 255;

/** The Internet; the only class there is, apart from a question's for all classes. */
const IN = 1;

/** The highest bit of a class: in a question "answer me alone", in a record "this is all there is". */
const TOP_BIT = 0x8000;

export type RecordType = keyof typeof TYPES;

/** What a record says. Addresses are without scope. */
export type RecordData =
  | { readonly type: "A" | "AAAA"; readonly address: string }
  | { readonly type: "PTR"; readonly target: DnsName }
  | { readonly type: "TXT"; readonly strings: readonly string[] }
  | {
    readonly type: "SRV";
    readonly priority: number;
    readonly weight: number;
    readonly port: number;
    readonly target: DnsName;
  };

export interface DnsRecord {
  readonly name: DnsName;
  /** How long it may be believed, in seconds; 0 takes it back. */
  readonly ttl: number;
  /** Whether it replaces what was said before: its name and type belong to one machine alone. */
  readonly unique: boolean;
  readonly data: RecordData;
}

export interface DnsQuestion {
  readonly name: DnsName;
  readonly type: RecordType | "ANY";
  /** Whether the answer should come to the one who asks, and not to everybody. */
  readonly unicast: boolean;
}

/** A message of multicast DNS (RFC 6762, section 18). */
export interface DnsMessage {
  readonly id: number;
  readonly response: boolean;
  /** More of the records that the sender knows already come in further messages. */
  readonly truncated: boolean;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

const RESPONSE = 0x8000;
const AUTHORITATIVE = 0x0400;
const TRUNCATED = 0x0200;
/** Bits for the kind of message and for errors; a message in which one is set is ignored. */
const UNUSUAL = 0x780f;

const encoder = new TextEncoder();

/**
 * The bytes of a message.
 *
 * @throws RangeError for what is no name, address, number or string of a record
 */
export function encodeMessage(message: DnsMessage): Uint8Array<ArrayBuffer> {
  const { questions, answers, authorities, additionals } = message;
  const flags = (message.response ? RESPONSE | AUTHORITATIVE : 0) |
    (message.truncated ? TRUNCATED : 0);
  const bytes = [
    ...[message.id, flags].flatMap(two),
    ...[questions, answers, authorities, additionals].flatMap(({ length }) => two(length)),
  ];
  const places: NamePlaces = new Map();
  for (const { name, type, unicast } of questions) {
    bytes.push(...encodeName(name, bytes.length, places));
    bytes.push(...two(type === "ANY" ? ANY : TYPES[type]), ...two(unicast ? IN | TOP_BIT : IN));
  }
  for (const { name, ttl, unique, data } of [...answers, ...authorities, ...additionals]) {
    bytes.push(...encodeName(name, bytes.length, places));
    bytes.push(...two(TYPES[data.type]), ...two(unique ? IN | TOP_BIT : IN));
    bytes.push(...two(ttl >>> 16), ...two(ttl & 0xffff));
    const content = encodeData(data, bytes.length + 2, places);
    bytes.push(...two(content.length), ...content);
  }
  return Uint8Array.from(bytes);
}

/**
 * Reads a datagram, whatever it is. Questions and records of other types and classes are left out,
 * and so are those with a name or text that is not UTF-8. What it gives can be encoded.
 *
 * @returns undefined for what is no message, or of no kind that multicast DNS knows, or too much
 */
export function decodeMessage(bytes: Uint8Array): DnsMessage | undefined {
  if (bytes.length < 12 || bytes.length > MAX_DNS_MESSAGE_SIZE) return undefined;
  const reader = new Reader(bytes);
  const [id, flags, ...counts] = Array.from({ length: 6 }, () => reader.two());
  if ((flags! & UNUSUAL) !== 0) return undefined;
  if (counts.reduce((sum, count) => sum + count, 0) > MAX_DNS_ENTRIES) return undefined;
  const read = <T>(count: number, one: () => T | undefined): T[] => {
    const found: T[] = [];
    for (let left = count; left > 0 && !reader.failed; left--) {
      const value = one();
      if (value !== undefined) found.push(value);
    }
    return found;
  };
  const questions = read(counts[0]!, () => reader.question());
  const [answers, authorities, additionals] = counts.slice(1).map((count) =>
    read(count, () => reader.record())
  );
  if (reader.failed) return undefined;
  return {
    id: id!,
    response: (flags! & RESPONSE) !== 0,
    truncated: (flags! & TRUNCATED) !== 0,
    questions,
    answers: answers!,
    authorities: authorities!,
    additionals: additionals!,
  };
}

/** Whether two records say the same, however long it is to be believed. Letter case counts. */
export function sameData(one: RecordData, other: RecordData): boolean {
  return one.type === other.type && compareClaims(claimOf(one), claimOf(other)) === 0;
}

/** What a record says in the form in which it is compared: its type, and its bytes. */
export type Claim = readonly number[];

export function claimOf(data: RecordData): Claim {
  return [TYPES[data.type], ...encodeData(data)];
}

/** The order that decides who may have a name (RFC 6762, section 8.2). */
export function compareClaims(one: Claim, other: Claim): number {
  for (let at = 0; at < Math.min(one.length, other.length); at++) {
    if (one[at] !== other[at]) return one[at]! - other[at]!;
  }
  return one.length - other.length;
}

/** @param places names that may be pointed to; a target of SRV must not be shortened (RFC 2782) */
function encodeData(data: RecordData, at = 0, places?: NamePlaces): number[] {
  switch (data.type) {
    case "A":
    case "AAAA": {
      const bytes = bytesOfAddress(data.address);
      if (bytes?.length !== (data.type === "A" ? 4 : 16)) {
        throw new RangeError(`Cannot encode address ${JSON.stringify(data.address)}`);
      }
      return [...bytes];
    }
    case "PTR":
      return encodeName(data.target, at, places);
    case "TXT":
      // There must be a string, if only an empty one (RFC 6763, section 6.1).
      return (data.strings.length === 0 ? [""] : data.strings).flatMap((text) => {
        const bytes = encoder.encode(text);
        if (bytes.length > 255) throw new RangeError("Cannot encode a text of over 255 bytes");
        return [bytes.length, ...bytes];
      });
    case "SRV":
      return [
        ...[data.priority, data.weight, data.port].flatMap(two),
        ...encodeName(data.target),
      ];
  }
}

function two(number: number): number[] {
  if (!Number.isInteger(number) || number < 0 || number > 0xffff) {
    throw new RangeError(`Cannot encode ${number} in 16 bits`);
  }
  return [number >> 8, number & 0xff];
}

/** Takes a message apart from front to back; after a failure everything it gives is meaningless. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** Of all names so far. */
  #labels = 0;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  two(end = this.#bytes.length): number {
    if (this.#at + 2 > end) return this.#fail(0);
    this.#at += 2;
    return this.#bytes[this.#at - 2]! << 8 | this.#bytes[this.#at - 1]!;
  }

  question(): DnsQuestion | undefined {
    const name = this.#name(this.#bytes.length);
    const number = this.two();
    const ofClass = this.two();
    const type = number === ANY ? "ANY" : typeOf(number);
    const known = [IN, ANY].includes(ofClass & ~TOP_BIT);
    if (this.failed || name === undefined || type === undefined || !known) return undefined;
    return { name, type, unicast: (ofClass & TOP_BIT) !== 0 };
  }

  record(): DnsRecord | undefined {
    const name = this.#name(this.#bytes.length);
    const type = typeOf(this.two());
    const ofClass = this.two();
    const ttl = this.two() * 0x10000 + this.two();
    const length = this.two();
    const end = this.#at + length;
    if (end > this.#bytes.length) return this.#fail(undefined);
    if (this.failed) return undefined;
    if (type === undefined || (ofClass & ~TOP_BIT) !== IN) {
      this.#at = end;
      return undefined;
    }
    const data = this.#data(type, end);
    if (this.failed || this.#at !== end) return this.#fail(undefined);
    if (name === undefined || data === undefined) return undefined;
    return { name, ttl, unique: (ofClass & TOP_BIT) !== 0, data };
  }

  /** What the record says; undefined if a name or text of it is not UTF-8. */
  #data(type: RecordType, end: number): RecordData | undefined {
    switch (type) {
      case "A":
      case "AAAA":
        if (end - this.#at !== (type === "A" ? 4 : 16)) return this.#fail(undefined);
        return { type, address: addressOfBytes(this.#take(end - this.#at)) };
      case "PTR": {
        const target = this.#name(end);
        return target && { type, target };
      }
      case "TXT": {
        const strings = this.#strings(end);
        return strings && { type, strings };
      }
      case "SRV": {
        const [priority, weight, port] = [this.two(end), this.two(end), this.two(end)];
        const target = this.#name(end);
        return target && { type, priority, weight, port, target };
      }
    }
  }

  #strings(end: number): string[] | undefined {
    const strings: (string | undefined)[] = [];
    while (this.#at < end) {
      const length = this.#take(1)[0]!;
      if (this.#at + length > end) return this.#fail(undefined);
      strings.push(decodeText(this.#take(length)));
    }
    return strings.every((text) => text !== undefined) ? strings : undefined;
  }

  #name(end: number): DnsName | undefined {
    const found = decodeName(this.#bytes, this.#at, end);
    if (found === undefined || (this.#labels += found.labels) > MAX_DNS_LABELS) {
      return this.#fail(undefined);
    }
    this.#at = found.end;
    return found.name;
  }

  #take(length: number): Uint8Array {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #fail<T>(value: T): T {
    this.failed = true;
    return value;
  }
}

function typeOf(number: number): RecordType | undefined {
  return (Object.keys(TYPES) as RecordType[]).find((type) => TYPES[type] === number);
}
