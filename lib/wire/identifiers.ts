/**
 * What tells queries apart, their nonces, and servers, their ids: 64 random bits in lower-case
 * hexadecimal, the one spelling of each. In a datagram each has a line of its own.
 */

/** What a line gives an identifier of. */
type Kind = "nonce" | "id";

const IDENTIFIER = /^[0-9a-f]{16}$/;

/** The nonce that a line of a datagram gives; undefined for any other line. */
export function nonceOfLine(line: string): string | undefined {
  return identifierIn(line, "nonce");
}

/**
 * The line that gives this nonce.
 *
 * @throws TypeError unless it is 16 lower-case hexadecimal digits
 */
export function lineOfNonce(nonce: string): string {
  return lineOf("nonce", nonce);
}

/** The server that a line of a datagram names; undefined for any other line. */
export function idOfLine(line: string): string | undefined {
  return identifierIn(line, "id");
}

/**
 * The line that names this server.
 *
 * @throws TypeError unless it is 16 lower-case hexadecimal digits
 */
export function lineOfId(id: string): string {
  return lineOf("id", id);
}

/** 64 random bits, as they are sent: nobody has the same, and nobody can guess them. */
export function randomHex(): string {
  return crypto.getRandomValues(new Uint8Array(8)).toHex();
}

function identifierIn(line: string, kind: Kind): string | undefined {
  if (!line.startsWith(`${kind} `)) return undefined;
  const identifier = line.slice(kind.length + 1);
  return IDENTIFIER.test(identifier) ? identifier : undefined;
}

function lineOf(kind: Kind, identifier: string): string {
  if (!IDENTIFIER.test(identifier)) {
    throw new TypeError(
      `Cannot send ${kind}: expected 16 hexadecimal digits, found "${identifier}"`,
    );
  }
  return `${kind} ${identifier}`;
}
