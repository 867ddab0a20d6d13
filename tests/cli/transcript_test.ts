import assert from "node:assert/strict";
import type { Output } from "../../lib/cli/output.ts";
import { explain, tellFetch, tellServe } from "../../lib/cli/transcript.ts";
import type { FetchEvent } from "../../lib/fetch/events.ts";
import type { Digest } from "../../lib/manifest/digest.ts";
import type { ServeEvent } from "../../lib/serve/events.ts";

const DIGEST = `sha1new=${"a".repeat(40)}` as Digest;
const HOSTILE = "\x1b[2J\r\nYes, we have everything\u202e";

/** The lines of the log, without the detail, and the events for programs. */
class FakeOutput {
  readonly lines: string[] = [];
  readonly events: unknown[] = [];
  info = (line: string) => void this.lines.push(line);
  warning = (line: string) => void this.lines.push(`warning: ${line}`);
  detail = (line: string) => void this.lines.push(`detail: ${line}`);
  explanation = (line: string) => void this.lines.push(line);
  event = (name: string, fields: object) => void this.events.push({ event: name, ...fields });
}

function told(serve: readonly ServeEvent[], fetch: readonly FetchEvent[]): FakeOutput {
  const output = new FakeOutput();
  for (const event of serve) tellServe(output as unknown as Output, event);
  for (const event of fetch) tellFetch(output as unknown as Output, event);
  return output;
}

Deno.test("a server speaks as in 2008", () => {
  const { lines } = told([
    { kind: "started", port: 38339, discoveryPort: 38339, stores: ["/store"] },
    { kind: "query", from: "192.168.7.9 port 5", digests: [DIGEST] },
    { kind: "have", digest: DIGEST },
    { kind: "reply", to: "192.168.7.9 port 5" },
    { kind: "get", from: "192.168.7.9", method: "GET", path: `/implementation/${DIGEST}` },
  ], []);
  assert.deepEqual(lines, [
    "0share started and listening for requests on port 38339...",
    'Serving implementations from store "/store"',
    `Request from 192.168.7.9 port 5: ${DIGEST}`,
    `Yes, we have ${DIGEST}`,
    "Sending reply...",
    `GET /implementation/${DIGEST} from 192.168.7.9`,
  ]);
});

Deno.test("a fetch speaks as in 2008", () => {
  const { lines } = told([], [
    { kind: "asking", digests: [DIGEST], how: "broadcast" },
    { kind: "has", peer: "192.168.7.9", digest: DIGEST, state: "have" },
    { kind: "connecting", peer: "192.168.7.9", digest: DIGEST },
    { kind: "caching", digest: DIGEST, store: "/store" },
    { kind: "fetched", digest: DIGEST, path: `/store/${DIGEST}` },
  ]);
  assert.deepEqual(lines, [
    `Broadcasting query for ${DIGEST} on local network...`,
    `192.168.7.9 has ${DIGEST}`,
    `Connecting to 192.168.7.9 to request ${DIGEST}`,
    `Caching new implementation (digest ${DIGEST})`,
    "Success",
  ]);
});

Deno.test("what others say cannot steer the terminal, nor look like a line of the log", () => {
  const { lines } = told([
    { kind: "get", from: "192.168.7.9", method: HOSTILE, path: HOSTILE },
    { kind: "sent", from: "192.168.7.9", digest: DIGEST, bytes: 1, reason: HOSTILE },
    { kind: "damaged", digest: DIGEST, reason: HOSTILE },
    { kind: "trouble", reason: HOSTILE },
  ], [
    { kind: "trouble", reason: HOSTILE },
    {
      kind: "dropped",
      digest: DIGEST,
      peer: "192.168.7.9",
      reason: HOSTILE,
      lied: true,
      passing: false,
    },
  ]);
  assert.equal(lines.length, 6);
  // deno-lint-ignore no-control-regex
  for (const line of lines) assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u202e]/);
});

Deno.test("it is explained who sent what, and what of it was of no use", () => {
  const peer = { seconds: 1, questions: 2, dropped: undefined };
  const output = new FakeOutput();
  explain(output as unknown as Output, {
    kind: "summary",
    digest: DIGEST,
    total: 3000,
    resumed: 0,
    reused: 0,
    seconds: 2,
    peers: [
      { ...peer, peer: "a", bytes: 2000, wire: 1000, wasted: 500 },
      { ...peer, peer: "b", bytes: 1500, wire: 1500, wasted: 100, dropped: "it lied" },
      { ...peer, peer: "c", bytes: 100, wire: 100, wasted: 0 },
    ],
  });
  assert.deepEqual(output.lines, [
    `${DIGEST}: 3.00 kB in 2.00 s`,
    "  2.00 kB from a, 1.00 kB on the wire, 2.00 kB/s, 2 questions",
    "    of that 500 bytes were here already, in pieces that come as a whole, or did not verify",
    "  1.50 kB from b, 1.50 kB/s, 2 questions",
    "    of that 100 bytes were here already or did not verify",
    "    given up: it lied",
    "  100 bytes from c, 100 bytes/s, 2 questions",
  ]);
});

Deno.test("programs are told everything, as it is", () => {
  const { events } = told([{ kind: "trouble", reason: HOSTILE }], [
    { kind: "progress", digest: DIGEST, done: 1, total: 2, peers: 1 },
  ]);
  assert.deepEqual(events, [
    { event: "trouble", reason: HOSTILE },
    { event: "progress", digest: DIGEST, done: 1, total: 2, peers: 1 },
  ]);
});
