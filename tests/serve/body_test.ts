import assert from "node:assert/strict";
import { bodyOf, type Source } from "../../lib/serve/body.ts";
import { STALLED_READER_MS } from "../../lib/wire/limits.ts";

/** Gives `chunks`, one after the other, then fails or ends; and counts what is asked of it. */
class FakeSource implements Source {
  asked = 0;
  closed = 0;
  readonly #chunks: Uint8Array[];
  readonly #failure: Error | undefined;

  constructor(sizes: readonly number[], failure?: Error) {
    this.#chunks = sizes.map((size) => new Uint8Array(size).fill(7));
    this.#failure = failure;
  }

  next(): Uint8Array | undefined {
    this.asked++;
    const chunk = this.#chunks.shift();
    if (chunk === undefined && this.#failure !== undefined) throw this.#failure;
    return chunk;
  }

  close(): void {
    this.closed++;
  }
}

interface Ending {
  error: unknown;
  bytes: number;
}

function watched(source: Source, signal: AbortSignal = new AbortController().signal) {
  const endings: Ending[] = [];
  const body = bodyOf(source, signal, (error, bytes) => endings.push({ error, bytes }));
  return { body, endings };
}

/** Lets everything that is ready run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve));
}

/** Replaces the timers that a body sets, so that a test can let one expire. */
function fakeTimers(): { expire(): void; readonly waiting: number } & Disposable {
  const { setTimeout, clearTimeout } = globalThis;
  const waiting = new Map<number, () => void>();
  let last = 1_000_000;
  Object.assign(globalThis, {
    setTimeout: (callback: () => void, delay = 0) => {
      if (delay !== STALLED_READER_MS) return setTimeout(callback, delay);
      waiting.set(++last, callback);
      return last;
    },
    clearTimeout: (id?: number) => {
      if (id === undefined || !waiting.delete(id)) clearTimeout(id);
    },
  });
  return {
    get waiting() {
      return waiting.size;
    },
    expire() {
      for (const [id, callback] of [...waiting]) {
        waiting.delete(id);
        callback();
      }
    },
    [Symbol.dispose]: () => void Object.assign(globalThis, { setTimeout, clearTimeout }),
  };
}

Deno.test("a body gives all that its source gives, and is over once, without an error", async () => {
  const source = new FakeSource([3, 5, 1]);
  const { body, endings } = watched(source);
  assert.equal((await new Response(body).bytes()).length, 9);
  assert.deepEqual(endings, [{ error: undefined, bytes: 9 }]);
  assert.equal(source.closed, 1);
});

Deno.test("an empty body is over, too", async () => {
  const source = new FakeSource([]);
  const { body, endings } = watched(source);
  assert.equal((await new Response(body).bytes()).length, 0);
  assert.deepEqual(endings, [{ error: undefined, bytes: 0 }]);
  assert.equal(source.closed, 1);
});

Deno.test("a source that fails breaks the body off instead of ending it", async () => {
  const failure = new Error("it is damaged");
  const source = new FakeSource([3], failure);
  const { body, endings } = watched(source);
  await assert.rejects(new Response(body).bytes(), failure);
  assert.deepEqual(endings, [{ error: failure, bytes: 3 }]);
  assert.equal(source.closed, 1);
});

Deno.test("a source that fails later than it is asked breaks the body off", async () => {
  const failure = new Error("it is damaged");
  const { body, endings } = watched({ next: () => Promise.reject(failure), close: () => {} });
  await assert.rejects(new Response(body).bytes(), failure);
  assert.deepEqual(endings, [{ error: failure, bytes: 0 }]);
});

Deno.test("a body is read only as fast as it is taken", async () => {
  const source = new FakeSource([1, 1, 1, 1, 1, 1, 1, 1]);
  const { body, endings } = watched(source);
  const reader = body.getReader();
  await reader.read();
  await settle();
  assert.ok(source.asked <= 2, `asked ${source.asked} times`);
  await reader.cancel();
  assert.equal(endings.length, 1);
});

Deno.test("a reader that goes away ends the body, with an error, once", async () => {
  const source = new FakeSource([1, 1, 1]);
  const { body, endings } = watched(source);
  const reader = body.getReader();
  await reader.read();
  await reader.cancel();
  await settle();
  assert.equal(endings.length, 1);
  assert.match(String(endings[0]!.error), /went away/);
  assert.equal(source.closed, 1);
});

Deno.test("a reader that goes away while the source is at work gets nothing after it", async () => {
  const next = Promise.withResolvers<Uint8Array | undefined>();
  let closed = 0;
  const { body, endings } = watched({ next: () => next.promise, close: () => void closed++ });
  const reader = body.getReader();
  const reading = reader.read();
  await reader.cancel();
  next.resolve(new Uint8Array(1));
  assert.equal((await reading).done, true);
  await settle();
  assert.equal(endings.length, 1);
  assert.equal(closed, 1);
});

Deno.test("an aborted signal breaks the body off with its reason", async () => {
  const controller = new AbortController();
  const source = new FakeSource([1, 1, 1]);
  const { body, endings } = watched(source, controller.signal);
  const reader = body.getReader();
  await reader.read();
  const reason = new Error("the server was told to stop");
  controller.abort(reason);
  await assert.rejects(reader.read(), reason);
  assert.deepEqual(endings.map(({ error }) => error), [reason]);
  assert.equal(source.closed, 1);
});

Deno.test("a body that begins after the signal was aborted is broken off at once", async () => {
  const reason = new Error("the server was told to stop");
  const source = new FakeSource([1, 1, 1]);
  const { body, endings } = watched(source, AbortSignal.abort(reason));
  await assert.rejects(new Response(body).bytes(), reason);
  assert.deepEqual(endings, [{ error: reason, bytes: 0 }]);
  assert.equal(source.asked, 0);
  assert.equal(source.closed, 1);
});

Deno.test("a reader that takes nothing loses its place", async () => {
  using timers = fakeTimers();
  const source = new FakeSource([1, 1, 1]);
  const { body, endings } = watched(source);
  await settle();
  assert.equal(timers.waiting, 1);
  timers.expire();
  assert.equal(endings.length, 1);
  assert.match(String(endings[0]!.error), /took nothing/);
  assert.equal(source.closed, 1);
  await assert.rejects(new Response(body).bytes(), /took nothing/);
});

Deno.test("no timer is left behind, however a body ends", async () => {
  using timers = fakeTimers();
  await new Response(watched(new FakeSource([1, 1])).body).bytes();
  await assert.rejects(new Response(watched(new FakeSource([1], new Error())).body).bytes());
  const gone = watched(new FakeSource([1, 1, 1])).body.getReader();
  await gone.read();
  await gone.cancel();
  await settle();
  assert.equal(timers.waiting, 0);
});
