import { InvalidArchive } from "../errors.ts";

/** Archives are made of blocks of this many bytes; contents are padded to whole ones. */
export const BLOCK = 512;

/** The largest number that 11 octal digits hold: a size or time beyond goes into a record. */
export const MAX_OCTAL = 8 ** 11 - 1;

/** What one header block says, with the words of POSIX (pax, "ustar Interchange Format"). */
export interface HeaderBlock {
  readonly name: string;
  readonly mode: number;
  readonly size: number;
  /** In seconds. */
  readonly mtime: number;
  /** One character: "0" is a file, "x" a record for the next entry, … */
  readonly typeflag: string;
  readonly linkname: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The block with these fields, for user and group 0 without names. A name that is too long is cut
 * off: then a record has to come before it. A size too large for octal digits is written in base
 * 256, as GNU tar does, for readers that take no notice of records.
 */
export function encodeHeader(header: HeaderBlock): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  encoder.encodeInto(header.name, block.subarray(0, 100));
  writeOctal(block.subarray(100, 108), header.mode);
  writeOctal(block.subarray(108, 116), 0);
  writeOctal(block.subarray(116, 124), 0);
  if (header.size <= MAX_OCTAL) writeOctal(block.subarray(124, 136), header.size);
  else writeBase256(block.subarray(124, 136), header.size);
  writeOctal(block.subarray(136, 148), header.mtime);
  encoder.encodeInto(header.typeflag, block.subarray(156, 157));
  encoder.encodeInto(header.linkname, block.subarray(157, 257));
  encoder.encodeInto("ustar\x0000", block.subarray(257, 265));
  writeOctal(block.subarray(329, 337), 0);
  writeOctal(block.subarray(337, 345), 0);
  // Six digits, NUL, space: the one field that is not written like the others.
  block[155] = 0x20;
  writeOctal(block.subarray(148, 155), checksumOf(block));
  return block;
}

/**
 * Reads a block of POSIX, GNU or older tar.
 *
 * @throws InvalidArchive when the checksum is wrong or a field cannot be read
 */
export function decodeHeader(block: Uint8Array): HeaderBlock {
  if (readNumber(block.subarray(148, 156)) !== checksumOf(block)) {
    throw new InvalidArchive("the checksum of a header is wrong");
  }
  const name = readText(block.subarray(0, 100));
  // GNU tar writes "ustar" with a space here, and other things where POSIX has the prefix.
  const prefix = readText(block.subarray(257, 263)) === "ustar" && block[262] === 0
    ? readText(block.subarray(345, 500))
    : "";
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: readNumber(block.subarray(100, 108)),
    size: readNumber(block.subarray(124, 136)),
    mtime: readNumber(block.subarray(136, 148)),
    typeflag: String.fromCharCode(block[156]!),
    linkname: readText(block.subarray(157, 257)),
  };
}

/** UTF-8 up to the first NUL. @throws InvalidArchive when it is not UTF-8 */
export function readText(field: Uint8Array): string {
  const end = field.indexOf(0);
  try {
    return decoder.decode(end < 0 ? field : field.subarray(0, end));
  } catch (cause) {
    throw new InvalidArchive("a name is not UTF-8", { cause });
  }
}

/** The sum of all bytes, those of the checksum itself counted as spaces. */
function checksumOf(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < 148; at++) sum += block[at]!;
  for (let at = 156; at < BLOCK; at++) sum += block[at]!;
  return sum;
}

/** Octal digits with zeros in front and NUL at the end. */
function writeOctal(field: Uint8Array, number: number): void {
  encoder.encodeInto(number.toString(8).padStart(field.length - 1, "0"), field);
}

function writeBase256(field: Uint8Array, number: number): void {
  for (let at = field.length - 1, rest = number; at > 0; at--) {
    field[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  field[0] = 0x80;
}

/** Octal digits, or base 256 in two's complement with the first bit set (GNU). */
function readNumber(field: Uint8Array): number {
  const first = field[0]!;
  let number: number;
  if (first === 0x80 || first === 0xff) {
    number = first === 0x80 ? 0 : -1;
    for (const byte of field.subarray(1)) number = number * 256 + byte;
  } else {
    const text = /^ *([0-7]*)(?:[ \0].*)?$/s.exec(String.fromCharCode(...field))?.[1];
    number = text === undefined ? NaN : text === "" ? 0 : parseInt(text, 8);
  }
  if (!Number.isSafeInteger(number)) {
    throw new InvalidArchive("a number of a header cannot be read");
  }
  return number;
}
