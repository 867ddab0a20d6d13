import { type Digest, isDigest } from "../manifest/digest.ts";
import { decodeLines, encodeLines } from "./datagram.ts";
import { idOfLine, lineOfId, lineOfNonce, nonceOfLine } from "./identifiers.ts";
import { MAX_DATAGRAM_SIZE } from "./limits.ts";
import { lineOfPort, portOfLine } from "./port.ts";
import { offerLine, REPLY_OVERHEAD } from "./reply.ts";

const TITLE = "0share";
const CLAIM = "claim";

/** What a machine asks its network: who has any of these? */
export interface Query {
  /** Each on its own: whether two of them name one and the same tree is not said. */
  readonly digests: readonly Digest[];
  /** Where the sender answers over HTTP with what it has of them, if it does. */
  readonly port?: number | undefined;
  /** Whether the sender is going to download them from their origin if it is his turn. */
  readonly claims?: boolean | undefined;
  /** Which server that is: a machine with several addresses asks from each. */
  readonly id?: string | undefined;
  /** 16 lower-case hexadecimal digits that a reply has to repeat; the program of 2008 has none. */
  readonly nonce?: string | undefined;
}

/**
 * The datagrams that ask for these digests, each once: as few as there can be while the reply to
 * each, whatever is offered, still fits in one datagram too. None for no digest.
 *
 * @throws RangeError for a port that is none, TypeError for a nonce or an id that is none
 */
export function encodeQuery(query: Query): Uint8Array<ArrayBuffer>[] {
  const last = [
    ...(query.port === undefined ? [] : [lineOfPort(query.port)]),
    ...(query.id === undefined ? [] : [lineOfId(query.id)]),
    ...(query.claims === true ? [CLAIM] : []),
    ...(query.nonce === undefined ? [] : [lineOfNonce(query.nonce)]),
  ];
  const datagrams: Uint8Array<ArrayBuffer>[] = [];
  let lines: string[] = [];
  let replySize = REPLY_OVERHEAD;
  const flush = () => {
    if (lines.length > 0) datagrams.push(encodeLines([TITLE, ...lines, ...last]));
    lines = [];
    replySize = REPLY_OVERHEAD;
  };
  for (const digest of new Set(query.digests)) {
    const size = offerLine({ digest, state: "partial" }).length + 1;
    if (replySize + size > MAX_DATAGRAM_SIZE) flush();
    lines.push(digest);
    replySize += size;
  }
  flush();
  return datagrams;
}

/**
 * Reads a datagram, whatever it is. Lines that are neither a digest nor a port, an id, a claim or a
 * nonce are ignored, and so are repetitions; of several ports or nonces the last one counts.
 *
 * @returns undefined for what is no query, or asks for nothing
 */
export function decodeQuery(bytes: Uint8Array): Query | undefined {
  const lines = decodeLines(TITLE, bytes);
  if (lines === undefined) return undefined;
  const digests = [...new Set(lines.filter(isDigest))];
  if (digests.length === 0) return undefined;
  const port = lines.map(portOfLine).findLast((port) => port !== undefined);
  const id = lines.map(idOfLine).findLast((id) => id !== undefined);
  return {
    digests,
    ...(port === undefined ? {} : { port }),
    ...(id === undefined ? {} : { id }),
    ...(lines.includes(CLAIM) ? { claims: true } : {}),
    nonce: lines.map(nonceOfLine).findLast((nonce) => nonce !== undefined),
  };
}
