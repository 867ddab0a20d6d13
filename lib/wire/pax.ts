import { InvalidArchive } from "../errors.ts";

/** The keywords that mean something here; others are passed over. */
export interface PaxRecords {
  path?: string;
  linkpath?: string;
  /** In bytes. */
  size?: number;
  /** In whole seconds, rounded down: a manifest has no more. */
  mtime?: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Records as POSIX wants them (pax, "Extended Header"): `LENGTH KEYWORD=VALUE` and a newline. */
export function encodePax(records: PaxRecords): Uint8Array<ArrayBuffer> {
  let text = "";
  for (const [keyword, value] of Object.entries(records)) {
    const rest = ` ${keyword}=${value}\n`;
    const size = encoder.encode(rest).length;
    // The length counts its own digits too.
    let length = size + String(size).length;
    if (size + String(length).length !== length) length++;
    text += length + rest;
  }
  return encoder.encode(text);
}

/**
 * Reads records in one pass, whatever they hold. An empty value takes back what came before.
 *
 * @throws InvalidArchive when a length, a size or a time is none, or a name is not UTF-8
 */
export function decodePax(bytes: Uint8Array): PaxRecords {
  const records: PaxRecords = {};
  for (let at = 0; at < bytes.length;) {
    // More digits than any length has are not looked at: else many such records would take the
    // square of their size.
    const space = bytes.subarray(at, at + 11).indexOf(0x20);
    const digits = latin1(bytes.subarray(at, at + Math.max(0, space)));
    const end = at + Number(digits);
    const equals = bytes.subarray(at + space, end).indexOf(0x3d);
    if (!/^[1-9]\d*$/.test(digits) || bytes[end - 1] !== 0x0a || equals < 0) {
      throw new InvalidArchive("an extended header is not made of records");
    }
    const keyword = latin1(bytes.subarray(at + space + 1, at + space + equals));
    take(records, keyword, bytes.subarray(at + space + equals + 1, end - 1));
    at = end;
  }
  return records;
}

function take(records: PaxRecords, keyword: string, value: Uint8Array): void {
  switch (keyword) {
    case "path":
    case "linkpath":
      if (value.length === 0) delete records[keyword];
      else records[keyword] = text(value);
      return;
    case "size":
    case "mtime": {
      if (value.length === 0) {
        delete records[keyword];
        return;
      }
      const number = Math.floor(numberOf(value, keyword === "size" ? /^\d+$/ : /^-?\d+(\.\d*)?$/));
      if (!Number.isSafeInteger(number)) {
        throw new InvalidArchive(`the ${keyword} of an extended header is none`);
      }
      records[keyword] = number;
    }
  }
}

function numberOf(value: Uint8Array, form: RegExp): number {
  // No number that can be used has more digits, a time's fraction included.
  if (value.length > 40) return NaN;
  const digits = latin1(value);
  return form.test(digits) ? Number(digits) : NaN;
}

function text(value: Uint8Array): string {
  try {
    return decoder.decode(value);
  } catch (cause) {
    throw new InvalidArchive("a name is not UTF-8", { cause });
  }
}

function latin1(bytes: Uint8Array): string {
  // In parts, for what is spread into arguments has to be short.
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}
