/** Peers that lie, break off, stall or never end, when they speak of manifests and content. */

import assert from "node:assert/strict";

import { digestOf } from "../../lib/manifest/digest_of.ts";
import { streamOf } from "../serve/implementations.ts";
import { file } from "../vectors/trees.ts";
import { but, CASES, NODES, text } from "./lib/hostile_contents.ts";
import { Scene, withPeer } from "./lib/hostile_fetch.ts";
import { busy, content, HostilePeer, partial, sized } from "./lib/hostile_peer.ts";
import { digestsIn, freePort } from "./lib/machine.ts";
import { programs, run } from "./lib/program.ts";

for (const program of programs()) {
  for (const { name, answering, code, reason } of CASES) {
    Deno.test(`${program.name}: a peer that ${name} is refused, and another one is used`, async () => {
      // Two at once, for some of it is waiting.
      await using alone = await Scene.open(program, NODES);
      await using both = await Scene.open(program, NODES);
      await using evil = new HostilePeer(answering(alone.implementation));
      // Both are asked at once: the good one has no place until the other was found out.
      const good = content(both.implementation);
      let place = false;
      await using waited = new HostilePeer((asked) => place ? good(asked) : busy(0.5));
      await using fetching = both.start(evil.host, waited.host);
      const found = fetching.output(new RegExp(`^0share: warning: Peer ${evil.host} `, "m"))
        .finally(() => place = true);
      const [refused, fetched] = await Promise.all([
        alone.fetch(evil.host),
        fetching.ended,
        found,
      ]);
      alone.assertRefused(refused, code, evil.host, reason);
      await both.assertFetched(fetched);
    });
  }

  Deno.test(`${program.name}: a peer that sends elsewhere is not followed there`, async () => {
    await using scene = await Scene.open(program, NODES);
    const { implementation } = scene;
    await using elsewhere = new HostilePeer(content(implementation));
    for (const what of ["manifest", "content"] as const) {
      const answering = but(what, () => ({
        status: 302,
        headers: [
          `Location: http://${elsewhere.host}/implementation/${implementation.digest}/${what}`,
          "Content-Length: 0",
        ],
      }));
      await withPeer(answering(implementation), async (evil) => {
        const result = await scene.fetch(evil.host);
        scene.assertRefused(result, 3, evil.host, /^it answered 302 /);
      });
    }
    assert.deepEqual(elsewhere.asked, []);
  });

  Deno.test(`${program.name}: what was right of a peer that then fails is not asked for again`, async () => {
    await using scene = await Scene.open(program, NODES);
    const { implementation } = scene;
    const half = but("content", (stream, start, end) => ({
      ...partial(stream.slice(start, end), start, stream.length),
      body: stream.slice(start, Math.min(end, 700_000)),
    }));
    await using first = new HostilePeer(half(implementation));
    scene.assertRefused(await scene.fetch(first.host), 3, first.host, /./);
    // It knows no ranges, and so cannot go on where the first one stopped.
    await using whole = new HostilePeer(
      but("content", (stream) => sized(stream))(implementation),
    );
    scene.assertRefused(await scene.fetch(whole.host), 3, whole.host, /^it answered 200 /);
    await using good = new HostilePeer(content(implementation));
    await scene.assertFetched(await scene.fetch(whole.host, good.host));
    const asked = good.asked.flatMap(({ range }) => range ?? []);
    const bytes = asked.reduce((sum, { start, end }) => sum + end - start, 0);
    assert.ok(bytes > 0 && bytes <= streamOf(implementation).length - 600_000, `${bytes}`);
  });

  Deno.test(`${program.name}: manifests that hash to their digests and are none are refused`, async () => {
    const hash = "a".repeat(64);
    const bodies = [
      `F ${hash} 1 1 ..\n`,
      `F ${hash} 1 1 .\n`,
      `F ${hash} 1 1 \n`,
      `F ${hash} 1 1 ../../x\n`,
      `F ${hash} 1 1 /etc/x\n`,
      `D /..\n`,
      `D /../x\n`,
      `D //etc\n`,
      `D etc\n`,
      `D /a/b\n`,
      `F ${hash} 1 1 a\nF ${hash} 1 1 a\n`,
      `F ${hash} 1 1 a\nD /a\n`,
      `S ${hash} 4 a\nD /a\nF ${hash} 1 1 x\n`,
      `F ${hash} 1 1 b\nF ${hash} 1 1 a\n`,
      `F ${hash} 1 01 a\n`,
      `F ${hash} 1 -1 a\n`,
      `F ${hash} 1 99999999999999999999 a\n`,
      `F ${hash.toUpperCase()} 1 1 a\n`,
      `F ${hash} 1 1 a\0b\n`,
      `F ${hash} 1 1 a`,
      `F ${hash} 1 1 a\n\n`,
      `H ${hash} 1 1 a\n`,
      "\n",
      "\ufeffD /a\n",
    ].map(text);
    bodies.push(new Uint8Array([...text(`F ${hash} 1 1 `), 0xff, 0x0a]));
    const manifests = new Map(
      bodies.map((body) => [`/implementation/${digestOf("sha256new", body)}/manifest`, body]),
    );
    await using scene = await Scene.open(program, NODES);
    await using evil = new HostilePeer(({ path }) => {
      const body = manifests.get(path);
      return body === undefined ? undefined : sized(body);
    });
    const result = await run(
      program,
      ["fetch", ...bodies.map((body) => digestOf("sha256new", body)), "-H", evil.host],
      { env: scene.machine.env },
    );
    assert.equal(result.code, 4, result.stderr);
    const refusals = result.stderr.match(
      new RegExp(`^Peer ${evil.host} sent what does not verify: Cannot read manifest`, "gm"),
    );
    assert.equal(refusals?.length, bodies.length, result.stderr);
    scene.assertNothing();
  });

  Deno.test(`${program.name}: only answers that repeat the nonce, or know none, are believed`, async () => {
    await using scene = await Scene.open(program, [file("a", "a")]);
    const { implementation } = scene;
    const { digest } = implementation;
    const port = freePort();
    const here = `--discovery-port ${port} --timeout`;
    const nonceOf = (query: string) => /^nonce [0-9a-f]{16}$/m.exec(query)?.[0];
    await using liar = new HostilePeer(content(implementation));
    for (
      const reply of [
        `0share-reply\nport ${liar.port}\nhave ${digest}\nnonce 0123456789abcdef\n`,
        `0share-reply\nport ${liar.port}\nhave sha256new_${"A".repeat(52)}\n`,
        `0share-reply\nport ${liar.port}\nport ${liar.port}\nhave ${digest}\n`,
        `0share-reply\nport 0\nhave ${digest}\n`,
        `0share-reply\nport 99999\nhave ${digest}\n`,
        `0share-reply\nhave ${digest}\n`,
        `0share-reply\nport ${liar.port}\nhave ${digest}/../x\n`,
        `0share-reply\nport ${liar.port}\nhave ${digest}\n${"x".repeat(2000)}\n`,
        "",
        "\0\uffff",
      ]
    ) liar.respond(port, () => reply);
    // A reply cannot name another machine: what is no port is none.
    liar.respond(
      port,
      (query) => `0share-reply\nport 127.0.0.1:${liar.port}\nhave ${digest}\n${nonceOf(query)}\n`,
    );
    const nobody = await scene.fetch(`${here} 1`);
    assert.equal(nobody.code, 3, nobody.stderr);
    assert.match(nobody.stderr, /^0share: error: Nobody has /m);
    assert.deepEqual(liar.asked, []);
    scene.assertNothing();

    await using old = new HostilePeer(content(implementation));
    old.respond(port, (query) => {
      assert.match(query, /^0share\n/);
      return `0share-reply\nport ${old.port}\nhave ${digest}`;
    });
    await scene.assertFetched(await scene.fetch(`${here} 10`));
    assert.deepEqual(liar.asked, []);
  });

  Deno.test(`${program.name}: of peers that are found, those that lie do not keep a good one from being used`, async () => {
    await using scene = await Scene.open(program, NODES);
    const { implementation } = scene;
    const { digest } = implementation;
    const port = freePort();
    const liars = CASES.filter(({ name }) => /one bit|another range|another impl/.test(name));
    assert.equal(liars.length, 3);
    await using peers = new AsyncDisposableStack();
    for (const { answering } of liars) {
      const evil = peers.use(new HostilePeer(answering(implementation)));
      evil.respond(port, () => `0share-reply\nport ${evil.port}\nhave ${digest}\n`);
    }
    const alone = await scene.fetch(`--discovery-port ${port} --timeout 2`);
    assert.equal(alone.code, 4, alone.stderr);
    scene.assertNothing();
    const good = peers.use(new HostilePeer(content(implementation)));
    // Later than the others, as whoever is honest and far away.
    good.respond(port, () => `0share-reply\nport ${good.port}\nhave ${digest}\n`);
    await scene.assertFetched(await scene.fetch(`--discovery-port ${port} --timeout 10`));
    assert.deepEqual(digestsIn(scene.machine.store), [digest]);
  });
}
