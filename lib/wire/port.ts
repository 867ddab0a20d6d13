const PORT_LINE = /^port ([1-9]\d{0,4})$/;

/** The TCP port that a line of a datagram gives; undefined for any other line. */
export function portOfLine(line: string): number | undefined {
  const port = Number(PORT_LINE.exec(line)?.[1]);
  return isPort(port) ? port : undefined;
}

/**
 * The line that gives this port.
 *
 * @throws RangeError unless it is a whole number from 1 to 65535
 */
export function lineOfPort(port: number): string {
  if (!isPort(port)) throw new RangeError(`Cannot send port: expected 1 to 65535, found ${port}`);
  return `port ${port}`;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}
