import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { Holdings } from "../../lib/serve/holdings.ts";
import { PieceReader } from "../../lib/serve/piece_reader.ts";
import { DamagedImplementation } from "../../lib/errors.ts";
import type { ServeEvent } from "../../lib/serve/events.ts";
import { needs } from "../skips.ts";
import { Scratch } from "../store/sample.ts";
import { directory, file, type Node, symlink } from "../vectors/trees.ts";
import { Download } from "./downloads.ts";
import {
  addImplementation,
  concatenate,
  type Implementation,
  noise,
  streamOf,
} from "./implementations.ts";

const PIECE = 262_144;

/** Five pieces and a bit: 0 and 1 begin and go on with "a", which ends in 2. */
const NODES: readonly Node[] = [
  file("a", noise(1, 2 * PIECE + 100)),
  directory("d"),
  file("d/b", noise(2, 1000)),
  file("d/c", noise(3, 3 * PIECE)),
];

class Fixture implements Disposable {
  readonly scratch = new Scratch();
  readonly store = this.scratch.directory("store");
  readonly events: ServeEvent[] = [];
  readonly holdings = new Holdings([this.store], (event) => this.events.push(event));

  origin(nodes: readonly Node[] = NODES): Promise<Implementation> {
    return addImplementation(this.scratch.directory("origin"), nodes);
  }

  [Symbol.dispose](): void {
    this.scratch[Symbol.dispose]();
  }
}

Deno.test("a download is a part, never a whole, and says at every call what it has then", async () => {
  using fixture = new Fixture();
  const origin = await fixture.origin();
  using download = new Download(fixture.store, origin);
  const { holdings } = fixture;
  assert.equal(holdings.find(origin.digest), undefined);
  const held = holdings.findAny(origin.digest)!;
  assert.deepEqual(held.manifestBytes, origin.manifestBytes);
  assert.deepEqual(held.piecesHere!(), Uint8Array.of(0, 0, 0, 0, 0, 0));
  download.set(2, 1, 4);
  download.set(1, 0);
  assert.deepEqual(held.piecesHere!(), Uint8Array.of(0, 1, 0, 0, 1, 0));
  download.set(0, 1);
  assert.deepEqual(held.piecesHere!(), Uint8Array.of(0, 0, 0, 0, 1, 0));
  assert.equal(holdings.findAny(origin.digest), held);
  download.abandon();
  assert.equal(held.piecesHere!(), undefined);
  // It may be taken to be there for a moment, with no piece.
  await delay(100);
  for (let question = 0; question < 3; question++) {
    assert.equal(holdings.findAny(origin.digest), undefined);
  }
  assert.deepEqual(fixture.events, []);
});

Deno.test("what is finished is a whole, wherever a download of it is left", async () => {
  using fixture = new Fixture();
  const origin = await fixture.origin();
  using _download = new Download(fixture.store, origin);
  Deno.renameSync(origin.path, `${fixture.store}/${origin.digest}`);
  assert.equal(fixture.holdings.findAny(origin.digest)?.piecesHere, undefined);
});

const WRONG: Record<string, (download: Download) => void> = {
  "no manifest": ({ control }) => Deno.removeSync(`${control}/manifest`),
  "the manifest of something else": ({ control }) =>
    Deno.writeTextFileSync(`${control}/manifest`, "D /x\n"),
  "a manifest that is none": ({ control }) => Deno.writeTextFileSync(`${control}/manifest`, "x"),
  "no piece states": ({ control }) => Deno.removeSync(`${control}/pieces`),
  "too few piece states": ({ control }) => Deno.truncateSync(`${control}/pieces`, 5),
};

for (const [name, spoil] of Object.entries(WRONG)) {
  Deno.test(`a download with ${name} is nothing, and nothing to report`, async () => {
    using fixture = new Fixture();
    const origin = await fixture.origin();
    using download = new Download(fixture.store, origin);
    download.set(2, 1);
    spoil(download);
    assert.equal(fixture.holdings.findAny(origin.digest), undefined);
    assert.deepEqual(fixture.events, []);
  });
}

Deno.test({
  name: "notes behind a symlink are nothing",
  ...needs("posix"),
  async fn() {
    for (const name of ["manifest", "pieces"]) {
      using fixture = new Fixture();
      const origin = await fixture.origin();
      using download = new Download(fixture.store, origin);
      Deno.renameSync(`${download.control}/${name}`, `${fixture.scratch.path}/${name}`);
      Deno.symlinkSync(`${fixture.scratch.path}/${name}`, `${download.control}/${name}`);
      assert.equal(fixture.holdings.findAny(origin.digest), undefined, name);
    }
  },
});

Deno.test("a tree that its manifest does not determine has no pieces", async () => {
  using fixture = new Fixture();
  const nodes = [directory("a"), file("a/x", "first"), file("y", "second")];
  const origin = await addImplementation(fixture.scratch.directory("origin"), nodes, "sha1");
  using download = new Download(fixture.store, origin);
  download.set(2, 0);
  assert.equal(fixture.holdings.findAny(origin.digest), undefined);
});

Deno.test({
  name: "a piece with a symlink's target is here only when the symlink is",
  ...needs("posix"),
  async fn() {
    using fixture = new Fixture();
    const origin = await fixture.origin([...NODES.slice(0, 1), symlink("link", "target")]);
    using download = new Download(fixture.store, origin);
    download.set(2, 0, 1, 2);
    const held = fixture.holdings.findAny(origin.digest)!;
    assert.deepEqual(held.piecesHere!(), Uint8Array.of(1, 1, 0));
    download.makeSymlinks();
    assert.deepEqual(held.piecesHere!(), Uint8Array.of(1, 1, 1));
    assert.deepEqual(readAll(new PieceReader(held, 2, 2)), streamOf(origin).slice(2 * PIECE));
    // The next run removes it at first.
    Deno.removeSync(`${download.tree}/link`);
    download.set(1, 2);
    assert.deepEqual(held.piecesHere!(), Uint8Array.of(1, 1, 0));
    download.set(2, 2);
    assert.deepEqual(held.piecesHere!(), Uint8Array.of(1, 1, 0));
  },
});

Deno.test("nothing but what is asked for is there, when that is said", async () => {
  using fixture = new Fixture();
  const origin = await fixture.origin();
  const other = await addImplementation(fixture.store, [file("x", "y")]);
  using _download = new Download(fixture.store, origin);
  const only = (...only: (typeof origin.digest)[]) =>
    new Holdings([fixture.store], () => {}, { only });
  assert.equal(only().findAny(origin.digest), undefined);
  assert.equal(only(origin.digest).find(other.digest), undefined);
  assert.equal(only(origin.digest).findAny(other.digest), undefined);
  assert.ok(only(origin.digest).findAny(origin.digest) !== undefined);
  assert.ok(only(other.digest).find(other.digest) !== undefined);
});

function readAll(reader: PieceReader): Uint8Array<ArrayBuffer> {
  const chunks: Uint8Array[] = [];
  for (let chunk; (chunk = reader.next()) !== undefined;) chunks.push(chunk);
  reader.close();
  return concatenate(chunks);
}

Deno.test("the pieces of a download are those of the whole", async () => {
  using fixture = new Fixture();
  const origin = await fixture.origin();
  using download = new Download(fixture.store, origin);
  download.set(2, 1, 2, 5);
  const held = fixture.holdings.findAny(origin.digest)!;
  const stream = streamOf(origin);
  assert.deepEqual(readAll(new PieceReader(held, 1, 2)), stream.slice(PIECE, 3 * PIECE));
  assert.deepEqual(readAll(new PieceReader(held, 5, 5)), stream.slice(5 * PIECE));
});

Deno.test("a piece that is taken back while it is read does not come out", async () => {
  using fixture = new Fixture();
  const origin = await fixture.origin();
  using download = new Download(fixture.store, origin);
  download.set(2, 3, 4);
  const held = fixture.holdings.findAny(origin.digest)!;
  const reader = new PieceReader(held, 3, 4);
  assert.equal(reader.next()?.length, PIECE);
  download.set(1, 4);
  assert.throws(() => reader.next(), DamagedImplementation);
  reader.close();
});

Deno.test("a download that is finished meanwhile is read on where it is then", async () => {
  using fixture = new Fixture();
  const { holdings } = fixture;
  const origin = await fixture.origin();
  using download = new Download(fixture.store, origin);
  download.set(2, 0, 1, 2, 3, 4, 5);
  const held = holdings.findAny(origin.digest)!;
  const reader = new PieceReader(held, 0, 5, { again: () => holdings.find(origin.digest) });
  const first = reader.next()!;
  download.commit();
  assert.deepEqual(concatenate([first, readAll(reader)]), streamOf(origin));
});

Deno.test("a download that is given up meanwhile ends the reading", async () => {
  using fixture = new Fixture();
  const { holdings } = fixture;
  const origin = await fixture.origin();
  using download = new Download(fixture.store, origin);
  download.set(2, 0, 1, 2, 3, 4, 5);
  const held = holdings.findAny(origin.digest)!;
  const reader = new PieceReader(held, 0, 5, { again: () => holdings.find(origin.digest) });
  reader.next();
  download.abandon();
  assert.throws(() => reader.next(), DamagedImplementation);
  reader.close();
});

Deno.test("a download that cannot be read just now is not there, and no reason to fail", async () => {
  using fixture = new Fixture();
  const origin = await fixture.origin();
  using _download = new Download(fixture.store, origin);
  const read = Deno.readFileSync;
  Deno.readFileSync = () => {
    throw new Error("Too many open files (os error 24)");
  };
  try {
    assert.equal(fixture.holdings.findAny(origin.digest), undefined);
  } finally {
    Deno.readFileSync = read;
  }
  assert.notEqual(fixture.holdings.findAny(origin.digest), undefined);
});

Deno.test("a manifest that nothing can be given of is read once, however often it is asked for", async () => {
  using fixture = new Fixture();
  const nodes = [directory("a"), file("a/x", "first"), file("y", "second")];
  const origin = await addImplementation(fixture.scratch.directory("origin"), nodes, "sha1");
  using download = new Download(fixture.store, origin);
  const read = Deno.readFileSync;
  const paths: (string | URL)[] = [];
  Deno.readFileSync = (path) => (paths.push(path), read(path));
  try {
    for (let time = 0; time < 2; time++) {
      assert.equal(fixture.holdings.findAny(origin.digest), undefined);
      // Longer than it is taken to be as it was.
      await delay(100);
    }
  } finally {
    Deno.readFileSync = read;
  }
  assert.deepEqual(paths, [`${download.control}/manifest`]);
});

/** How many elements of arrays are taken up one by one, in loops or to copy them, while `act` runs. */
function elementsTakenUpBy(act: () => void): number {
  const { prototype } = Array;
  const iterate = prototype[Symbol.iterator];
  let count = 0;
  prototype[Symbol.iterator] = function (this: unknown[]) {
    count += this.length;
    return iterate.call(this) as ArrayIterator<unknown>;
  };
  try {
    act();
  } finally {
    prototype[Symbol.iterator] = iterate;
  }
  return count;
}

Deno.test({
  name: "many symlinks in one piece are taken up once, and all of them are waited for",
  ...needs("posix"),
  async fn() {
    using fixture = new Fixture();
    const links = Array.from({ length: 1000 }, (_, n) => symlink(`link${n}`, `target${n}`));
    const origin = await fixture.origin(links);
    using download = new Download(fixture.store, origin);
    download.set(2, 0);
    const find = () => fixture.holdings.findAny(origin.digest)!;
    assert.ok(elementsTakenUpBy(find) < 10 * links.length);
    assert.deepEqual(find().piecesHere!(), Uint8Array.of(0));
    download.makeSymlinks();
    Deno.removeSync(`${download.tree}/link999`);
    assert.deepEqual(find().piecesHere!(), Uint8Array.of(0));
    Deno.symlinkSync("target999", `${download.tree}/link999`);
    assert.deepEqual(find().piecesHere!(), Uint8Array.of(1));
  },
});
