import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { NobodyHasIt, PeerFailed } from "../../lib/errors.ts";
import { Crowds } from "../../lib/fetch/crowds.ts";
import { type Offer, Offers, type Search } from "../../lib/fetch/search/search.ts";
import type { Digest } from "../../lib/manifest/digest.ts";

const [A, B, C] = ["a", "b", "c"].map((letter) => `sha1new=${letter.repeat(40)}`) as [
  Digest,
  Digest,
  Digest,
];

class FakeSearch implements Search {
  readonly offers = new Offers();
  readonly #settled = Promise.withResolvers<void>();
  readonly settled = this.#settled.promise;
  settle = () => this.#settled.resolve();
  fail = (error: unknown) => this.#settled.reject(error);
  announce(): void {}
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
  offer(digest: Digest, address: string, state: Offer["state"] = "have"): void {
    this.offers.add({ digest, peer: { address, port: 1 }, state });
  }
}

function begin(signal = new AbortController().signal) {
  const search = new FakeSearch();
  const crowds = new Crowds(search, { report: () => {}, signal });
  const order: Digest[] = [];
  const ended = (async () => {
    for await (const { digest } of crowds.offered()) order.push(digest);
  })();
  return {
    search,
    crowds,
    order,
    ended,
    async [Symbol.asyncDispose]() {
      await search[Symbol.asyncDispose]();
      crowds[Symbol.dispose]();
    },
  };
}

Deno.test("digests come once each, in the order in which somebody first offered them", async () => {
  await using begun = begin();
  const { search, order, ended } = begun;
  search.offer(B, "192.0.2.1");
  search.offer(A, "192.0.2.1");
  await setTimeout(5);
  assert.deepEqual(order, [B, A]);
  search.offer(B, "192.0.2.2");
  search.offer(C, "192.0.2.2", "pending");
  await setTimeout(5);
  search.offer(C, "192.0.2.2", "partial");
  await setTimeout(5);
  assert.deepEqual(order, [B, A, C], "what is pending cannot be had yet");
  search.settle();
  await ended;
});

Deno.test("all who offer a digest are of one crowd, also those who come later", async () => {
  await using begun = begin();
  const { search, crowds, ended } = begun;
  search.offer(A, "192.0.2.1");
  const { value } = await crowds.offered().next();
  search.offer(A, "192.0.2.2", "partial");
  search.offer(B, "192.0.2.3");
  await setTimeout(5);
  assert.deepEqual([...value!.crowd.members.keys()], ["192.0.2.1:1", "192.0.2.2:1"]);
  search.settle();
  await ended;
  assert.equal(value!.crowd.settled, true);
});

Deno.test("what is offered when all had their time comes in a settled crowd", async () => {
  await using begun = begin();
  const { search, crowds, ended } = begun;
  search.settle();
  await ended;
  search.offer(A, "192.0.2.1");
  await setTimeout(5);
  const { value } = await crowds.offered().next();
  assert.equal(value!.crowd.settled, true);
});

Deno.test("what is found before the search ends is taken, however close", async () => {
  await using begun = begin();
  const { search, order, ended } = begun;
  search.offer(A, "192.0.2.1");
  search.settle();
  await ended;
  assert.deepEqual(order, [A]);
});

Deno.test("a search that found nobody fails with its reason; one that found somebody does not", async () => {
  const error = new NobodyHasIt([A], "nobody answered", "ask again");
  await using nobody = begin();
  nobody.search.fail(error);
  await assert.rejects(nobody.ended, error);

  await using somebody = begin();
  somebody.search.offer(A, "192.0.2.1");
  await setTimeout(5);
  somebody.search.fail(error);
  await somebody.ended;
  assert.deepEqual(somebody.order, [A]);
});

Deno.test("an abort ends the waiting, with its reason", async () => {
  const abort = new AbortController();
  await using begun = begin(abort.signal);
  const reason = new Error("enough");
  const rejected = assert.rejects(begun.ended, reason);
  await setTimeout(5);
  abort.abort(reason);
  await rejected;

  await using early = begin(AbortSignal.abort(reason));
  await assert.rejects(early.ended, reason);
});

Deno.test("why members were given up is known of all crowds together", async () => {
  await using begun = begin();
  const { search, crowds, ended } = begun;
  search.offer(A, "192.0.2.1");
  search.offer(B, "192.0.2.2");
  search.settle();
  await ended;
  for await (const { crowd } of crowds.offered()) {
    for (const member of crowd.usable) crowd.drop(member, new PeerFailed(member.name, "away"));
  }
  assert.deepEqual(crowds.troubles.map(({ peer }) => peer), ["192.0.2.1:1", "192.0.2.2:1"]);
});

Deno.test("who is heard of when nobody wants to know any more costs nothing", async () => {
  const search = new FakeSearch();
  const crowds = new Crowds(search, { report: () => {}, signal: new AbortController().signal });
  search.offer(A, "192.0.2.1");
  crowds[Symbol.dispose]();
  const create = Deno.createHttpClient;
  let created = 0;
  Deno.createHttpClient = (...options) => {
    created++;
    return create(...options);
  };
  try {
    search.offer(A, "192.0.2.2", "partial");
    search.offer(B, "192.0.2.3", "partial");
  } finally {
    Deno.createHttpClient = create;
  }
  assert.equal(created, 0);
  await search[Symbol.asyncDispose]();
});
