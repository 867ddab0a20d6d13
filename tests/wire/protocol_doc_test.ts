/** What docs/protocol.md shows is what the codecs do. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { parseDigest } from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import { pathOf } from "../../lib/manifest/entry.ts";
import { contentStream, pieceSize } from "../../lib/manifest/layout.ts";
import { readManifest } from "../../lib/manifest/manifest.ts";
import { GROUP } from "../../lib/net/multicast.ts";
import { formatAvailability, parseAvailability, pieceCount } from "../../lib/wire/availability.ts";
import { decodeBitfield, encodeBitfield } from "../../lib/wire/bitfield.ts";
import type { RecordData } from "../../lib/wire/dns_message.ts";
import { formatName } from "../../lib/wire/dns_name.ts";
import { recordsOf } from "../../lib/wire/dns_sd.ts";
import { ORIGIN_PROGRESS_BYTES, ORIGIN_STALLED_MS } from "../../lib/zeroinstall/activity.ts";
import * as limits from "../../lib/wire/limits.ts";
import { decodeQuery, encodeQuery } from "../../lib/wire/query.ts";
import { formatContentRange, formatUnsatisfiedRange, parseRange } from "../../lib/wire/range.ts";
import { decodeReply, encodeReply } from "../../lib/wire/reply.ts";
import { formatRoute, parseRoute, requestPath, requestQuery } from "../../lib/wire/routes.ts";
import { bytes, text } from "./arbitraries.ts";

const PAGE = await Deno.readTextFile(new URL("../../docs/protocol.md", import.meta.url));

/** The one fenced block of this kind, with its last newline. */
function block(kind: string): string {
  const found = [...PAGE.matchAll(new RegExp(`^\`\`\`${kind}\n([^]*?)^\`\`\`$`, "gm"))];
  assert.equal(found.length, 1, `blocks of kind ${kind}`);
  return found[0]![1]!;
}

function lines(kind: string): string[] {
  return block(kind).trimEnd().split("\n");
}

Deno.test("every example of the protocol's page is checked", () => {
  const kinds = [...PAGE.matchAll(/^```(.+)$/gm)].map((match) => match[1]);
  assert.deepEqual(kinds.sort(), [
    "announcement",
    "availability",
    "bad-routes",
    "bitfields",
    "digest",
    "manifest",
    "not-a-query",
    "query",
    "query-2008",
    "query-claiming",
    "query-downloading",
    "ranges",
    "reply",
    "routes",
    "stream",
    "unknown-routes",
  ]);
});

Deno.test("the manifest has the digest, and the stream that is shown", () => {
  const digest = parseDigest(block("digest").trimEnd());
  const bytesOfManifest = bytes(block("manifest"));
  assert.equal(digestOf("sha256new", bytesOfManifest), digest);
  const stream = contentStream(readManifest(digest, bytesOfManifest));
  const shown = lines("stream").slice(1).map((line) => {
    const [, offset, size, content, paths] = /^(\d+) +(\d+) +(".*") +(\S.*)$/.exec(line)!;
    return { offset: Number(offset), size: Number(size), content: JSON.parse(content!), paths };
  });
  assert.deepEqual(
    [...stream.extents].map(({ offset, size, hash, entries }) => ({
      offset,
      size,
      hash,
      paths: entries.map(pathOf).join(", "),
    })),
    shown.map(({ content, ...rest }) => {
      assert.equal(bytes(content).length, rest.size);
      return { ...rest, hash: createHash("sha256").update(content).digest("hex") };
    }),
  );
  assert.ok(PAGE.includes(`a content stream of ${stream.size} bytes`));
});

Deno.test("the query is read, and written to the byte", () => {
  const query = decodeQuery(bytes(block("query")));
  assert.equal(query?.digests.length, 2);
  assert.deepEqual(encodeQuery(query!).map(text), [block("query")]);
});

Deno.test("the query of a machine that downloads is read, and written to the byte", () => {
  const query = decodeQuery(bytes(block("query-downloading")));
  assert.equal(query?.port, 40_123);
  assert.equal(query?.id?.length, 16);
  assert.deepEqual(encodeQuery(query!).map(text), [block("query-downloading")]);
});

Deno.test("the query of a machine that claims is read, and written to the byte", () => {
  const query = decodeQuery(bytes(block("query-claiming")));
  assert.equal(query?.claims, true);
  assert.deepEqual(encodeQuery(query!).map(text), [block("query-claiming")]);
});

Deno.test("the times of claims are those of the program", () => {
  const page = PAGE.replace(/\s+/g, " ");
  const number = (value: number) => value.toLocaleString("en");
  for (
    const shown of [
      `claimed for ${limits.CLAIM_SETTLES_MS} ms, or for ${
        number(limits.CONTENDED_CLAIM_SETTLES_MS)
      } ms`,
      `repeat its own, ${limits.CLAIM_AGAIN_MS} ms later at most`,
      `count for ${number(limits.CLAIM_FRESH_MS)} ms`,
      `nobody has downloaded for ${limits.TURN_NOT_TAKEN_MS / 1000} seconds`,
      `when ${limits.MAX_TURNS_IN_VAIN} that were downloading`,
      `it has waited ${limits.WAITING_AT_MOST_MS / 1000} seconds`,
      `no progress for ${ORIGIN_STALLED_MS / 1000} seconds (0share: less than ${
        number(ORIGIN_PROGRESS_BYTES)
      } bytes)`,
    ]
  ) assert.ok(page.includes(shown), shown);
  assert.equal(limits.ASK_AGAIN_MS, 500);
});

Deno.test("the bitfields are those of their pieces", () => {
  for (const line of lines("bitfields")) {
    const [pieces, shown] = line.split(/ +/);
    const flags = Uint8Array.from(pieces!, Number);
    assert.equal(encodeBitfield(flags), shown);
    assert.deepEqual(decodeBitfield(shown!, flags.length), flags);
  }
});

Deno.test("what is said of pieces is read, and written to the byte", () => {
  for (const line of lines("availability")) {
    assert.equal(formatAvailability(parseAvailability(line)!), line);
  }
});

Deno.test("the query of 2008 is read, with and without its last newline", () => {
  const query = decodeQuery(bytes(block("query-2008")));
  assert.equal(query?.digests.length, 1);
  assert.equal(query?.nonce, undefined);
  assert.deepEqual(decodeQuery(bytes(block("query-2008").trimEnd())), query);
});

Deno.test("what is shown as no query is none", () => {
  for (const line of lines("not-a-query")) {
    assert.equal(decodeQuery(bytes(JSON.parse(line))), undefined, line);
  }
});

Deno.test("the reply is read, written to the byte, and goes with the query", () => {
  const reply = decodeReply(bytes(block("reply")))!;
  assert.equal(text(encodeReply(reply)), block("reply"));
  const query = decodeQuery(bytes(block("query")))!;
  assert.equal(reply.nonce, query.nonce);
  assert.equal(reply.id?.length, 16);
  assert.deepEqual(reply.offers.map(({ digest }) => digest), query.digests);
});

Deno.test("the routes are read as what they are shown for, and written so", () => {
  for (const line of lines("routes")) {
    const [kind, path] = line.split(/ +/);
    const url = `http://machine${path}`;
    const route = parseRoute(requestPath(url), requestQuery(url))!;
    assert.equal(route.kind, kind);
    assert.equal(formatRoute(route), path);
  }
});

Deno.test("bad routes are bad, and unknown ones unknown", () => {
  for (const path of lines("bad-routes")) assert.equal(parseRoute(path)?.kind, "bad", path);
  for (const path of lines("unknown-routes")) assert.equal(parseRoute(path), undefined, path);
});

Deno.test("the ranges are answered as is shown", () => {
  const size = 30;
  for (const line of lines("ranges")) {
    const [, header, status, shown] = /^(\S+) +(\d+)(?: +(\S.*))?$/.exec(line)!;
    const range = parseRange(header!, size);
    const answer = range === undefined
      ? ["200", undefined]
      : range === "unsatisfiable"
      ? ["416", formatUnsatisfiedRange(size)]
      : ["206", formatContentRange(range.start, range.end, size)];
    assert.deepEqual(answer, [status, shown], line);
  }
});

function formatData(data: RecordData): string {
  switch (data.type) {
    case "PTR":
      return formatName(data.target);
    case "SRV":
      return `${data.priority} ${data.weight} ${data.port} ${formatName(data.target)}`;
    case "TXT":
      return data.strings.join(" ");
    default:
      return data.address;
  }
}

Deno.test("a store is announced with the records that are shown", () => {
  const records = recordsOf({
    instance: "office",
    host: "0share-5f1c0b7a9d3e2c48",
    port: limits.PORT,
    id: "9d2c4a71e05b83f6",
    addresses: ["192.168.7.20", "fd12::20"],
  });
  assert.deepEqual(
    lines("announcement").map((line) => line.split(/ {2,}/)),
    records.map(({ name, ttl, data }) => [
      formatName(name),
      String(ttl),
      data.type,
      formatData(data),
    ]),
  );
  const [first, last] = limits.BROWSE_REPEATS_MS;
  assert.ok(
    PAGE.replace(/\s+/g, " ").includes(`after ${first} and ${last!.toLocaleString("en")} ms`),
  );
  assert.equal(limits.STORE_ANSWER_MS, 1000);
});

Deno.test("the limits are those of the program", () => {
  const rows = [...PAGE.matchAll(/^\| ([^|]+?) +\| ([\d,]+)(?: \([^)]+\))? +\|$/gm)];
  const shown = Object.fromEntries(
    rows.map(([, what, limit]) => [what, Number(limit!.replaceAll(",", ""))]),
  );
  assert.deepEqual(shown, {
    "datagram": limits.MAX_DATAGRAM_SIZE,
    "path of a request, with its query": limits.MAX_PATH_LENGTH,
    "manifest": limits.MAX_MANIFEST_SIZE,
    "extended headers of one entry in an archive": limits.MAX_TAR_RECORD_SIZE,
    "entries of an archive": limits.MAX_UNPACKED_ENTRIES,
    "names of its directories and symlinks": limits.MAX_UNPACKED_NAMES_SIZE,
    "unpacked archive": limits.MAX_UNPACKED_SIZE,
    "transfers that a server has under way": limits.MAX_TRANSFERS,
    "transfers that it has under way to an address": limits.MAX_TRANSFERS_PER_ADDRESS,
    "answers that are not sent in full": limits.MAX_UNSENT,
    "answers that are not sent, to an address": limits.MAX_UNSENT_PER_ADDRESS,
    "answers to queries of an address, a second": limits.QUERIES_PER_SECOND,
    "piece digests that are being computed": limits.MAX_COMPUTATIONS,
    "message of multicast DNS": limits.MAX_DNS_MESSAGE_SIZE,
    "questions and records of such a message": limits.MAX_DNS_ENTRIES,
    "labels of all names of such a message": limits.MAX_DNS_LABELS,
    "stores that one search asks": limits.MAX_STORES,
    "pieces of an implementation": pieceCount(2 ** 40),
    "wait for other pieces, in seconds": limits.MAX_WAIT_SECONDS,
    "requests that wait": limits.MAX_WAITS,
    "requests that wait, of an address": limits.MAX_WAITS_PER_ADDRESS,
    "answer that says which pieces are here": limits.MAX_AVAILABILITY_SIZE,
    "wait for an answer to begin, in seconds": limits.CONNECT_TIMEOUT_MS / 1000,
    "silence within an answer, in seconds": limits.STALL_TIMEOUT_MS / 1000,
    "what comes in 10 seconds of waiting, at least": limits.TRICKLE.bytes,
    "the same of who is in the way of others": limits.TRICKLE.bytesInTheWay,
    "`Retry-After` that is heeded, in seconds": limits.MAX_RETRY_SECONDS,
    "answers 503 in a row before a peer is left": limits.MAX_BUSY_ANSWERS,
    "wait for a reader that takes nothing, seconds": limits.STALLED_READER_MS / 1000,
  });
  assert.equal(limits.TRICKLE.ms, 10_000);
  assert.ok(
    PAGE.replace(/\s+/g, " ").includes(`more than ${limits.LEFT_FOR_OTHERS} times as many`),
  );
  assert.ok(PAGE.includes(`is ${pieceSize(1).toLocaleString("en")} bytes`));
  assert.ok(PAGE.includes(`UDP port ${limits.PORT}`));
  assert.ok(PAGE.includes(`the group \`${GROUP}\``));
  const [first, second, third, last] = limits.QUERY_REPEATS_MS;
  assert.equal(last, 1000);
  assert.ok(PAGE.includes(`after ${first}, ${second}, ${third} and 1,000 ms`));
});
