import { isUtf8 } from "node:buffer";

/**
 * A name of the DNS as its labels, without the empty one at the end. A label may hold any text: of
 * an instance's name the first label is for people, and may have dots and spaces (RFC 6763, 4.3).
 */
export type DnsName = readonly string[];

/** A label, in bytes (RFC 1035, section 2.3.4). */
export const MAX_LABEL_SIZE = 63;

/** A name with its length bytes, in bytes (RFC 1035, section 2.3.4). */
const MAX_NAME_SIZE = 255;

/**
 * Pointers that one name may go through. Honest encoders need one; without a bound, a datagram full
 * of pointers to pointers costs time with the square of its size.
 */
const MAX_POINTERS = 16;

const POINTER = 0xc0;

/** What a pointer can point to, in bytes from the beginning of the message. */
const MAX_POINTED = 0x3fff;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What two names have in common when they are the same: letter case does not count (RFC 6762, 16). */
export function keyOfName(name: DnsName): string {
  return name.map((label) => lowerCase(label.replace(/[.\\]/g, "\\$&"))).join(".");
}

/** Whether two names are the same. */
export function sameName(one: DnsName, other: DnsName): boolean {
  return one.length === other.length &&
    one.every((label, index) => sameLabel(label, other[index]!));
}

function sameLabel(one: string, other: string): boolean {
  return one === other || (one.length === other.length && lowerCase(one) === lowerCase(other));
}

/** Of ASCII only, as the DNS has it. */
function lowerCase(label: string): string {
  return label.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** The name as people write it, with a backslash before what would look like the end of a label. */
export function formatName(name: DnsName): string {
  return name.map((label) => label.replace(/[.\\]/g, "\\$&")).join(".");
}

/**
 * The beginning of a text that fits into a label, as whole characters; control characters are left
 * out.
 */
export function labelOf(text: string, most: number = MAX_LABEL_SIZE): string {
  let label = "";
  let size = 0;
  for (const character of text.replace(/[\p{Cc}\p{Cs}]/gu, "")) {
    size += encoder.encode(character).length;
    if (size > most) break;
    label += character;
  }
  return label;
}

/** Where in a message which names begin: what comes again is only pointed to. */
export type NamePlaces = Map<string, number>;

/**
 * The bytes of a name.
 *
 * @param at where in the message they will be
 * @param places of the names before it, and then of this one, too; without it nothing is shortened
 * @throws RangeError for what is no name: an empty or too long label, too many labels
 */
export function encodeName(name: DnsName, at = 0, places?: NamePlaces): number[] {
  const bytes: number[] = [];
  const labels = name.map((label) => encoder.encode(label));
  const size = labels.reduce((sum, { length }) => sum + length + 1, 1);
  if (
    size > MAX_NAME_SIZE || labels.some(({ length }) => length === 0 || length > MAX_LABEL_SIZE)
  ) {
    throw new RangeError(`Cannot encode name ${JSON.stringify(formatName(name))}`);
  }
  for (const [index, label] of labels.entries()) {
    if (places !== undefined) {
      // A pointer repeats the exact spelling, so that letter case counts here.
      const rest = JSON.stringify(name.slice(index));
      const place = places.get(rest);
      if (place !== undefined) {
        bytes.push(POINTER | place >> 8, place & 0xff);
        return bytes;
      }
      const here = at + bytes.length;
      if (here <= MAX_POINTED) places.set(rest, here);
    }
    bytes.push(label.length, ...label);
  }
  bytes.push(0);
  return bytes;
}

/**
 * A text of a message.
 *
 * @returns undefined for bytes that are not UTF-8 (RFC 6762, section 16). To put something else in
 * their place would make a text that is not the one that was sent, and may be too long to be sent.
 */
export function decodeText(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? decoder.decode(bytes) : undefined;
}

/**
 * Reads a name in a message.
 *
 * @param at where it begins
 * @param end where what it is in ends: only a pointer leads out of that, and only backwards
 * @returns the name, undefined if it is one of no text, how many labels it has, and where it ends;
 *   undefined if it is none
 */
export function decodeName(
  message: Uint8Array,
  at: number,
  end: number,
): { name: DnsName | undefined; labels: number; end: number } | undefined {
  const labels: (string | undefined)[] = [];
  let after: number | undefined;
  let size = 1;
  let pointers = 0;
  let start = at;
  let most = end;
  for (;;) {
    const length = at < most ? message[at]! : undefined;
    if (length === undefined) return undefined;
    if (length === 0) {
      return { name: ofTexts(labels), labels: labels.length, end: after ?? at + 1 };
    }
    if ((length & POINTER) === POINTER) {
      if (at + 1 >= most || ++pointers > MAX_POINTERS) return undefined;
      after ??= at + 2;
      at = (length & ~POINTER) << 8 | message[at + 1]!;
      // RFC 1035, section 4.1.4: a prior occurrence. So there is no circle.
      if (at >= start) return undefined;
      start = at;
      most = message.length;
      continue;
    }
    if ((length & POINTER) !== 0 || at + 1 + length > most) return undefined;
    size += length + 1;
    if (size > MAX_NAME_SIZE) return undefined;
    labels.push(decodeText(message.subarray(at + 1, at + 1 + length)));
    at += length + 1;
  }
}

function ofTexts(labels: readonly (string | undefined)[]): DnsName | undefined {
  return labels.every((label) => label !== undefined) ? labels : undefined;
}
