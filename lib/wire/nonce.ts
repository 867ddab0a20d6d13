/** 64 random bits in lower-case hexadecimal, the one spelling of each. */
const NONCE_LINE = /^nonce ([0-9a-f]{16})$/;

/** The nonce that a line of a datagram gives; undefined for any other line. */
export function nonceOfLine(line: string): string | undefined {
  return NONCE_LINE.exec(line)?.[1];
}

/**
 * The line that gives this nonce.
 *
 * @throws TypeError unless it is 16 lower-case hexadecimal digits
 */
export function lineOfNonce(nonce: string): string {
  const line = `nonce ${nonce}`;
  if (nonceOfLine(line) === undefined) {
    throw new TypeError(`Cannot send nonce: expected 16 hexadecimal digits, found "${nonce}"`);
  }
  return line;
}
