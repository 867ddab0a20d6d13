/** 64 random bits in lower-case hexadecimal, the one spelling of each. */
const ID_LINE = /^id ([0-9a-f]{16})$/;

/** The server that a line of a datagram names; undefined for any other line. */
export function idOfLine(line: string): string | undefined {
  return ID_LINE.exec(line)?.[1];
}

/**
 * The line that names this server.
 *
 * @throws TypeError unless it is 16 lower-case hexadecimal digits
 */
export function lineOfId(id: string): string {
  const line = `id ${id}`;
  if (idOfLine(line) === undefined) {
    throw new TypeError(`Cannot send id: expected 16 hexadecimal digits, found "${id}"`);
  }
  return line;
}

/** 64 random bits, as they are sent: nobody has the same, and nobody can guess them. */
export function randomHex(): string {
  return crypto.getRandomValues(new Uint8Array(8)).toHex();
}
