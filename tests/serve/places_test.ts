import assert from "node:assert/strict";
import http2 from "node:http2";
import { Places } from "../../lib/serve/places.ts";
import {
  MAX_TRANSFERS_PER_ADDRESS,
  MAX_UNSENT_PER_ADDRESS,
  STALLED_READER_MS,
} from "../../lib/wire/limits.ts";
import { file } from "../vectors/trees.ts";
import { Answering } from "./answering.ts";
import { noise } from "./implementations.ts";

const PIECE = 262_144;

/** Lets everything that is ready run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Lets the time be over that a reader has to take something. */
function fakeTimers(): { expire(): void } & Disposable {
  const { setTimeout } = globalThis;
  const waiting: (() => void)[] = [];
  Object.assign(globalThis, {
    setTimeout: (call: () => void, delay?: number) =>
      delay === STALLED_READER_MS ? waiting.push(call) + 1_000_000 : setTimeout(call, delay),
  });
  return {
    expire: () => waiting.splice(0).forEach((call) => call()),
    [Symbol.dispose]: () => void Object.assign(globalThis, { setTimeout }),
  };
}

Deno.test("an answer that was handed over keeps its place until it was sent", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", noise(1, PIECE))]);
  const path = `/implementation/${digest}/pieces/0`;
  const readers = Array.from({ length: MAX_TRANSFERS_PER_ADDRESS }, () => {
    return Promise.withResolvers<void>();
  });
  for (const { promise } of readers) {
    const response = await answering.ask(path, { completed: promise });
    assert.equal((await response.bytes()).length, PIECE);
  }
  assert.equal((await answering.ask(path)).status, 503);
  const [first, second, ...others] = readers;
  first!.resolve();
  second!.reject(new Error("its reader went away"));
  await settle();
  for (let index = 0; index < 2; index++) {
    const response = await answering.ask(path, { completed: others[0]!.promise });
    assert.equal(response.status, 200);
    await response.bytes();
  }
  assert.equal((await answering.ask(path)).status, 503);
  others.forEach(({ resolve }) => resolve());
  await settle();
});

Deno.test("an answer that stays unsent loses its place to others, a bounded number of times", () => {
  using timers = fakeTimers();
  const never = new Promise<void>(() => {});
  const places = new Places();
  const stalled = { from: "a", completed: never };
  for (let index = 0; index < MAX_UNSENT_PER_ADDRESS; index++) {
    const place = places.forTransfer(stalled);
    assert.ok(place !== undefined, `place ${index}`);
    place(index % 2 === 0 ? undefined : new Error("its reader took nothing"));
    timers.expire();
  }
  assert.equal(places.forTransfer(stalled), undefined);
  assert.equal(places.forBytes(stalled), undefined);
  assert.ok(places.forTransfer({ from: "b", completed: never }) !== undefined);
});

Deno.test("what cannot be sent at all gives its places back", () => {
  const places = new Places();
  for (let index = 0; index < 2 * MAX_UNSENT_PER_ADDRESS; index++) {
    const place = places.forTransfer({ from: "a" });
    assert.ok(place !== undefined, `place ${index}`);
    place(new Error("it is damaged"));
  }
});

Deno.test("no address has more manifests under way than it has places for", async () => {
  using answering = new Answering();
  const { digest, manifestBytes } = await answering.add([file("a", "b")]);
  const path = `/implementation/${digest}/manifest`;
  const sent = Promise.withResolvers<void>();
  const ask = (from: string) => answering.ask(path, { from, completed: sent.promise });
  for (let index = 0; index < MAX_UNSENT_PER_ADDRESS; index++) {
    assert.deepEqual(await (await ask("192.168.1.2")).bytes(), manifestBytes);
  }
  const refused = await ask("192.168.1.2");
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  assert.equal((await ask("192.168.1.3")).status, 200);
  assert.equal((await answering.ask(path, { method: "HEAD" })).status, 200);
  sent.resolve();
  await settle();
  assert.equal((await ask("192.168.1.2")).status, 200);
});

Deno.test("a room may ask for a manifest at the same moment", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", "b")]);
  const completed = new Promise<void>(() => {});
  const path = `/implementation/${digest}/manifest`;
  for (let machine = 1; machine <= 200; machine++) {
    const { status } = await answering.ask(path, { from: `192.168.1.${machine}`, completed });
    assert.equal(status, 200);
  }
});

Deno.test("one connection gets its pieces one after the other, and leaves no place taken", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", noise(1, 3 * PIECE))]);
  await using server = answering.listen();
  for (let round = 0; round < 2 * MAX_UNSENT_PER_ADDRESS; round++) {
    for (const what of ["manifest", `pieces/${round % 3}`]) {
      const response = await fetch(
        `http://127.0.0.1:${server.addr.port}/implementation/${digest}/${what}`,
      );
      await response.bytes();
      assert.equal(response.status, 200);
    }
  }
});

Deno.test("readers that take nothing have places until they go away", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", noise(1, PIECE))]);
  await using server = answering.listen();
  const path = `/implementation/${digest}/pieces/0`;
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const client = http2.connect(origin, { settings: { initialWindowSize: 0 } });
  const statuses = Array.from({ length: 2 * MAX_TRANSFERS_PER_ADDRESS }, () => {
    const request = client.request({ ":path": path });
    request.on("error", () => {});
    return new Promise((resolve) => {
      request.on("response", (headers) => resolve(headers[":status"]));
    });
  });
  const answered = await Promise.all(statuses);
  assert.equal(answered.filter((status) => status === 200).length, MAX_TRANSFERS_PER_ADDRESS);
  assert.equal(answered.filter((status) => status === 503).length, MAX_TRANSFERS_PER_ADDRESS);
  client.destroy();
  for (let status = 503; status === 503;) {
    const response = await fetch(`${origin}${path}`);
    await response.bytes();
    status = response.status;
  }
});
