import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeMessage, type DnsRecord, encodeMessage } from "../../lib/wire/dns_message.ts";
import { sameName } from "../../lib/wire/dns_name.ts";
import {
  additionalsTo,
  type AnnouncedStore,
  answers,
  EMPTY,
  encodeStoreQuestion,
  forLegacy,
  instanceLabel,
  instanceName,
  recordsOf,
  SERVICE,
  storesIn,
} from "../../lib/wire/dns_sd.ts";
import { MAX_STORES } from "../../lib/wire/limits.ts";
import { damaged, message } from "./dns_arbitraries.ts";

const STORE: AnnouncedStore = {
  instance: "Büro 1.5",
  host: "0share-0123456789ab",
  port: 38339,
  id: "0123456789abcdef",
  addresses: ["192.168.77.1", "fd77::1"],
};

const ALL = recordsOf(STORE);
const POINTER = ALL[0]!;

function types(records: readonly DnsRecord[]): string[] {
  return records.map(({ data }) => data.type);
}

Deno.test("an answer that points to a store has port and addresses along with it", () => {
  const given = ALL.filter((record) =>
    answers(record, { name: SERVICE, type: "PTR", unicast: false })
  );
  assert.deepEqual(given, [POINTER]);
  assert.deepEqual(types(additionalsTo(given, ALL)), ["SRV", "TXT", "A", "AAAA"]);
});

Deno.test("an answer with the port has the addresses along with it, and one address the others", () => {
  const of = (type: string) => ALL.filter(({ data }) => data.type === type);
  assert.deepEqual(types(additionalsTo(of("SRV"), ALL)), ["A", "AAAA"]);
  assert.deepEqual(types(additionalsTo(of("A"), ALL)), ["AAAA"]);
  assert.deepEqual(types(additionalsTo(ALL, ALL)), []);
});

Deno.test("who asks for all kinds of service is told of this one, without a store", () => {
  const name = ["_services", "_dns-sd", "_udp", "local"];
  const given = ALL.filter((record) => answers(record, { name, type: "PTR", unicast: false }));
  assert.deepEqual(given.map(({ data }) => data), [{ type: "PTR", target: SERVICE }]);
  assert.deepEqual(additionalsTo(given, ALL), []);
});

Deno.test("who asks for a name gets all of its types if he asks for any", () => {
  const question = (type: "ANY" | "TXT" | "A") => ({
    name: ["BüRO 1.5", ...SERVICE],
    type,
    unicast: false,
  });
  const given = (type: "ANY" | "TXT" | "A") =>
    types(ALL.filter((record) => answers(record, question(type))));
  assert.deepEqual(given("ANY"), ["SRV", "TXT"]);
  assert.deepEqual(given("TXT"), ["TXT"]);
  assert.deepEqual(given("A"), []);
});

Deno.test("a resolver without multicast gets records that it soon forgets", () => {
  for (const { ttl, unique } of forLegacy(ALL)) assert.deepEqual([ttl, unique], [10, false]);
});

Deno.test("the instance has the machine's name, a number from the second choice on, and fits", () => {
  assert.equal(instanceLabel("office", 1), "office");
  assert.equal(instanceLabel("office", 2), "office (2)");
  assert.equal(instanceLabel(" \n", 1), "0share");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 100 }), fc.nat(10_000), (name, n) => {
      const label = instanceLabel(name, n + 1);
      assert.ok(new TextEncoder().encode(label).length <= 63 && label.length > 0);
    }),
  );
});

Deno.test("what is announced is found, and once", () => {
  const [pointer, , ...rest] = ALL;
  const response = { ...EMPTY, response: true, answers: [pointer!], additionals: rest };
  const found = storesIn(decodeMessage(encodeMessage(response))!);
  assert.deepEqual(found, [{
    instance: instanceName(STORE.instance),
    port: 38339,
    addresses: STORE.addresses,
    id: STORE.id,
  }]);
  assert.equal(storesIn({ ...response, answers: ALL }).length, 1);
});

Deno.test("a store whose port is not told is one to ask for", () => {
  const [found] = storesIn({ ...EMPTY, response: true, answers: [POINTER] });
  assert.deepEqual([found!.port, found!.addresses], [undefined, []]);
  const question = decodeMessage(encodeStoreQuestion(9, found!.instance))!;
  assert.deepEqual([question.id, question.questions], [9, [
    { name: found!.instance, type: "SRV", unicast: false },
  ]]);
  const [, , srv] = ALL;
  assert.equal(storesIn({ ...EMPTY, response: true, answers: [srv!] })[0]!.port, 38339);
});

Deno.test("no store is found in a query, in a goodbye, or under another name", () => {
  assert.deepEqual(storesIn({ ...EMPTY, answers: ALL }), []);
  const goodbye = ALL.map((record) => ({ ...record, ttl: 0 }));
  assert.deepEqual(storesIn({ ...EMPTY, response: true, answers: goodbye }), []);
  const target = ["x", "_http", "_tcp", "local"];
  const other: DnsRecord[] = [
    { ...POINTER, data: { type: "PTR", target } },
    { ...POINTER, name: ["_http", "_tcp", "local"] },
    { ...ALL[2]!, name: target },
  ];
  assert.deepEqual(storesIn({ ...EMPTY, response: true, answers: other }), []);
  const noPort = { ...ALL[2]!, data: { ...ALL[2]!.data, port: 0 } } as DnsRecord;
  const found = storesIn({ ...EMPTY, response: true, answers: [POINTER, noPort] });
  assert.equal(found[0]!.port, undefined);
});

Deno.test("of more stores than one search asks, the first ones are found", () => {
  const answers = Array.from({ length: MAX_STORES + 5 }, (_, index): DnsRecord => ({
    ...POINTER,
    data: { type: "PTR", target: instanceName(`office ${index}`) },
  }));
  const found = storesIn({ ...EMPTY, response: true, answers });
  assert.deepEqual(
    found.map(({ instance }) => instance[0]),
    [...Array(MAX_STORES).keys()].map(
      (index) => `office ${index}`,
    ),
  );
});

Deno.test("each record is looked at a few times, however many stores there are", () => {
  let looks = 0;
  const answers = Array.from({ length: 50 }, (_, index) =>
    recordsOf({
      ...STORE,
      instance: `office ${index}`,
      host: `host${index}`,
    })).flat().map((record): DnsRecord => ({
      ...record,
      get name() {
        looks++;
        return record.name;
      },
    }));
  const found = storesIn({ ...EMPTY, response: true, answers });
  assert.ok(found.every(({ addresses, id }) => addresses.length === 2 && id === STORE.id));
  assert.equal(found.length, 50);
  assert.ok(looks <= 5 * answers.length, `${looks} looks at ${answers.length} records`);
});

Deno.test("whatever a message says, what is found in it is an instance of the service", () => {
  fc.assert(fc.property(message, (message) => {
    for (const { instance, port } of storesIn(message)) {
      assert.ok(sameName(instance.slice(1), SERVICE));
      assert.ok(port === undefined || port > 0);
    }
  }));
});

Deno.test("every instance that is found in a message can be asked for", () => {
  const response = { ...EMPTY, response: true, answers: [POINTER, ...ALL] };
  fc.assert(
    fc.property(damaged(fc.constant(response)), (bytes) => {
      const message = decodeMessage(bytes);
      for (const { instance } of message === undefined ? [] : storesIn(message)) {
        assert.doesNotThrow(() => encodeStoreQuestion(1, instance));
      }
    }),
    { numRuns: 1000 },
  );
});
