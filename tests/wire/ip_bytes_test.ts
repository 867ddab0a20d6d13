import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import { addressOfBytes, bytesOfAddress } from "../../lib/wire/ip_bytes.ts";
import { address } from "./dns_arbitraries.ts";

Deno.test("an address is the same after it was bytes", () => {
  fc.assert(fc.property(address, (address) => {
    assert.equal(addressOfBytes(bytesOfAddress(address)!), address);
  }));
});

Deno.test("an address is written as URLs write it", () => {
  fc.assert(fc.property(address, (address) => {
    const host = address.includes(":") ? `[${address}]` : address;
    assert.equal(new URL(`http://${host}/`).hostname, host);
  }));
});

Deno.test("an address may be spelled in all ways that there are", () => {
  const cases: [string, string][] = [
    ["FE80:0:0:0:0:0:0:1%eth0", "fe80::1"],
    ["::", "::"],
    ["::ffff:192.168.2.1", "::ffff:c0a8:201"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["1::3:4:5:6:7:8", "1:0:3:4:5:6:7:8"],
    ["10.0.0.255", "10.0.0.255"],
  ];
  for (const [text, expected] of cases) {
    assert.equal(addressOfBytes(bytesOfAddress(text)!), expected);
  }
});

Deno.test("what is no address has no bytes, and all that has is one", () => {
  for (const text of ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", ":", ":::", "1::2::3"]) {
    assert.equal(bytesOfAddress(text), undefined, text);
  }
  fc.assert(fc.property(fc.stringMatching(/^[0-9a-f:.]{0,20}$/), (text) => {
    assert.equal(bytesOfAddress(text) !== undefined, isIP(text) !== 0, text);
  }));
});

Deno.test("bytes that are no address are refused", () => {
  assert.throws(() => addressOfBytes(new Uint8Array(5)), RangeError);
});
