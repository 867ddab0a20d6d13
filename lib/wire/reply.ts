import { type Digest, isDigest } from "../manifest/digest.ts";
import { decodeLines, encodeLines } from "./datagram.ts";
import { idOfLine, lineOfId, lineOfNonce, nonceOfLine } from "./identifiers.ts";
import { MAX_DATAGRAM_SIZE } from "./limits.ts";
import { lineOfPort, portOfLine } from "./port.ts";

const TITLE = "0share-reply";

/** All of it is there; some of it is; it is being got from its origin. */
export type OfferState = "have" | "partial" | "pending";

/** What a peer says of one digest. */
export interface Offered {
  readonly digest: Digest;
  readonly state: OfferState;
}

/** What a machine answers to a query. */
export interface Reply {
  /** The TCP port of its HTTP server, at the address that the reply comes from. */
  readonly port: number;
  /** Which server that is: one that is reached on several ways has one id on all of them. */
  readonly id?: string | undefined;
  /** Each digest at most once. */
  readonly offers: readonly Offered[];
  /** That of the query. */
  readonly nonce?: string | undefined;
}

const STATES: ReadonlySet<string> = new Set<OfferState>(["have", "partial", "pending"]);

/** The size of a reply beside its offers, in bytes, at most. */
export const REPLY_OVERHEAD =
  `${TITLE}\nport 65535\nid 0123456789abcdef\nnonce 0123456789abcdef\n`.length;

/** The line that makes an offer, without the newline. */
export function offerLine({ digest, state }: Offered): string {
  return `${state} ${digest}`;
}

/**
 * The datagram that makes these offers. Those that do not fit are left out: a query of ours never
 * asks for more than fits.
 *
 * @throws RangeError for a port that is none, TypeError for a nonce or an id that is none
 */
export function encodeReply(reply: Reply): Uint8Array<ArrayBuffer> {
  const lines = [TITLE, lineOfPort(reply.port)];
  if (reply.id !== undefined) lines.push(lineOfId(reply.id));
  let size = REPLY_OVERHEAD;
  for (const offer of reply.offers) {
    const line = offerLine(offer);
    size += line.length + 1;
    if (size > MAX_DATAGRAM_SIZE) break;
    lines.push(line);
  }
  if (reply.nonce !== undefined) lines.push(lineOfNonce(reply.nonce));
  return encodeLines(lines);
}

/**
 * Reads a datagram, whatever it is. Lines that say nothing known are ignored, and so is what a
 * second line says of the same digest; of several ids or nonces the last one counts.
 *
 * @returns undefined for what is no reply, offers nothing, or does not give exactly one port
 */
export function decodeReply(bytes: Uint8Array): Reply | undefined {
  const lines = decodeLines(TITLE, bytes);
  if (lines === undefined) return undefined;
  const ports: (number | undefined)[] = [];
  const offers = new Map<Digest, OfferState>();
  let id: string | undefined;
  let nonce: string | undefined;
  for (const line of lines) {
    const space = line.indexOf(" ");
    const word = line.slice(0, space);
    const value = line.slice(space + 1);
    if (word === "port") ports.push(portOfLine(line));
    else if (STATES.has(word) && isDigest(value)) {
      if (!offers.has(value)) offers.set(value, word as OfferState);
    } else {
      id = idOfLine(line) ?? id;
      nonce = nonceOfLine(line) ?? nonce;
    }
  }
  const [port] = ports;
  if (port === undefined || ports.length > 1 || offers.size === 0) return undefined;
  return {
    port,
    ...(id === undefined ? {} : { id }),
    offers: [...offers].map(([digest, state]) => ({ digest, state })),
    nonce,
  };
}
