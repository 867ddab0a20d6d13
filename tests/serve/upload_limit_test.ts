import assert from "node:assert/strict";
import { accessFor } from "../../lib/serve/access.ts";
import type { Source } from "../../lib/serve/body.ts";
import { Holdings } from "../../lib/serve/holdings.ts";
import { answering } from "../../lib/serve/http.ts";
import { type Clock, UploadLimit } from "../../lib/serve/upload_limit.ts";
import { LIMITED_CHUNK_SIZE } from "../../lib/wire/limits.ts";
import { Scratch } from "../store/sample.ts";
import { file } from "../vectors/trees.ts";
import { addImplementation, noise } from "./implementations.ts";

/** A clock that goes on when it is told to, from timer to timer. */
class FakeClock implements Clock {
  #now = 0;
  #timers: { at: number; call: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, call: () => void): () => void {
    const timer = { at: this.#now + milliseconds, call };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((each) => each !== timer));
  }

  get waiting(): number {
    return this.#timers.length;
  }

  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      await settle();
      this.#timers.sort((a, b) => a.at - b.at);
      const next = this.#timers[0];
      if (next === undefined || next.at > end) break;
      this.#timers.shift();
      this.#now = next.at;
      next.call();
    }
    this.#now = end;
  }
}

/** Lets all promises that can settle do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** Never ends. */
function endless(size = 262_144): Source {
  return { next: () => new Uint8Array(size), close: () => {} };
}

/** Takes what there is as fast as it comes, for ever; says how much that was. */
function drain(source: Source): { bytes: number; chunks: number[] } {
  const drained = { bytes: 0, chunks: [] as number[] };
  void (async () => {
    for (let chunk; (chunk = await source.next()) !== undefined;) {
      drained.bytes += chunk.length;
      drained.chunks.push(chunk.length);
    }
  })();
  return drained;
}

for (const rate of [1000, 20_000, 500_000, 10_000_000, 200_000_000]) {
  Deno.test(`${rate} bytes a second are kept to, neither more nor less`, async () => {
    const clock = new FakeClock();
    const limit = new UploadLimit(rate, clock);
    const drained = drain(limit.limited(endless(), "a"));
    for (let second = 1; second <= 10; second++) {
      await clock.pass(1000);
      const { bytes } = drained;
      assert.ok(Math.abs(bytes - second * rate) <= 0.15 * rate + limit.chunkSize, `${bytes}`);
    }
  });
}

Deno.test("chunks are small enough for others to come between", () => {
  for (const [rate, size] of [[1000, 1024], [100_000, 5000], [1e9, LIMITED_CHUNK_SIZE]] as const) {
    assert.equal(new UploadLimit(rate, new FakeClock()).chunkSize, size);
  }
});

Deno.test("an address with many answers gets no more than one with a single one", async () => {
  const clock = new FakeClock();
  const limit = new UploadLimit(1_000_000, clock);
  const one = drain(limit.limited(endless(), "one"));
  const many = Array.from({ length: 10 }, () => drain(limit.limited(endless(), "many")));
  await clock.pass(10_000);
  const sum = many.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(Math.abs(one.bytes / sum - 1) < 0.1, `${one.bytes} and ${sum}`);
  assert.ok(Math.abs(one.bytes + sum - 10_000_000) < 300_000);
  for (const { bytes } of many) assert.ok(Math.abs(bytes / sum - 0.1) < 0.05, `${bytes}`);
});

Deno.test("what one address leaves, the others get", async () => {
  const clock = new FakeClock();
  const limit = new UploadLimit(1_000_000, clock);
  const drained = drain(limit.limited(endless(), "a"));
  const chunks = [new Uint8Array(1000)];
  await new Promise<void>((resolve) => {
    const source = limit.limited({ next: () => chunks.pop(), close: () => {} }, "b");
    drain(source);
    resolve();
  });
  await clock.pass(5000);
  assert.ok(Math.abs(drained.bytes - 5_000_000) < 200_000);
});

Deno.test("a silence is not saved up", async () => {
  const clock = new FakeClock();
  const limit = new UploadLimit(1_000_000, clock);
  await clock.pass(3_600_000);
  const drained = drain(limit.limited(endless(), "a"));
  await clock.pass(1000);
  assert.ok(drained.bytes < 1_300_000, `${drained.bytes}`);
});

Deno.test("the bytes are the source's, in order, to the end", async () => {
  const clock = new FakeClock();
  const limit = new UploadLimit(1_000_000, clock);
  const chunks = [Uint8Array.from({ length: 200_000 }, (_, n) => n), Uint8Array.of(1, 2, 3)];
  const expected = chunks.flatMap((chunk) => [...chunk]);
  const source = limit.limited({ next: () => chunks.shift(), close: () => {} }, "a");
  const got: number[] = [];
  const done = (async () => {
    for (let chunk; (chunk = await source.next()) !== undefined;) got.push(...chunk);
  })();
  await clock.pass(10_000);
  await done;
  assert.deepEqual(got, expected);
  assert.equal(clock.waiting, 0);
});

Deno.test("an answer that is given up leaves the line, and no timer", async () => {
  const clock = new FakeClock();
  const limit = new UploadLimit(1000, clock);
  let closed = 0;
  const sources = ["a", "a", "b"].map((address) =>
    limit.limited({ next: () => new Uint8Array(1000), close: () => void closed++ }, address)
  );
  for (const source of sources) void source.next();
  await settle();
  assert.equal(clock.waiting, 1);
  for (const source of sources) source.close();
  assert.equal(closed, 3);
  assert.equal(clock.waiting, 0);
});

Deno.test("everything that is sent takes its turn, for the address that it goes to", async () => {
  using scratch = new Scratch();
  const { digest } = await addImplementation(scratch.path, [file("f", noise(1, 300_000))]);
  const taken: [address: string, bytes: number][] = [];
  class CountingLimit extends UploadLimit {
    override limited(source: Source, address: string): Source {
      const next = async () => {
        const chunk = await source.next();
        if (chunk !== undefined) taken.push([address, chunk.length]);
        return chunk;
      };
      return { next, close: () => source.close() };
    }
  }
  const handler = answering(new Holdings([scratch.path], () => {}), accessFor([], []), {
    report: () => {},
    signal: new AbortController().signal,
    limit: new CountingLimit(1000, new FakeClock()),
  });
  const hostname = "192.168.1.2";
  for (
    const path of [
      `/implementation/${digest}`,
      `/implementation/${digest}/manifest`,
      `/implementation/${digest}/content`,
      `/implementation/${digest}/pieces/0-1`,
      `/implementation/${digest}/pieces/any?lacks=wA`,
      `/implementation/${digest}/piece-digests`,
      `/${digest}.tar.gz`,
    ]
  ) {
    taken.length = 0;
    const remoteAddr = { transport: "tcp", hostname, port: 50_000 } as const;
    const info = { remoteAddr, completed: Promise.resolve() };
    const response = await handler(new Request(`http://127.0.0.1${path}`), info);
    assert.equal(response.status, 200, path);
    const { length } = await response.bytes();
    assert.equal(taken.reduce((sum, [, bytes]) => sum + bytes, 0), length, path);
    assert.ok(taken.length > 0 && taken.every(([address]) => address === hostname), path);
  }
});
