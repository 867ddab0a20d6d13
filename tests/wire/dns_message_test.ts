import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import dnsPacket from "dns-packet";
import fc from "fast-check";
import {
  claimOf,
  compareClaims,
  decodeMessage,
  type DnsMessage,
  encodeMessage,
  type RecordData,
} from "../../lib/wire/dns_message.ts";
import { MAX_DNS_ENTRIES, MAX_DNS_LABELS } from "../../lib/wire/limits.ts";
import { damaged, message, name } from "./dns_arbitraries.ts";

const EMPTY: DnsMessage = {
  id: 0,
  response: false,
  truncated: false,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
};

const HEADER = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];

/** A response with one record of the root. */
function record(type: number, content: readonly number[], length = content.length): Uint8Array {
  return Uint8Array.from([...HEADER, 0, 0, type, 0, 1, 0, 0, 0, 9, 0, length, ...content]);
}

Deno.test("a message is read as it was written", () => {
  fc.assert(fc.property(message, (message) => {
    assert.deepEqual(decodeMessage(encodeMessage(message)), message);
  }));
});

Deno.test("another program reads the same in it", () => {
  fc.assert(fc.property(message, (message) => {
    const read = dnsPacket.decode(Buffer.from(encodeMessage(message)));
    assert.deepEqual(read.answers?.length, message.answers.length);
    const said = (read.answers ?? []) as { type: string; ttl?: number; data: unknown }[];
    for (const [index, { data, ttl }] of message.answers.entries()) {
      const { type, ttl: readTtl, data: value } = said[index]!;
      assert.deepEqual([type, readTtl], [data.type, ttl]);
      if (data.type === "SRV") assert.equal((value as { port: number }).port, data.port);
      if (data.type === "PTR") assert.equal(value, data.target.join(".") || ".");
      if (data.type === "A") assert.equal(value, data.address);
    }
  }));
});

Deno.test("what another program writes is read", () => {
  const bytes = dnsPacket.encode({
    type: "response",
    id: 7,
    answers: [{
      type: "PTR",
      name: "_0install-store._tcp.local",
      data: "x._0install-store._tcp.local",
    }],
    additionals: [
      {
        type: "SRV",
        name: "x._0install-store._tcp.local",
        data: { port: 80, target: "h.local", priority: 1, weight: 2 },
      },
      { type: "TXT", name: "x._0install-store._tcp.local", data: ["a=b"] },
      { type: "AAAA", name: "h.local", data: "fe80::1" },
      { type: "HINFO", name: "h.local", data: { cpu: "a", os: "b" } },
      { type: "A", name: "h.local", data: "10.0.0.1" },
    ],
  });
  const read = decodeMessage(bytes)!;
  assert.deepEqual(read.additionals.map(({ data }) => data), [
    { type: "SRV", priority: 1, weight: 2, port: 80, target: ["h", "local"] },
    { type: "TXT", strings: ["a=b"] },
    { type: "AAAA", address: "fe80::1" },
    { type: "A", address: "10.0.0.1" },
  ]);
});

Deno.test("the bit that asks for a unicast answer is a question's, and not its class", () => {
  for (const unicast of [true, false]) {
    const questions = [{ name: ["x"], type: "PTR" as const, unicast }];
    const bytes = encodeMessage({ ...EMPTY, questions });
    assert.equal(bytes.at(-2), unicast ? 0x80 : 0);
    assert.deepEqual(decodeMessage(bytes)!.questions, questions);
  }
});

Deno.test("other types and classes are left out, and the rest is read", () => {
  const other = [1, 97, 0, 0, 13, 0, 1, 0, 0, 0, 9, 0, 2, 200, 1];
  const address = [0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1];
  const chaos = [0, 0, 1, 0, 3, 0, 0, 0, 9, 0, 4, 10, 0, 0, 2];
  const bytes = Uint8Array.from([
    0,
    0,
    0x84,
    0,
    0,
    0,
    0,
    3,
    0,
    0,
    0,
    0,
    ...other,
    ...chaos,
    ...address,
  ]);
  assert.deepEqual(decodeMessage(bytes)!.answers.map(({ data }) => data), [
    { type: "A", address: "10.0.0.1" },
  ]);
});

Deno.test("what is no message is refused", () => {
  const bad: Record<string, Uint8Array> = {
    "nothing": new Uint8Array(),
    "half a header": Uint8Array.from(HEADER.slice(0, 11)),
    "fewer records than it says": Uint8Array.from(HEADER),
    "an error code": Uint8Array.from([0, 0, 0x84, 3, ...new Uint8Array(8)]),
    "another opcode": Uint8Array.from([0, 0, 0x28, 0, ...new Uint8Array(8)]),
    "a short A": record(1, [10]),
    "a long A": record(1, [10, 0, 0, 1, 0]),
    "a short AAAA": record(28, [10, 0, 0, 1]),
    "a record that is cut off": record(1, [10, 0, 0, 1], 5),
    "a TXT whose string goes on behind it": record(16, [3, 97]),
    "an SRV without target": record(33, [0, 0, 0, 0, 0, 1]),
    "an SRV whose target goes on behind it": record(33, [0, 0, 0, 0, 0, 1, 1, 97, 0], 8),
    "a PTR with more behind its name": record(12, [0, 0]),
    "more than a message may have": new Uint8Array(9001),
  };
  for (const [what, bytes] of Object.entries(bad)) {
    assert.equal(decodeMessage(bytes), undefined, what);
  }
});

Deno.test("what has a name or text that is no UTF-8 is left out, and the rest is read", () => {
  const bad = [2, 0xff, 97, 0];
  const end = [0, 1, 0, 0, 0, 9, 0];
  const records = [
    [...bad, 0, 1, ...end, 4, 10, 0, 0, 2],
    [0, 0, 12, ...end, bad.length, ...bad],
    [0, 0, 16, ...end, 5, 1, 97, 2, 0xff, 97],
    [0, 0, 33, ...end, 6 + bad.length, 0, 0, 0, 0, 0, 1, ...bad],
    [0, 0, 1, ...end, 4, 10, 0, 0, 1],
  ];
  const header = [0, 0, 0x84, 0, 0, 2, 0, records.length, 0, 0, 0, 0];
  const questions = [...bad, 0, 12, 0, 1, 1, 97, 0, 0, 12, 0, 1];
  const read = decodeMessage(Uint8Array.from([...header, ...questions, ...records.flat()]))!;
  assert.deepEqual(read.questions.map(({ name }) => name), [["a"]]);
  assert.deepEqual(read.answers.map(({ data }) => data), [{ type: "A", address: "10.0.0.1" }]);
});

Deno.test("any bytes are a message or none, and what was changed on the way, too", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
    decodeMessage(bytes);
    decodeMessage(Uint8Array.from([...HEADER, ...bytes]));
  }));
  fc.assert(
    fc.property(damaged(message), (bytes) => {
      const read = decodeMessage(bytes);
      for (const { name } of read?.answers ?? []) assert.ok(name.length < 128);
    }),
    { numRuns: 500 },
  );
});

Deno.test("whatever was read can be written, and says the same then", () => {
  fc.assert(
    fc.property(damaged(message), (bytes) => {
      const read = decodeMessage(bytes);
      if (read === undefined) return;
      const again = decodeMessage(encodeMessage(read))!;
      for (const section of ["questions", "answers", "authorities", "additionals"] as const) {
        assert.equal(again[section].length, read[section].length);
      }
      for (const [index, { data }] of read.answers.entries()) {
        assert.deepEqual(claimOf(again.answers[index]!.data), claimOf(data));
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("a message full of pointers is refused where the pointers become too many", () => {
  const bytes = new Uint8Array(9000);
  bytes.set([0, 0, 0x84, 0, 0, 0, 0, 2]);
  // Behind a root, in a record of an unknown type, each pointer points to the one before it.
  bytes.set([0, 0x27, 0x0f, 0, 1, 0, 0, 0, 9, 0x20, 0], 12);
  let last = 23;
  for (let at = 24; at < 23 + 0x2000; at += 2) {
    bytes.set([0xc0 | last >> 8, last & 0xff], at);
    last = at;
  }
  bytes.set([0xc0 | last >> 8, last & 0xff], 23 + 0x2000);
  assert.equal(decodeMessage(bytes), undefined);
});

Deno.test("a message of more questions and records than there may be is refused", () => {
  const of = (questions: number, answers: number) => {
    const question = { name: ["x"], type: "PTR" as const, unicast: false };
    const data = { type: "A" as const, address: "10.0.0.1" };
    const answer = { name: ["x"], ttl: 1, unique: false, data };
    return encodeMessage({
      ...EMPTY,
      questions: Array(questions).fill(question),
      answers: Array(answers).fill(answer),
      additionals: Array(answers).fill(answer),
    });
  };
  for (const [questions, answers] of [[MAX_DNS_ENTRIES, 0], [MAX_DNS_ENTRIES - 20, 10]] as const) {
    assert.equal(decodeMessage(of(questions, answers))?.questions.length, questions);
    assert.equal(decodeMessage(of(questions + 1, answers)), undefined);
  }
  // Those of other types, too.
  const other = Uint8Array.from([...HEADER, ...Array(101).fill([0, 0, 99, 0, 1]).flat()]);
  other.set([101, 0, 0], 5);
  assert.equal(decodeMessage(other), undefined);
});

Deno.test("a message whose names have too many labels is refused, whatever points to them", () => {
  const of = (labels: number, questions: number) => {
    const name = Array.from({ length: labels }, () => "a");
    const question = { name, type: "PTR" as const, unicast: false };
    return encodeMessage({ ...EMPTY, questions: Array(questions).fill(question) });
  };
  assert.equal(decodeMessage(of(100, MAX_DNS_LABELS / 100))?.questions.length, 10);
  assert.equal(decodeMessage(of(100, MAX_DNS_LABELS / 100 + 1)), undefined);
});

Deno.test("who may have a name is decided by type, then content, and equal only is the same", () => {
  const a: RecordData = { type: "A", address: "169.254.99.200" };
  const b: RecordData = { type: "A", address: "169.254.200.50" };
  const compare = (one: RecordData, other: RecordData) =>
    compareClaims(claimOf(one), claimOf(other));
  // The example of RFC 6762, section 8.2.
  assert.ok(compare(a, b) < 0 && compare(b, a) > 0);
  assert.ok(compare(b, { type: "TXT", strings: [] }) < 0);
  fc.assert(fc.property(name, name, (one, other) => {
    const order = compare({ type: "PTR", target: one }, { type: "PTR", target: other });
    assert.equal(order === 0, JSON.stringify(one) === JSON.stringify(other));
  }));
});

Deno.test("what cannot be said is not encoded", () => {
  const data: RecordData[] = [
    { type: "A", address: "fe80::1" },
    { type: "AAAA", address: "10.0.0.1" },
    { type: "TXT", strings: ["x".repeat(256)] },
    { type: "SRV", priority: 0, weight: 0, port: 65536, target: [] },
    { type: "PTR", target: [""] },
  ];
  for (const one of data) {
    const answers = [{ name: ["x"], ttl: 1, unique: false, data: one }];
    assert.throws(() => encodeMessage({ ...EMPTY, answers }), RangeError, JSON.stringify(one));
  }
});
