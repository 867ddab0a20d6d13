import assert from "node:assert/strict";
import { UsageError } from "../../lib/errors.ts";
import { accessFor } from "../../lib/serve/access.ts";

function assertAdmits(allow: readonly string[], expected: Record<string, boolean>): void {
  const access = accessFor(allow, []);
  const actual = Object.fromEntries(
    Object.keys(expected).map((address) => [address, access.admits(address)]),
  );
  assert.deepEqual(actual, expected);
}

Deno.test("the local network is admitted unless something else is said, and nothing beyond", () => {
  assertAdmits([], {
    "127.0.0.1": true,
    "127.255.255.254": true,
    "10.0.0.0": true,
    "10.255.255.255": true,
    "11.0.0.0": false,
    "9.255.255.255": false,
    "172.15.255.255": false,
    "172.16.0.1": true,
    "172.31.255.255": true,
    "172.32.0.0": false,
    "192.168.7.9": true,
    "192.169.0.0": false,
    "169.254.1.2": true,
    "100.64.0.1": false,
    "8.8.8.8": false,
    "0.0.0.0": false,
    "::1": true,
    "::": false,
    "::2": false,
    "fe80::1": true,
    "febf::1": true,
    "fec0::1": false,
    "fd00::1": true,
    "fc00::1": true,
    "fe00::1": false,
    "2001:db8::1": false,
  });
});

Deno.test("an address with a scope is judged without it", () => {
  assertAdmits([], { "fe80::1%eth0": true, "fe80::1%2": true, "2001:db8::1%eth0": false });
});

Deno.test("an IPv4 address that came over an IPv6 socket is judged as IPv4", () => {
  assertAdmits([], {
    "::ffff:192.168.1.2": true,
    "::FFFF:127.0.0.1": true,
    "::ffff:8.8.8.8": false,
    "::ffff:0808:0808": false,
  });
  assertAdmits(["8.8.8.0/24"], { "::ffff:8.8.8.8": true, "::ffff:192.168.1.2": false });
});

Deno.test("what is no address is not admitted", () => {
  assertAdmits(["0.0.0.0/0", "::/0"], {
    "": false,
    "localhost": false,
    "%eth0": false,
    "1.2.3": false,
    "1.2.3.4": true,
    "2001:db8::1": true,
  });
});

Deno.test("networks that are named replace the local network, but this machine stays", () => {
  assertAdmits(["192.168.7.0/25", "2001:db8::/64", "203.0.113.9"], {
    "192.168.7.127": true,
    "192.168.7.128": false,
    "10.0.0.1": false,
    "fe80::1": false,
    "2001:db8::ffff": true,
    "2001:db8:0:1::1": false,
    "203.0.113.9": true,
    "203.0.113.8": false,
    "127.0.0.1": true,
    "::1": true,
  });
});

Deno.test("a network's address may have bits behind its length", () => {
  assertAdmits(["192.168.7.77/24"], { "192.168.7.1": true, "192.168.8.77": false });
});

for (
  const network of [
    "",
    "localhost",
    "192.168.7.0/33",
    "192.168.7.0/",
    "192.168.7.0/-1",
    "192.168.7.0/24/8",
    "192.168.7.0/2 4",
    "192.168.7/24",
    "::/129",
    "/24",
    "[::1]",
    "*",
    "fe80::1%eth0",
    "fe80::%eth0/64",
  ]
) {
  Deno.test(`refuses ${JSON.stringify(network)} as a network`, () => {
    assert.throws(() => accessFor([network], []), UsageError);
  });
}

const HOSTS: Record<string, boolean> = {
  "localhost": true,
  "LocalHost:38339": true,
  "localhost.": true,
  "127.0.0.1": true,
  "127.0.0.1:38339": true,
  "192.168.7.9:1": true,
  "[::1]": true,
  "[::1]:38339": true,
  "[fe80::1%25eth0]:38339": true,
  "mine": true,
  "MINE:38339": true,
  "mine.": true,
  "mine.local": true,
  "Mine.Local.:38339": true,
  "mine.home.arpa": true,
  "": false,
  ".": false,
  "::1": false,
  "evil.example": false,
  "evil.example:38339": false,
  "mine.evil.example": false,
  "mine.local.evil.example": false,
  "local": false,
  "other.local": false,
  "notmine": false,
  "localhost.evil.example": false,
  "127.0.0.1.evil.example": false,
  "[::1].evil.example": false,
  "[evil.example]": false,
  "127.0.0.1:80:80": false,
  "evil.example%127.0.0.1": false,
  "localhost..": false,
  "2130706433": false,
};

for (const [host, admitted] of Object.entries(HOSTS)) {
  Deno.test(`${admitted ? "admits" : "refuses"} a request for the host ${JSON.stringify(host)}`, () => {
    assert.equal(accessFor([], ["Mine"]).admitsHost(host), admitted);
  });
}

Deno.test("a request without a Host header comes from no browser and is admitted", () => {
  assert.equal(accessFor([], []).admitsHost(null), true);
});
