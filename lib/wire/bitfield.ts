/** The alphabet of base64url (RFC 4648, section 5): a character is six pieces, the first one foremost. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));

/**
 * One bit for each flag, most significant first, filled up with 0 to whole bytes, as base64url
 * without padding.
 *
 * @param flags 0 or 1 a piece
 */
export function encodeBitfield(flags: Uint8Array): string {
  let text = "";
  for (let at = 0, length = lengthOf(flags.length); text.length < length; at += 6) {
    let value = 0;
    for (let bit = 0; bit < 6; bit++) value = value << 1 | (flags[at + bit] ? 1 : 0);
    text += ALPHABET[value];
  }
  return text;
}

/**
 * Reads a bitfield, in the one spelling that it has.
 *
 * @param count how many flags it must have
 * @returns undefined for another length, another character, and bits behind the last flag
 */
export function decodeBitfield(text: string, count: number): Uint8Array<ArrayBuffer> | undefined {
  if (text.length !== lengthOf(count)) return undefined;
  const flags = new Uint8Array(count);
  for (let index = 0; index < text.length; index++) {
    const value = VALUES.get(text[index]!);
    if (value === undefined) return undefined;
    for (let bit = 0; bit < 6; bit++) {
      if ((value >> (5 - bit) & 1) === 0) continue;
      const at = index * 6 + bit;
      if (at >= count) return undefined;
      flags[at] = 1;
    }
  }
  return flags;
}

/** In characters. */
function lengthOf(count: number): number {
  return Math.ceil(Math.ceil(count / 8) * 8 / 6);
}
