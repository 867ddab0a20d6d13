import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { PeerBusy, PeerFailed } from "../../lib/errors.ts";
import { Crowd } from "../../lib/fetch/crowd.ts";
import { DownloadLimit } from "../../lib/fetch/download_limit.ts";
import type { FetchEvent } from "../../lib/fetch/events.ts";
import { findManifest } from "../../lib/fetch/manifest_source.ts";
import { Member } from "../../lib/fetch/member.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import { formatManifest } from "../../lib/manifest/manifest.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { SECOND_MANIFEST_MS } from "../../lib/wire/limits.ts";
import { Scratch } from "../store/sample.ts";

const BYTES = new TextEncoder().encode(`D /d\nF ${"a".repeat(64)} 1 2 x\n`);
const OTHER = new TextEncoder().encode(`D /d\nF ${"b".repeat(64)} 1 2 x\n`);
const DIGEST = digestOf("sha256new", BYTES);

type Answer = (signal: AbortSignal) => Promise<Uint8Array | undefined>;

const gives = (bytes: Uint8Array | undefined): Answer => () => Promise.resolve(bytes);
const fails = (error: unknown): Answer => () => Promise.reject(error);
const silent: Answer = (signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** Asks peers that answer so for the manifest, in this order; they are all there are. */
class Inquiring implements AsyncDisposable {
  readonly events: FetchEvent[] = [];
  readonly crowd = new Crowd(DIGEST, (event) => this.events.push(event));
  readonly asked: string[] = [];
  readonly scratch = new Scratch();
  readonly abort = new AbortController();
  mayShrink: (peer: string) => boolean = () => false;
  limit: DownloadLimit | undefined;

  constructor(peers: Record<string, Answer>) {
    for (const [name, answer] of Object.entries(peers)) this.add(name, answer);
  }

  add(name: string, answer: Answer): void {
    const member = new Member({ address: "192.0.2.1", port: 1 }, "have");
    member.peer[Symbol.dispose]();
    const manifest = (_digest: string, options: { zstd: boolean }, signal: AbortSignal) => {
      this.asked.push(options.zstd ? `${name} with zstd` : name);
      return answer(signal);
    };
    const peer = { name, manifest, [Symbol.dispose]: () => {} };
    Object.defineProperty(member, "peer", { value: peer });
    this.crowd.members.set(name, member);
    this.crowd.onJoin(member);
  }

  async find(options: { settled?: boolean } = {}): Promise<Uint8Array | undefined> {
    if (options.settled !== false) this.crowd.settle();
    using staging = await this.staging();
    const manifest = await findManifest(DIGEST, this.crowd, {
      staging,
      mayShrink: this.mayShrink,
      limit: this.limit,
      signal: this.abort.signal,
    });
    if (manifest === undefined) return undefined;
    assert.deepEqual(staging.readManifest(), BYTES, "it is kept");
    return formatManifest(manifest);
  }

  staging() {
    return openStaging(this.scratch.path, DIGEST, { signal: this.abort.signal });
  }

  get dropped(): unknown[] {
    return this.events.flatMap((event) =>
      event.kind === "dropped" ? [[event.peer, event.lied ? "lied" : "failed"]] : []
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.crowd[Symbol.dispose]();
    this.scratch[Symbol.dispose]();
    return Promise.resolve();
  }
}

Deno.test("the first peer is asked, and when it answers nobody else", async () => {
  await using inquiring = new Inquiring({ one: gives(BYTES), two: gives(BYTES) });
  assert.deepEqual(await inquiring.find(), BYTES);
  assert.deepEqual(inquiring.asked, ["one"]);
});

Deno.test("a manifest counts for the limit, and nobody else is asked while it is paid for", async () => {
  await using inquiring = new Inquiring({ one: gives(BYTES), two: gives(BYTES) });
  const taken: number[] = [];
  inquiring.limit = new (class extends DownloadLimit {
    override async take(bytes: number): Promise<void> {
      taken.push(bytes);
      await setTimeout(SECOND_MANIFEST_MS + 50);
    }
  })(1);
  assert.deepEqual(await inquiring.find(), BYTES);
  assert.deepEqual(taken, [BYTES.length]);
  assert.deepEqual(inquiring.asked, ["one"]);
});

Deno.test("each peer is asked for it compressed if it may be", async () => {
  await using inquiring = new Inquiring({ one: gives(undefined), two: gives(BYTES) });
  inquiring.mayShrink = (peer) => peer !== "one";
  assert.deepEqual(await inquiring.find(), BYTES);
  assert.deepEqual(inquiring.asked, ["one", "two with zstd"]);
});

Deno.test("who sends another manifest is dropped, who fails is left alone, and the next is asked", async () => {
  await using inquiring = new Inquiring({
    liar: gives(OTHER),
    garbage: gives(Uint8Array.of(0, 255)),
    dead: fails(new PeerFailed("dead", "it went away")),
    honest: gives(BYTES),
  });
  assert.deepEqual(await inquiring.find(), BYTES);
  assert.deepEqual(inquiring.asked, ["liar", "garbage", "dead", "honest"]);
  assert.deepEqual(inquiring.dropped, [["liar", "lied"], ["garbage", "lied"]]);
});

Deno.test("while one peer is silent another one is asked, and the silent one is not dropped", async () => {
  await using inquiring = new Inquiring({ silent, prompt: gives(BYTES), third: gives(BYTES) });
  assert.deepEqual(await inquiring.find(), BYTES);
  assert.deepEqual(inquiring.asked, ["silent", "prompt"]);
  assert.deepEqual(inquiring.dropped, []);
});

Deno.test("of those that are silent one more is asked each time, and not too many at once", async () => {
  const names = ["one", "two", "three", "four", "five", "six", "seven"];
  await using inquiring = new Inquiring(Object.fromEntries(names.map((name) => [name, silent])));
  const finding = assert.rejects(inquiring.find(), /enough/);
  await setTimeout(1.5 * SECOND_MANIFEST_MS);
  assert.deepEqual(inquiring.asked, ["one", "two"]);
  await setTimeout(6 * SECOND_MANIFEST_MS);
  assert.deepEqual(inquiring.asked, names.slice(0, 6));
  inquiring.abort.abort(new Error("enough"));
  await finding;
});

Deno.test("two that are silent do not keep anybody from asking a third", async () => {
  await using inquiring = new Inquiring({ one: silent, two: silent, three: gives(BYTES) });
  assert.deepEqual(await inquiring.find(), BYTES);
});

Deno.test("while some have no place another one is asked", async () => {
  const busy: Answer = () => Promise.reject(new PeerBusy("busy", 1000));
  await using inquiring = new Inquiring({ one: busy, two: busy, idle: gives(BYTES) });
  assert.deepEqual(await inquiring.find(), BYTES);
});

Deno.test("who fails again and again is dropped", async () => {
  await using inquiring = new Inquiring({ dead: fails(new PeerFailed("dead", "it went away")) });
  assert.equal(await inquiring.find(), undefined);
  assert.deepEqual(inquiring.dropped, [["dead", "failed"]]);
});

Deno.test("who stumbles once is asked again", async () => {
  let times = 0;
  const stumbles: Answer = () =>
    ++times === 1 ? Promise.reject(new PeerFailed("stumbles", "reset")) : Promise.resolve(BYTES);
  await using inquiring = new Inquiring({ stumbles });
  assert.deepEqual(await inquiring.find(), BYTES);
  assert.deepEqual(inquiring.dropped, []);
});

Deno.test("who knows no manifests may have archives; when nobody knows any, that is told", async () => {
  await using inquiring = new Inquiring({ old: gives(undefined), older: gives(undefined) });
  assert.equal(await inquiring.find(), undefined);
  assert.deepEqual(inquiring.asked, ["old", "older"]);
  assert.deepEqual(inquiring.crowd.archivists.map(({ state }) => state), ["archives", "archives"]);
  assert.deepEqual(inquiring.dropped, []);
});

Deno.test("who has no place is asked again", async () => {
  let times = 0;
  const busy: Answer = () =>
    ++times < 3 ? Promise.reject(new PeerBusy("busy", 0.01)) : Promise.resolve(BYTES);
  await using inquiring = new Inquiring({ busy });
  assert.deepEqual(await inquiring.find(), BYTES);
  assert.equal(times, 3);
});

Deno.test("nobody is given up before all had their time to answer", async () => {
  await using inquiring = new Inquiring({ liar: gives(OTHER) });
  const finding = inquiring.find({ settled: false });
  await setTimeout(20);
  inquiring.add("late", gives(BYTES));
  assert.deepEqual(await finding, BYTES);

  await using nobody = new Inquiring({});
  const vain = nobody.find({ settled: false });
  await setTimeout(20);
  nobody.crowd.settle();
  assert.equal(await vain, undefined);
});

Deno.test("what an earlier run left is used, if it is right", async () => {
  await using inquiring = new Inquiring({ one: gives(BYTES) });
  {
    using staging = await inquiring.staging();
    staging.saveManifest(BYTES);
  }
  assert.deepEqual(await inquiring.find(), BYTES);
  assert.deepEqual(inquiring.asked, []);
  {
    using staging = await inquiring.staging();
    staging.saveManifest(OTHER);
  }
  assert.deepEqual(await inquiring.find(), BYTES);
  assert.deepEqual(inquiring.asked, ["one"]);
});

Deno.test("an abort ends it with its reason, before and while somebody is asked", async () => {
  const reason = new Error("enough");
  await using inquiring = new Inquiring({ silent });
  const finding = assert.rejects(inquiring.find(), reason);
  await setTimeout(20);
  inquiring.abort.abort(reason);
  await finding;

  await using early = new Inquiring({ one: gives(BYTES) });
  using staging = await early.staging();
  const signal = AbortSignal.abort(reason);
  await assert.rejects(
    findManifest(DIGEST, early.crowd, { staging, mayShrink: early.mayShrink, signal }),
    reason,
  );
  assert.deepEqual(early.asked, []);
});
