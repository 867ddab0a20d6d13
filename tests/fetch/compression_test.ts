import assert from "node:assert/strict";
import { Compression } from "../../lib/fetch/compression.ts";

const SLOW = { bytes: 1e6, seconds: 0.1 };
const FAST = { bytes: 1e6, seconds: 0.001 };

Deno.test("auto takes pieces compressed from peers whose wire was found to be slow", () => {
  const compression = new Compression("auto");
  assert.equal(compression.accepts("192.168.7.9"), false);
  compression.measured("192.168.7.9", SLOW);
  assert.equal(compression.accepts("192.168.7.9"), true);
  compression.measured("192.168.7.9", FAST);
  assert.equal(compression.accepts("192.168.7.9"), false);
});

Deno.test("auto takes nothing compressed from this machine, however slow it is", () => {
  for (const peer of ["127.0.0.1", "127.0.0.1:4000", "127.8.8.8:1", "::1", "[::1]:4000"]) {
    const compression = new Compression("auto");
    compression.measured(peer, SLOW);
    assert.equal(compression.accepts(peer), false, peer);
    assert.equal(new Compression("always").accepts(peer), true, peer);
  }
  const other = new Compression("auto");
  other.measured("[::12]:4000", SLOW);
  assert.equal(other.accepts("[::12]:4000"), true);
});
