import assert from "node:assert/strict";
import { Arrivals } from "../../lib/fetch/arrivals.ts";

function never(): AbortSignal {
  return new AbortController().signal;
}

function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

Deno.test("what has come is taken in its order, each key once, also after the time", async () => {
  const arrivals = new Arrivals<string>(never());
  assert.deepEqual(
    [arrivals.add("a", "1"), arrivals.add("b", "2"), arrivals.add("a", "3")],
    [true, true, false],
  );
  assert.deepEqual(await Array.fromAsync(arrivals), ["1", "2"]);
});

Deno.test("what comes before the time is waited for", async () => {
  const arrivals = new Arrivals<string>(never());
  arrivals.endAt(performance.now() + 60_000);
  const taken = Array.fromAsync(arrivals);
  await soon();
  arrivals.add("a", "1");
  await soon();
  arrivals.endAt(performance.now());
  assert.deepEqual(await taken, ["1"]);
});

Deno.test("as long as somebody holds it open there may be more, whatever the time is", async () => {
  const arrivals = new Arrivals<string>(never());
  const [first, second] = [arrivals.hold(), arrivals.hold()];
  const taken = Array.fromAsync(arrivals);
  first[Symbol.dispose]();
  await soon();
  arrivals.add("a", "1");
  second[Symbol.dispose]();
  assert.deepEqual(await taken, ["1"]);
});

Deno.test("an abort ends the waiting with its reason", async () => {
  const controller = new AbortController();
  const arrivals = new Arrivals<string>(controller.signal);
  using _open = arrivals.hold();
  const taken = Array.fromAsync(arrivals);
  await soon();
  controller.abort(new Error("enough"));
  await assert.rejects(taken, /enough/);
});
