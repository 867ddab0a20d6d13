import assert from "node:assert/strict";
import { fromSystem, isLinkLocal, type SystemInterface } from "../../lib/net/interfaces.ts";
import { waysOf } from "../../lib/net/ask.ts";
import { GROUP } from "../../lib/net/multicast.ts";

function v4(name: string, address: string, netmask: string): SystemInterface {
  return { name, family: "IPv4", address, netmask, scopeid: null };
}

function v6(name: string, address: string, scopeid: number): SystemInterface {
  return { name, family: "IPv6", address, netmask: "ffff:ffff:ffff:ffff::", scopeid };
}

const FOUND = [
  v4("lo", "127.0.0.1", "255.0.0.0"),
  v4("eth0", "192.168.2.17", "255.255.255.0"),
  v6("lo", "::1", 0),
  v6("eth0", "fd00::2", 0),
  v6("eth0", "fe80::1234", 4),
];

Deno.test("the broadcast address has all host bits set", () => {
  const cases: [string, string, string | undefined][] = [
    ["192.168.2.17", "255.255.255.0", "192.168.2.255"],
    ["10.1.2.3", "255.0.0.0", "10.255.255.255"],
    ["172.16.5.9", "255.255.252.0", "172.16.7.255"],
    ["192.168.2.17", "255.255.255.252", "192.168.2.19"],
    ["200.1.2.3", "128.0.0.0", "255.255.255.255"],
    ["1.2.3.4", "0.0.0.0", "255.255.255.255"],
    ["192.168.2.17", "255.255.255.254", undefined],
    ["192.168.2.17", "255.255.255.255", undefined],
  ];
  for (const [address, netmask, broadcast] of cases) {
    assert.equal(fromSystem([v4("a", address, netmask)])[0]!.broadcast, broadcast, address);
  }
});

Deno.test("every address of an interface gets the number that its link-local one comes with", () => {
  const found = fromSystem(FOUND);
  assert.deepEqual(found.map(({ name, index }) => [name, index]), [
    ["lo", 0],
    ["eth0", 4],
    ["lo", 0],
    ["eth0", 4],
    ["eth0", 4],
  ]);
  assert.deepEqual(found.map(({ loopback }) => loopback), [true, false, true, false, false]);
  assert.deepEqual(structuredClone(found), found);
});

Deno.test("link-local is fe80::/10", () => {
  for (const address of ["fe80::1", "FE80::1", "fe9a::", "febf::1"]) {
    assert.ok(isLinkLocal(address));
  }
  for (const address of ["fec0::1", "fe7f::1", "fd00::fe80", "169.254.1.1", "::1"]) {
    assert.ok(!isLinkLocal(address), address);
  }
});

Deno.test("asks each link once by each family, from an address of its own", () => {
  const thisMachine = Deno.build.os === "linux" ? "127.255.255.255" : "127.0.0.1";
  assert.deepEqual(waysOf(fromSystem(FOUND)), [
    { address: "127.0.0.1", targets: [thisMachine], scope: "" },
    { address: "192.168.2.17", targets: ["192.168.2.255", "255.255.255.255"], scope: "" },
    { address: "::1", targets: ["::1"], scope: "" },
    { address: "fe80::1234", targets: [`${GROUP}%4`], scope: "%4" },
  ]);
});

Deno.test("does not ask a link that has no broadcast", () => {
  assert.deepEqual(waysOf(fromSystem([v4("ppp0", "10.0.0.1", "255.255.255.255")])), []);
});

Deno.test("who may not list the interfaces asks the one that the system chooses", () => {
  assert.deepEqual(waysOf([]).map(({ address, targets }) => [address, targets[0]]), [
    ["0.0.0.0", "255.255.255.255"],
  ]);
});
