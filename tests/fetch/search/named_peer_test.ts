import assert from "node:assert/strict";
import { NetworkFailed, UsageError } from "../../../lib/errors.ts";
import type { FetchEvent } from "../../../lib/fetch/events.ts";
import { NamedSearch, parseNamedPeer } from "../../../lib/fetch/search/named_peer.ts";
import type { Offer } from "../../../lib/fetch/search/search.ts";
import type { Digest } from "../../../lib/manifest/digest.ts";

const NAMES: Record<string, [host: string, port: number]> = {
  "mine": ["mine", 38339],
  "mine.local:80": ["mine.local", 80],
  "192.168.7.9": ["192.168.7.9", 38339],
  "192.168.7.9:65535": ["192.168.7.9", 65535],
  "::1": ["::1", 38339],
  "2001:db8::1:80": ["2001:db8::1:80", 38339],
  "fe80::1%eth0": ["fe80::1%eth0", 38339],
  "fe80::1%2": ["fe80::1%2", 38339],
  "[::1]": ["::1", 38339],
  "[::1]:80": ["::1", 80],
  "[fe80::1%eth0.5]:1": ["fe80::1%eth0.5", 1],
};

for (const [text, [host, port]] of Object.entries(NAMES)) {
  Deno.test(`${text} names the host ${host} and the port ${port}`, () => {
    assert.deepEqual(parseNamedPeer(text, 38339), { host, port });
  });
}

for (
  const text of [
    "",
    ":80",
    "mine:",
    "mine:0",
    "mine:65536",
    "mine:123456",
    "mine:80:80",
    "mine:-1",
    "mine:8o",
    "[::1",
    "::1]",
    "[::1]80",
    "[mine]",
    "[mine]:80",
    "[]",
    "a b",
    " mine",
    "mine\n",
    "http://mine",
    "mine/path",
    "1::2::3",
  ]
) {
  Deno.test(`refuses ${JSON.stringify(text)} as a host`, () => {
    assert.throws(() => parseNamedPeer(text, 38339), UsageError);
  });
}

const DIGESTS = [`sha1new=${"a".repeat(40)}`, `sha256=${"b".repeat(64)}`] as Digest[];

async function offersOf(...hosts: string[]): Promise<{ offers: Offer[]; events: FetchEvent[] }> {
  const events: FetchEvent[] = [];
  const peers = hosts.map((host) => ({ host, port: 1 }));
  const search = new NamedSearch(DIGESTS, peers, { report: (event) => events.push(event) });
  const offers: Offer[] = [];
  search.offers.listen((offer) => offers.push(offer));
  await search.settled;
  await search[Symbol.asyncDispose]();
  return { offers, events };
}

Deno.test("a named peer may have any of the digests, preferred ones first", async () => {
  const { offers, events } = await offersOf("192.168.7.9", "fe80::1%eth0");
  assert.deepEqual(
    offers.map(({ peer, digest }) => [peer.address, peer.port, digest]),
    ["192.168.7.9", "fe80::1%eth0"].flatMap((address) =>
      DIGESTS.map((digest) => [address, 1, digest])
    ),
  );
  assert.deepEqual(new Set(offers.map(({ state }) => state)), new Set(["unknown"]));
  assert.deepEqual(events.map(({ kind }) => kind), ["asking"]);
});

Deno.test("a name stands for its addresses", async () => {
  const { offers } = await offersOf("localhost");
  assert.ok(offers.some(({ peer }) => ["127.0.0.1", "::1"].includes(peer.address)));
});

Deno.test("a host that nobody knows is reported, and the next one is asked", async () => {
  const { offers, events } = await offersOf("no-such-host.invalid", "127.0.0.1");
  assert.equal(offers.length, DIGESTS.length);
  const trouble = events.find(({ kind }) => kind === "trouble");
  assert.ok(trouble?.kind === "trouble");
  assert.match(trouble.reason, /no-such-host\.invalid/);
});

Deno.test("where no host has an address, that is what failed", async () => {
  await assert.rejects(offersOf("no-such-host.invalid", "nor-this.invalid"), (error) => {
    assert.ok(error instanceof NetworkFailed);
    assert.match(error.message, /^Cannot ask no-such-host\.invalid, nor-this\.invalid: /);
    return true;
  });
});

Deno.test("a name that the system finds no answer for keeps neither others nor the end waiting", async () => {
  const events: FetchEvent[] = [];
  const answers = new Map<string, PromiseWithResolvers<string[]>>();
  const resolve = (host: string) => {
    const answer = Promise.withResolvers<string[]>();
    answers.set(host, answer);
    return answer.promise;
  };
  const peers = ["slow", "never", "quick", "192.168.7.9"].map((host) => ({ host, port: 1 }));
  const report = (event: FetchEvent) => events.push(event);
  const search = new NamedSearch(DIGESTS, peers, { report, resolve });
  const found: string[] = [];
  search.offers.listen(({ peer }) => found.push(peer.address));
  answers.get("quick")!.resolve(["192.168.7.8"]);
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(new Set(found), new Set(["192.168.7.8", "192.168.7.9"]));
  await search[Symbol.asyncDispose]();
  answers.get("slow")!.resolve(["192.168.7.7"]);
  answers.get("never")!.reject(new Error("timed out"));
  await search.settled;
  assert.equal(found.includes("192.168.7.7"), false, "it is over");
  assert.deepEqual(events.map(({ kind }) => kind), ["asking"]);
});
