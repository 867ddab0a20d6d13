/** Whether 0install makes progress, from what the system knows of its processes. */

import assert from "node:assert/strict";
import { bytesMoved, Progress } from "../../lib/zeroinstall/activity.ts";
import { needs } from "../skips.ts";

const MUCH = 20_000;

Deno.test("something that moves enough goes on", () => {
  const progress = new Progress(0);
  for (let now = 0; now < 100_000; now += 500) {
    assert.ok(progress.goesOn(now / 500 * MUCH / 8, now), `${now}`);
  }
});

Deno.test("something that stands still, or only draws its bar, does not go on after a while", () => {
  for (const bytesPerSecond of [0, 500]) {
    const progress = new Progress(0);
    const wentOn = [0, 1000, 3999, 4000, 60_000].map((now) =>
      progress.goesOn(1_000_000 + now / 1000 * bytesPerSecond, now)
    );
    assert.deepEqual(wentOn.slice(0, 4), [true, true, true, false]);
  }
});

Deno.test("it goes on again as soon as something comes, and when a child has ended", () => {
  const progress = new Progress(0);
  assert.ok(progress.goesOn(MUCH, 0));
  assert.ok(!progress.goesOn(MUCH, 5000));
  assert.ok(progress.goesOn(2 * MUCH, 6000));
  assert.ok(!progress.goesOn(2 * MUCH, 11_000));
  assert.ok(progress.goesOn(5, 12_000));
});

Deno.test("where the system does not tell, it is taken to go on", () => {
  const progress = new Progress(0);
  for (const now of [0, 5000, 50_000]) assert.ok(progress.goesOn(undefined, now));
});

Deno.test({
  name: "what a process and its child write and read is counted, as long as they run",
  ...needs("linux"),
  fn: async () => {
    // The child of the shell writes when it is told to, itself, and stays.
    const script = "sh -c 'read go; printf %0100000d 0; echo done >&2; read stop'; true";
    const child = new Deno.Command("sh", {
      args: ["-c", script],
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    const reader = child.stderr.getReader();
    const before = bytesMoved(child.pid);
    assert.ok(before !== undefined);
    await writer.write(new TextEncoder().encode("go\n"));
    await reader.read();
    assert.ok(bytesMoved(child.pid)! >= before + 100_000);
    await writer.write(new TextEncoder().encode("stop\n"));
    await writer.close();
    assert.equal((await reader.read()).done, true);
    await child.status;
    assert.equal(bytesMoved(child.pid), undefined);
  },
});
