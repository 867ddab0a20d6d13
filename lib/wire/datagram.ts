import { MAX_DATAGRAM_SIZE } from "./limits.ts";

/** Every datagram is lines of ASCII; what is not decodes to lines that nobody knows. */
const decoder = new TextDecoder("latin1");
const encoder = new TextEncoder();

/** Lines as they are sent: each ends with a newline. */
export function encodeLines(lines: readonly string[]): Uint8Array<ArrayBuffer> {
  return encoder.encode(lines.map((line) => `${line}\n`).join(""));
}

/**
 * The lines after the first one; undefined when that is not `title`, or when the datagram is larger
 * than any that is sent. The last newline may be missing, as the program of 2008 leaves it out.
 */
export function decodeLines(title: string, bytes: Uint8Array): string[] | undefined {
  if (bytes.length > MAX_DATAGRAM_SIZE) return undefined;
  const [first, ...rest] = decoder.decode(bytes).split("\n");
  return first === title ? rest : undefined;
}
