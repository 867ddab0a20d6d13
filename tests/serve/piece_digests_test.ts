import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { MAX_COMPUTATIONS } from "../../lib/wire/limits.ts";
import { file, type Node } from "../vectors/trees.ts";
import { Answering } from "./answering.ts";
import { noise, streamOf } from "./implementations.ts";

const PIECE = 262_144;

const NODES: readonly Node[] = [
  file("a", noise(1, 5 * PIECE + 100)),
  file("b", noise(2, 1000)),
];

function expected(stream: Uint8Array): Uint8Array {
  const digests: number[] = [];
  for (let start = 0; start < stream.length; start += PIECE) {
    const piece = stream.slice(start, start + PIECE);
    digests.push(...createHash("sha256").update(piece).digest());
  }
  return Uint8Array.from(digests);
}

/** Counts how often files are opened. */
function watchOpens(): { count: number } & Disposable {
  const { openSync } = Deno;
  const watch = {
    count: 0,
    [Symbol.dispose]: () => void (Deno.openSync = openSync),
  };
  Deno.openSync = (...args) => {
    watch.count++;
    return openSync(...args);
  };
  return watch;
}

Deno.test("the digests are the SHA-256 of each piece, and their length is known before", async () => {
  using answering = new Answering();
  const added = await answering.add(NODES);
  const path = `/implementation/${added.digest}/piece-digests`;
  const head = await answering.ask(path, { method: "HEAD" });
  assert.equal(head.headers.get("content-length"), "192");
  const response = await answering.ask(path);
  assert.equal(response.headers.get("content-length"), "192");
  assert.deepEqual(await response.bytes(), expected(streamOf(added)));
});

Deno.test("what a tree without contents has no digests of is empty", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("empty", "")]);
  const response = await answering.ask(`/implementation/${digest}/piece-digests`);
  assert.equal(response.status, 200);
  assert.equal((await response.bytes()).length, 0);
});

Deno.test("all who ask share one computation, and whoever comes later, too", async () => {
  using answering = new Answering();
  const { digest } = await answering.add(NODES);
  const path = `/implementation/${digest}/piece-digests`;
  using opens = watchOpens();
  const responses = await Promise.all([1, 2, 3].map(() => answering.ask(path)));
  const [first, ...others] = await Promise.all(responses.map((response) => response.bytes()));
  for (const other of others) assert.deepEqual(other, first);
  assert.deepEqual(await (await answering.ask(path)).bytes(), first);
  assert.equal(opens.count, 2);
});

Deno.test("one who goes away does not end it for the others", async () => {
  using answering = new Answering();
  const added = await answering.add(NODES);
  const path = `/implementation/${added.digest}/piece-digests`;
  const [first, second] = [await answering.ask(path), await answering.ask(path)];
  await first.body!.cancel();
  assert.deepEqual(await second.bytes(), expected(streamOf(added)));
});

Deno.test("a damaged file breaks all answers off, and the implementation is out of service", async () => {
  using answering = new Answering();
  const { digest, path } = await answering.add(NODES);
  const bytes = Deno.readFileSync(`${path}/a`);
  bytes[0]! ^= 1;
  Deno.writeFileSync(`${path}/a`, bytes);
  const target = `/implementation/${digest}/piece-digests`;
  const responses = [await answering.ask(target), await answering.ask(target)];
  for (const response of responses) await assert.rejects(response.bytes(), /hash should be/);
  assert.equal(answering.events.filter(({ kind }) => kind === "damaged").length, 1);
  assert.equal((await answering.ask(target)).status, 404);
});

Deno.test("the computation leaves the event loop to others", async () => {
  using answering = new Answering();
  const { digest } = await answering.add([file("a", noise(1, 40 * PIECE))]);
  let turns = 0;
  let over = false;
  const counting = (async () => {
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve));
      turns++;
    }
  })();
  await (await answering.ask(`/implementation/${digest}/piece-digests`)).bytes();
  over = true;
  await counting;
  assert.ok(turns >= 3, `${turns}`);
});

/** As many implementations, each with a file of its own. */
async function several(answering: Answering, count: number): Promise<string[]> {
  const paths = [];
  for (let index = 0; index < count; index++) {
    const { digest } = await answering.add([file("f", noise(index, 100))]);
    paths.push(`/implementation/${digest}/piece-digests`);
  }
  return paths;
}

/** Asks for one after the other, each from one of some addresses, before any is computed. */
async function askAll(answering: Answering, paths: readonly string[]): Promise<Response[]> {
  const responses = [];
  for (const [index, path] of paths.entries()) {
    responses.push(await answering.ask(path, { from: `192.168.1.${index % 12 + 2}` }));
  }
  return responses;
}

Deno.test("nothing is read for those who have gone away before their turn", async () => {
  using answering = new Answering();
  const [last, ...others] = await several(answering, 40);
  using opens = watchOpens();
  for (const path of others) await (await answering.ask(path)).body!.cancel();
  assert.equal((await (await answering.ask(last!)).bytes()).length, 32);
  // What is asked for first may have had its turn already.
  assert.ok(opens.count <= 2, `${opens.count} files`);
});

Deno.test("a computation ends when the last one goes away who waits for it", async () => {
  using answering = new Answering();
  const files = Array.from({ length: 80 }, (_, index) => file(`f${index}`, noise(index, PIECE)));
  const { digest } = await answering.add(files);
  const path = `/implementation/${digest}/piece-digests`;
  using opens = watchOpens();
  const responses = [await answering.ask(path), await answering.ask(path)];
  for (const { body } of responses) {
    const reader = body!.getReader();
    await reader.read();
    await reader.cancel();
  }
  const other = await answering.add([file("f", "x")]);
  assert.equal(
    (await (await answering.ask(`/implementation/${other.digest}/piece-digests`)).bytes()).length,
    32,
  );
  assert.ok(opens.count < 80, `${opens.count} files`);
  const whole = await (await answering.ask(path)).bytes();
  assert.equal(whole.length, 80 * 32);
});

Deno.test("what somebody waits for is computed once, however much else is asked for", async () => {
  using answering = new Answering();
  const paths = await several(answering, 24);
  using opens = watchOpens();
  const responses = await askAll(answering, [...paths, ...paths]);
  const all = await Promise.all(responses.map((response) => response.bytes()));
  assert.deepEqual(all.slice(0, 24), all.slice(24));
  assert.equal(opens.count, 24);
});

Deno.test("who asks for one of too many is asked to come back", async () => {
  using answering = new Answering();
  const paths = await several(answering, MAX_COMPUTATIONS + 1);
  const last = paths.pop()!;
  const responses = await askAll(answering, paths);
  const refused = await answering.ask(last);
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  assert.equal((await answering.ask(last, { method: "HEAD" })).status, 200);
  const same = await answering.ask(paths[0]!);
  assert.equal(same.status, 200);
  for (const response of [...responses, same]) {
    assert.equal((await response.bytes()).length, 32);
  }
  const again = await answering.ask(last);
  assert.equal((await again.bytes()).length, 32);
});
