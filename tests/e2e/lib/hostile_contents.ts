/** What a peer may do wrong when it speaks of manifests and content. */

import { gzipSync } from "node:zlib";

import { type Implementation, noise, streamOf } from "../../serve/implementations.ts";
import { file } from "../../vectors/trees.ts";
import { type Answer, type Answering, busy, content, partial, sized } from "./hostile_peer.ts";

/** Two larger files with small ones around them. */
export const NODES = [
  file("a", noise(2, 1000)),
  file("b", noise(3, 600_000)),
  file("c", noise(4, 100)),
  file("d", noise(5, 500_000)),
  file("e", noise(6, 77)),
];

export interface Case {
  /** What the peer does. */
  readonly name: string;
  readonly answering: (implementation: Implementation) => Answering;
  readonly code: 3 | 4;
  readonly reason: RegExp;
}

/** Good in everything but the answers to one kind of question. */
export function but(
  what: "manifest" | "content",
  answer: (stream: Uint8Array, start: number, end: number) => Answer,
): Case["answering"] {
  return (implementation) => {
    const good = content(implementation);
    const stream = streamOf(implementation);
    return (asked) => {
      if (!asked.path.endsWith(`/${what}`)) return good(asked);
      const { start, end } = asked.range ?? { start: 0, end: stream.length };
      return answer(stream, start, end);
    };
  };
}

async function* endless(): AsyncGenerator<Uint8Array> {
  const part = new TextEncoder().encode(noise(77, 256 * 1024));
  for (;;) yield await Promise.resolve(part);
}

async function* andThenEndless(first: Uint8Array): AsyncGenerator<Uint8Array> {
  yield first;
  yield* endless();
}

function changed(bytes: Uint8Array, at: number): Uint8Array {
  const other = bytes.slice();
  other[at]! ^= 1;
  return other;
}

export function text(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Nothing is said about the length of the body. */
function unsized(body: Answer["body"], start: number, end: number, size: number): Answer {
  return {
    status: 206,
    headers: [`Content-Range: bytes ${start}-${end - 1}/${size}`],
    body: body!,
  };
}

export const CASES: readonly Case[] = [
  {
    name: "sends a manifest that does not hash to the digest",
    answering: but("manifest", () => sized(text(`F ${"0".repeat(64)} 1 1 a\n`))),
    code: 4,
    reason: /^Manifest does not match its digest: expected sha256new_\w+, found sha256new_\w+/,
  },
  {
    name: "sends a manifest without end",
    answering: but("manifest", () => ({ body: endless() })),
    code: 4,
    reason: /^a manifest of over 268435456 bytes/,
  },
  {
    name: "says that its manifest has more bytes than it sends",
    answering: but(
      "manifest",
      () => ({ headers: ["Content-Length: 200000000000"], body: text("F") }),
    ),
    code: 3,
    reason: /./,
  },
  {
    // Some versions of Deno undo what nobody asked for, others do not: it must not matter.
    name: "compresses a manifest that is wrong",
    answering: but("manifest", () => sized(gzipSync("F no\n"), "Content-Encoding: gzip")),
    code: 4,
    reason: /^Manifest does not match its digest/,
  },
  {
    name: "sends a manifest with headers without end",
    answering: but("manifest", () => ({ status: 0, body: endlessHeaders() })),
    code: 3,
    reason: /./,
  },
  {
    name: "answers with something else than HTTP",
    answering: () => () => ({ status: 0, body: text("220 mail.example ESMTP\r\n") }),
    code: 3,
    reason: /./,
  },
  {
    name: "accepts the connection and says nothing",
    answering: () => () => ({ status: 0, end: "stall" }),
    code: 3,
    reason: /^it sent nothing for 5 seconds/,
  },
  {
    name: "breaks the connection off at once",
    answering: () => () => ({ status: 0, end: "reset" }),
    code: 3,
    reason: /./,
  },
  {
    name: "has one bit wrong",
    answering: but(
      "content",
      (stream, start, end) =>
        partial(changed(stream, 700_000).slice(start, end), start, stream.length),
    ),
    code: 4,
    reason: /^wrong bytes for "d": expected [0-9a-f]{64}, found [0-9a-f]{64}/,
  },
  {
    name: "sends the bytes of another implementation",
    answering: but(
      "content",
      (stream, start, end) => partial(text(noise(55, end - start)), start, stream.length),
    ),
    code: 4,
    reason: /^wrong bytes for "a"/,
  },
  {
    name: "sends fewer bytes than it says",
    answering: but("content", (stream, start, end) => ({
      ...partial(stream.slice(start, end), start, stream.length),
      body: stream.slice(start, end - 10),
    })),
    code: 3,
    reason: /./,
  },
  {
    name: "ends early without having said how long its answer is",
    answering: but(
      "content",
      (stream, start, end) => unsized(stream.slice(start, end - 10), start, end, stream.length),
    ),
    code: 3,
    reason: /^its answer ended 10 bytes early/,
  },
  {
    name: "sends more bytes than were asked for",
    answering: but(
      "content",
      (stream, start, end) =>
        unsized(andThen(stream.slice(start, end), text("more")), start, end, stream.length),
    ),
    code: 4,
    reason: /^more bytes than were asked for/,
  },
  {
    name: "never stops sending after all is sent",
    answering: but(
      "content",
      (stream, start, end) =>
        unsized(andThenEndless(stream.slice(start, end)), start, end, stream.length),
    ),
    code: 4,
    reason: /^more bytes than were asked for/,
  },
  {
    name: "sends wrong bytes without end",
    answering: but(
      "content",
      (stream, start, end) => unsized(endless(), start, end, stream.length),
    ),
    code: 4,
    reason: /^wrong bytes for "a"/,
  },
  {
    // Whoever gets on between his failures, if slowly, is not given up.
    name: "stalls in the middle",
    answering: but("content", (stream, start, end) => ({
      ...partial(stream.slice(start, end), start, stream.length),
      body: stream.slice(start, Math.min(end, 300_000)),
      end: "stall",
    })),
    code: 3,
    reason: /^it sent nothing for 2 seconds/,
  },
  {
    name: "breaks off in the middle",
    answering: but("content", (stream, start, end) => ({
      ...partial(stream.slice(start, end), start, stream.length),
      body: stream.slice(start, Math.min(end, 300_000)),
      end: "reset",
    })),
    code: 3,
    reason: /./,
  },
  {
    name: "sends another range than was asked for",
    answering: but(
      "content",
      (stream, start, end) => partial(stream.slice(start, end - 1), start, stream.length),
    ),
    code: 4,
    reason: /^another range than was asked for: "bytes 0-/,
  },
  {
    name: "sends a range of something that has another size",
    answering: but(
      "content",
      (stream, start, end) => partial(stream.slice(start, end), start, stream.length + 1),
    ),
    code: 4,
    reason: /^another range than was asked for/,
  },
  {
    name: "sends a range and does not say which",
    answering: but("content", (stream) => ({ status: 206, ...sized(stream) })),
    code: 4,
    reason: /^another range than was asked for: null/,
  },
  {
    name: "compresses content that is wrong",
    answering: but("content", (stream, start, end) => {
      const range = `Content-Range: bytes ${start}-${end - 1}/${stream.length}`;
      const body = gzipSync(changed(stream, 0).slice(start, end));
      return { status: 206, ...sized(body, range, "Content-Encoding: gzip") };
    }),
    code: 4,
    reason: /^wrong bytes for "a"/,
  },
  ...[500, 204, 416].map((status): Case => ({
    name: `answers ${status}`,
    answering: but("content", () => ({ status, headers: ["Content-Length: 0"] })),
    code: 3,
    reason: new RegExp(`^it answered ${status} `),
  })),
  {
    name: "never has a place",
    answering: but("content", () => busy(0.05)),
    code: 3,
    reason: /^it had no place more than 30 times in a row/,
  },
];

async function* endlessHeaders(): AsyncGenerator<Uint8Array> {
  yield text("HTTP/1.1 200 OK\r\n");
  for (let number = 0;; number++) {
    yield await Promise.resolve(text(`X-${number}: ${noise(1, 999)}\r\n`));
  }
}

async function* andThen(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(part);
}
