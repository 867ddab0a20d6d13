import assert from "node:assert/strict";
import fc from "fast-check";
import { Announcer, type Asker, type Outgoing } from "../../lib/serve/announcer.ts";
import {
  decodeMessage,
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
  encodeMessage,
} from "../../lib/wire/dns_message.ts";
import { EMPTY, instanceName, recordsOf, SERVICE } from "../../lib/wire/dns_sd.ts";
import { damaged } from "../wire/dns_arbitraries.ts";

const LAN = { key: "eth0", addresses: ["192.168.77.1", "fd77::1"] };
const WLAN = { key: "wlan0", addresses: ["10.0.0.1"] };
const PEER: Asker = { address: "192.168.77.2", port: 5353, legacy: false };
const RESOLVER: Asker = { address: "192.168.77.2", port: 40_000, legacy: true };
const STORES: DnsQuestion = { name: SERVICE, type: "PTR", unicast: false };

/** An announcer with a clock that the test turns, and what it says. */
class Played {
  #hosts = 0;
  readonly announcer = new Announcer({
    wanted: "office",
    makeHost: () => `host${++this.#hosts}`,
    port: 38339,
    id: "0123456789abcdef",
    random: () => 0.5,
  });
  now = 0;
  readonly said: (Outgoing & { at: number })[] = [];

  constructor(...ways: typeof LAN[]) {
    if (ways.length > 0) this.announcer.update(ways, 0);
  }

  /** Lets time pass, doing everything exactly when it is due. */
  until(time: number): this {
    for (let next; (next = this.announcer.next) !== undefined && next <= time;) {
      this.now = Math.max(this.now, next);
      this.#note(this.announcer.due(this.now));
    }
    this.now = time;
    return this;
  }

  /** Lets it hear something, and gives what it says at once and in the next 600 ms. */
  hears(message: Partial<DnsMessage>, from = PEER, way = "eth0"): (Outgoing & { at: number })[] {
    const before = this.said.length;
    this.#note(this.announcer.hear({ ...EMPTY, ...message }, from, way, this.now));
    this.until(this.now + 600);
    return this.said.slice(before);
  }

  #note(outgoing: readonly Outgoing[]): void {
    this.said.push(...outgoing.map((one) => ({ ...one, at: this.now })));
  }
}

/** A played announcer that has announced itself long ago. */
function standing(...ways: typeof LAN[]): Played {
  const played = new Played(...ways.length > 0 ? ways : [LAN]).until(100_000);
  played.said.length = 0;
  return played;
}

function own(instance = "office", host = "host1", addresses = LAN.addresses): DnsRecord[] {
  return recordsOf({ instance, host, port: 38339, id: "0123456789abcdef", addresses });
}

/** What another machine says of a store of the same name. */
function others(host = "other"): DnsRecord[] {
  return own("office", host, ["192.168.77.9"]).filter(({ data }) => data.type === "SRV");
}

function types(records: readonly DnsRecord[]): string[] {
  return records.map(({ data }) => data.type);
}

Deno.test("probes three times, then announces twice, then is silent", () => {
  const { said, announcer } = new Played(LAN).until(60_000);
  assert.deepEqual(said.map(({ at, message }) => [at, message.response]), [
    [125, false],
    [375, false],
    [625, false],
    [875, true],
    [1875, true],
  ]);
  assert.ok(announcer.isAnnounced);
  const [probe, , , announcement] = said.map(({ message }) => message);
  assert.deepEqual(probe!.questions.map(({ name, type }) => [name, type]), [
    [instanceName("office"), "ANY"],
    [["host1", "local"], "ANY"],
  ]);
  assert.deepEqual(types(probe!.authorities), ["SRV", "TXT", "A", "AAAA"]);
  assert.ok(probe!.authorities.every(({ unique }) => !unique));
  assert.deepEqual(announcement!.answers, own());
});

Deno.test("says nothing where there is no link, and is not announced there", () => {
  const { announcer, said } = new Played().until(10_000);
  assert.deepEqual([announcer.next, announcer.isAnnounced, said], [undefined, false, []]);
});

Deno.test("tells on each link the addresses of that link", () => {
  const { said } = new Played(LAN, WLAN).until(60_000);
  for (const { way, message } of said.filter(({ message }) => message.response)) {
    const { addresses } = [LAN, WLAN].find(({ key }) => key === way)!;
    const told = message.answers.flatMap(({ data }) => "address" in data ? [data.address] : []);
    assert.deepEqual(told, addresses);
  }
  assert.equal(said.length, 10);
});

Deno.test("who asks for stores gets everything in one message, as all others do, a little later", () => {
  const played = standing();
  const said = played.hears({ questions: [STORES] });
  assert.equal(said.length, 1);
  const [{ at, to, way, message }] = said as [Outgoing & { at: number }];
  assert.deepEqual([at, to, way], [100_070, undefined, "eth0"]);
  assert.deepEqual(types(message.answers), ["PTR"]);
  assert.deepEqual(types(message.additionals), ["SRV", "TXT", "A", "AAAA"]);
  assert.deepEqual([message.id, message.questions], [0, []]);
});

Deno.test("many who ask at once get one answer, and the next not within a second", () => {
  const played = standing();
  for (let asker = 10; asker < 40; asker++) {
    played.announcer.hear(
      { ...EMPTY, questions: [STORES] },
      { ...PEER, address: `192.168.77.${asker}` },
      "eth0",
      played.now,
    );
  }
  assert.equal(played.until(100_500).said.length, 1);
  played.hears({ questions: [STORES] });
  played.until(110_000);
  assert.deepEqual(played.said.map(({ at }) => at), [100_070, 101_070]);
});

Deno.test("what only this machine can answer is answered at once", () => {
  const played = standing();
  const question: DnsQuestion = { name: instanceName("OFFICE"), type: "SRV", unicast: false };
  const [said] = played.hears({ questions: [question] });
  assert.equal(said!.at, 100_000);
  assert.deepEqual(types(said!.message.answers), ["SRV"]);
  assert.deepEqual(types(said!.message.additionals), ["A", "AAAA"]);
});

Deno.test("a question for something else is not answered", () => {
  const played = standing();
  const questions: DnsQuestion[] = [
    { name: ["_http", "_tcp", "local"], type: "ANY", unicast: false },
    { name: SERVICE, type: "SRV", unicast: false },
    { name: instanceName("office (2)"), type: "ANY", unicast: true },
    { name: ["host1", "local"], type: "TXT", unicast: false },
  ];
  assert.deepEqual(played.hears({ questions }), []);
  assert.deepEqual(played.hears({ questions: [STORES] }, PEER, "wlan0"), []);
});

Deno.test("who asks for himself gets it for himself, unless the others have forgotten it", () => {
  const played = standing();
  const questions = [{ ...STORES, unicast: true }];
  const [said] = played.hears({ questions });
  assert.deepEqual([said!.at, said!.to], [100_000, PEER]);
  assert.deepEqual(types(said!.message.additionals), ["SRV", "TXT", "A", "AAAA"]);
  // A quarter of 4,500 seconds later.
  const [late] = played.until(1_300_000).hears({ questions });
  assert.equal(late!.to, undefined);
});

Deno.test("a resolver without multicast gets a plain answer to its question", () => {
  const played = standing();
  const questions = [STORES];
  const [said, ...more] = played.hears({ id: 77, questions }, RESOLVER);
  assert.deepEqual([more.length, said!.to, said!.at], [0, RESOLVER, 100_000]);
  const { id, questions: repeated, answers, additionals } = said!.message;
  assert.deepEqual([id, repeated], [77, questions]);
  assert.ok([...answers, ...additionals].every(({ ttl, unique }) => ttl <= 10 && !unique));
  assert.deepEqual(types(additionals), ["SRV", "TXT", "A", "AAAA"]);
});

Deno.test("a resolver without multicast is not told again what it asked others", () => {
  const other: DnsQuestion = { name: ["_http", "_tcp", "local"], type: "PTR", unicast: false };
  const [said] = standing().hears({ questions: [other, STORES, other] }, RESOLVER);
  assert.deepEqual(said!.message.questions, [STORES]);
  assert.deepEqual(standing().hears({ questions: [other] }, RESOLVER), []);
});

Deno.test("what the asker knows is not told again, unless he will soon forget it", () => {
  const [pointer] = own();
  const knows = (record: DnsRecord) => standing().hears({ questions: [STORES], answers: [record] });
  assert.equal(knows(pointer!).length, 0);
  assert.equal(knows({ ...pointer!, ttl: 2249 }).length, 1);
  assert.equal(knows(others()[0]!).length, 1);
});

Deno.test("an asker with much to say is heard to the end", () => {
  const [pointer] = own();
  const asked = { questions: [STORES], truncated: true };
  assert.equal(standing().hears(asked)[0]!.at, 100_450);
  const played = standing();
  const tell = (message: Partial<DnsMessage>, address: string) =>
    played.announcer.hear({ ...EMPTY, ...message }, { ...PEER, address }, "eth0", played.now);
  tell(asked, PEER.address);
  tell({ answers: [pointer!] }, PEER.address);
  assert.deepEqual(played.until(101_000).said, []);
  // What one of them knows, another one may not.
  tell(asked, PEER.address);
  tell(asked, "192.168.77.3");
  tell({ answers: [pointer!] }, PEER.address);
  assert.equal(played.until(102_000).said.length, 1);
});

Deno.test("a name that is taken is left to its owner, and the next one is proved", () => {
  const played = new Played(LAN).until(400);
  played.hears({ response: true, answers: others() });
  assert.equal(played.announcer.instance, "office (2)");
  played.until(10_000);
  const announced = played.said.filter(({ message }) => message.response);
  assert.deepEqual(announced[0]!.message.answers, own("office (2)"));
  assert.ok(played.said.every(({ message }) => message.answers.every(({ ttl }) => ttl > 0)));
});

Deno.test("what another takes back, and what this machine said itself, is no objection", () => {
  const played = new Played(LAN, WLAN).until(400);
  played.hears({ response: true, answers: others().map((record) => ({ ...record, ttl: 0 })) });
  played.hears({ response: true, answers: own() });
  played.hears({ response: true, answers: own("OFFICE", "HOST1", WLAN.addresses) });
  played.hears({ response: true, answers: others() }, RESOLVER);
  assert.equal(played.until(10_000).announcer.instance, "office");
  assert.equal(played.said.length, 10);
});

Deno.test("of two who prove one name at once, who has the lesser records waits and tries again", () => {
  const rival = (host: string) => ({
    questions: [{ name: instanceName("office"), type: "ANY" as const, unicast: false }],
    authorities: own("office", host),
  });
  // Names of hosts are compared by their length first.
  const loser = new Played(LAN).until(400);
  loser.hears(rival("zzzzzzzz"));
  loser.until(1399);
  assert.equal(loser.said.length, 2);
  loser.until(1400);
  assert.equal(loser.said.at(-1)!.at, 1400);
  const winner = new Played(LAN).until(400);
  winner.hears(rival("a"));
  assert.deepEqual(winner.until(1000).said.map(({ at }) => at), [125, 375, 625, 875]);
});

Deno.test("a name that is proved is defended at once", () => {
  const played = standing();
  const [said] = played.hears({
    questions: [{ name: instanceName("office"), type: "ANY", unicast: true }],
    authorities: others(),
  });
  assert.deepEqual([said!.at, said!.to], [100_000, undefined]);
  assert.deepEqual(types(said!.message.answers), ["SRV", "TXT"]);
});

Deno.test("who claims a proved name makes it be proved again, and changes it only if he answers", () => {
  const played = standing();
  played.hears({ response: true, answers: others() });
  assert.ok(!played.announcer.isAnnounced);
  played.until(110_000);
  assert.deepEqual([played.announcer.instance, played.announcer.isAnnounced], ["office", true]);
});

Deno.test("who claims every name makes it slow, not endless in a short time", () => {
  const played = new Played(LAN);
  for (let now = 0; now < 60_000; now += 10) {
    played.until(now);
    const claim = others().map((record) => ({
      ...record,
      name: instanceName(played.announcer.instance),
    }));
    if (played.announcer.next! > now + 50) continue;
    played.announcer.hear({ ...EMPTY, response: true, answers: claim }, PEER, "eth0", now);
  }
  assert.ok(played.said.length < 150, `${played.said.length} messages in a minute`);
});

Deno.test("a host's name that is taken is replaced, and no other name is", () => {
  const played = standing();
  const claim: DnsRecord = {
    name: ["host1", "local"],
    ttl: 120,
    unique: true,
    data: { type: "A", address: "192.168.77.66" },
  };
  played.hears({ response: true, answers: [claim] });
  played.until(110_000);
  const { message } = played.said.at(-1)!;
  assert.deepEqual(message.answers, own("office", "host2"));
});

Deno.test("a link that comes is proved and announced, and the others are left alone", () => {
  const played = standing();
  played.announcer.update([LAN, WLAN], played.now);
  assert.ok(!played.announcer.isAnnounced);
  assert.equal(played.hears({ questions: [STORES] }).filter(({ way }) => way === "eth0").length, 1);
  played.until(110_000);
  assert.deepEqual(played.said.filter(({ way }) => way === "wlan0").length, 5);
  assert.ok(played.announcer.isAnnounced);
});

Deno.test("a link whose addresses change is announced again, one that is gone is forgotten", () => {
  const played = standing();
  played.announcer.update([{ ...LAN, addresses: ["192.168.77.5"] }], played.now);
  played.until(110_000);
  assert.deepEqual(played.said.map(({ at }) => at), [100_000, 101_000]);
  assert.deepEqual(played.said[0]!.message.answers, own("office", "host1", ["192.168.77.5"]));
  // Its own words from before come back late.
  played.hears({ response: true, answers: own() });
  assert.ok(played.announcer.isAnnounced);
  played.announcer.update([], played.now);
  assert.equal(played.announcer.next, undefined);
});

Deno.test("says goodbye on every link where it was announced, and to nothing of others", () => {
  const played = standing();
  played.announcer.update([LAN, WLAN], played.now);
  const goodbyes = played.announcer.stop();
  assert.deepEqual(goodbyes.map(({ way, to }) => [way, to]), [["eth0", undefined]]);
  const [{ message }] = goodbyes as [Outgoing];
  assert.ok(message.response && message.answers.every(({ ttl }) => ttl === 0));
  assert.deepEqual(types(message.answers), ["PTR", "SRV", "TXT", "A", "AAAA"]);
  assert.equal(played.announcer.next, undefined);
});

Deno.test("whatever it hears of its own names, all that it says then can be sent", () => {
  const record = fc.constantFrom(...own(), ...own("office", "other", ["192.168.77.9"]), {
    name: instanceName("office"),
    ttl: 4500,
    unique: true,
    data: { type: "TXT" as const, strings: ["x".repeat(200)] },
  }, {
    name: instanceName("office"),
    ttl: 4500,
    unique: true,
    data: { type: "PTR" as const, target: ["x".repeat(63)] },
  });
  const question = fc.record({
    name: fc.constantFrom(SERVICE, instanceName("office"), ["host1", "local"], ["x".repeat(63)]),
    type: fc.constantFrom("ANY" as const, "PTR" as const, "TXT" as const),
    unicast: fc.boolean(),
  });
  const message = fc.record({
    id: fc.nat(0xffff),
    response: fc.boolean(),
    truncated: fc.boolean(),
    questions: fc.array(question, { maxLength: 3 }),
    answers: fc.array(record, { maxLength: 3 }),
    authorities: fc.array(record, { maxLength: 3 }),
    additionals: fc.constant([]),
  });
  const asker = fc.constantFrom(PEER, RESOLVER);
  fc.assert(
    fc.property(damaged(message), asker, fc.boolean(), (bytes, asker, isNew) => {
      const heard = decodeMessage(bytes);
      if (heard === undefined) return;
      const played = isNew ? new Played(LAN).until(400) : standing();
      for (const { message } of played.hears(heard, asker)) encodeMessage(message);
    }),
    { numRuns: 500 },
  );
});
