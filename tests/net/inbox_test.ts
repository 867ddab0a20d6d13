import assert from "node:assert/strict";
import { handleEach, type Message } from "../../lib/net/inbox.ts";

async function* messages(count: number): AsyncGenerator<Message> {
  for (let port = 0; port < count; port++) {
    await Promise.resolve();
    yield { bytes: new Uint8Array(), from: { address: "192.168.77.2", port } };
  }
}

Deno.test("a message that cannot be handled is told of, and the next one is handled", async () => {
  for (
    const fail of [
      () => {
        throw new RangeError("bad");
      },
      () => Promise.reject("bad"),
    ]
  ) {
    const handled: number[] = [];
    const failures: string[] = [];
    await handleEach(
      messages(4),
      ({ from }) => from.port % 2 === 0 ? fail() : void handled.push(from.port),
      ({ message }) => failures.push(message),
    );
    assert.deepEqual([handled, failures], [[1, 3], ["bad", "bad"]]);
  }
});

Deno.test("a message is handled when the one before it is done with", async () => {
  const steps: string[] = [];
  await handleEach(messages(2), async ({ from }) => {
    steps.push(`begin ${from.port}`);
    await Promise.resolve();
    steps.push(`end ${from.port}`);
  }, assert.fail);
  assert.deepEqual(steps, ["begin 0", "end 0", "begin 1", "end 1"]);
});
