import assert from "node:assert/strict";
import { DamagedImplementation } from "../../lib/errors.ts";
import { verifyTree } from "../../lib/manifest/verify.ts";
import { ContentReader } from "../../lib/serve/content.ts";
import type { ServeEvent } from "../../lib/serve/events.ts";
import { Holdings } from "../../lib/serve/holdings.ts";
import { ManifestCache } from "../../lib/serve/manifest_cache.ts";
import { needs } from "../skips.ts";
import { Scratch } from "../store/sample.ts";
import { directory, file, type Node } from "../vectors/trees.ts";
import {
  addImplementation,
  concatenate,
  type Implementation,
  streamOf,
} from "./implementations.ts";

const NODES: readonly Node[] = [directory("d"), file("d/one", "first"), file("two", "second")];

/** Holdings of some stores, and what they reported. */
class Fixture implements Disposable {
  readonly scratch = new Scratch();
  readonly events: ServeEvent[] = [];
  readonly stores = ["store1", "store2"].map((name) => this.scratch.directory(name));
  readonly holdings = new Holdings(this.stores, (event) => {
    this.events.push(event);
    this.#wake();
  });
  #wake = () => {};

  add(store = 0, nodes = NODES): Promise<Implementation> {
    return addImplementation(this.stores[store]!, nodes);
  }

  kinds(): string[] {
    return this.events.map(({ kind }) => kind);
  }

  /** Waits for an event of this kind. */
  async reported(kind: string): Promise<void> {
    while (!this.kinds().includes(kind)) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  [Symbol.dispose](): void {
    this.scratch[Symbol.dispose]();
  }
}

/** Puts the clock forward for as long as it is not disposed of. */
function later(milliseconds: number): Disposable {
  const { now } = performance;
  performance.now = () => now.call(performance) + milliseconds;
  return { [Symbol.dispose]: () => void (performance.now = now) };
}

Deno.test("what a store has is found, with its manifest's exact bytes", async () => {
  using fixture = new Fixture();
  const { digest, path, manifestBytes } = await fixture.add(1);
  const held = fixture.holdings.find(digest)!;
  assert.equal(held.path, path);
  assert.deepEqual(held.manifestBytes, manifestBytes);
  assert.equal(held.stream.size, 11);
  assert.deepEqual(fixture.events, []);
});

Deno.test("what is not there is not found, and that is nothing to report", async () => {
  using fixture = new Fixture();
  const { digest, path } = await fixture.add();
  Deno.removeSync(path, { recursive: true });
  assert.equal(fixture.holdings.find(digest), undefined);
  assert.deepEqual(fixture.events, []);
});

Deno.test("a store and an implementation that appear later are found", async () => {
  using fixture = new Fixture();
  const store = `${fixture.scratch.path}/late`;
  const holdings = new Holdings([store], () => {});
  const { digest } = await fixture.add();
  assert.equal(holdings.find(digest), undefined);
  Deno.mkdirSync(store);
  assert.equal(holdings.find(digest), undefined);
  await addImplementation(store, NODES);
  assert.equal(holdings.find(digest)?.path, `${store}/${digest}`);
});

Deno.test("an implementation that is removed is not found any more", async () => {
  using fixture = new Fixture();
  const { digest, path } = await fixture.add();
  assert.ok(fixture.holdings.find(digest) !== undefined);
  Deno.removeSync(path, { recursive: true });
  assert.equal(fixture.holdings.find(digest), undefined);
});

const DAMAGES: Record<string, (path: string) => void> = {
  "no manifest": (path) => Deno.removeSync(`${path}/.manifest`),
  "an empty manifest": (path) => Deno.writeTextFileSync(`${path}/.manifest`, ""),
  "another manifest": (path) => Deno.writeTextFileSync(`${path}/.manifest`, "D /x\n"),
  "a manifest with a changed byte": (path) => {
    const bytes = Deno.readFileSync(`${path}/.manifest`);
    bytes[3]! ^= 1;
    Deno.writeFileSync(`${path}/.manifest`, bytes);
  },
  "a directory for a manifest": (path) => {
    Deno.removeSync(`${path}/.manifest`);
    Deno.mkdirSync(`${path}/.manifest`);
  },
  "a manifest behind a symlink": (path) => {
    Deno.renameSync(`${path}/.manifest`, `${path}/../manifest`);
    Deno.symlinkSync("../manifest", `${path}/.manifest`);
  },
  "its directory behind a symlink": (path) => {
    Deno.renameSync(path, `${path}-moved`);
    Deno.symlinkSync(`${path}-moved`, path);
  },
};

for (const [name, damage] of Object.entries(DAMAGES)) {
  Deno.test({
    name: `an implementation with ${name} is never offered, and reported once`,
    ...needs("posix"),
    async fn() {
      using fixture = new Fixture();
      const { digest, path } = await fixture.add();
      damage(path);
      for (let time = 0; time < 3; time++) {
        assert.equal(fixture.holdings.find(digest), undefined);
        await new Promise((resolve) => setTimeout(resolve));
      }
      assert.deepEqual(fixture.kinds(), ["damaged"]);
    },
  });
}

Deno.test("the next store's copy is offered when the first one is damaged", async () => {
  using fixture = new Fixture();
  const first = await fixture.add(0);
  const second = await fixture.add(1);
  assert.equal(fixture.holdings.find(first.digest)?.path, first.path);
  Deno.writeTextFileSync(`${first.path}/.manifest`, "");
  assert.equal(fixture.holdings.find(first.digest)?.path, second.path);
});

Deno.test("what is suspended is out of service, and the next store's copy in", async () => {
  using fixture = new Fixture();
  const { digest, path } = await fixture.add(0);
  const second = await fixture.add(1);
  fixture.holdings.suspend(digest, path, "d/one is wrong");
  assert.equal(fixture.holdings.find(digest)?.path, second.path);
  fixture.holdings.suspend(digest, second.path, "two is wrong");
  assert.equal(fixture.holdings.find(digest), undefined);
});

Deno.test("several transfers that stumble over one implementation report it once", async () => {
  using fixture = new Fixture();
  const { digest, path } = await fixture.add();
  fixture.holdings.suspend(digest, path, "d/one is wrong");
  fixture.holdings.suspend(digest, path, "two is wrong");
  fixture.holdings.suspend(digest, path, "d/one is wrong");
  assert.deepEqual(fixture.kinds(), ["damaged"]);
});

Deno.test("a mended implementation is back in service after a while, not sooner", async () => {
  using fixture = new Fixture();
  const { digest, path } = await fixture.add();
  fixture.holdings.suspend(digest, path, "d/one is wrong");
  assert.equal(fixture.holdings.find(digest), undefined);
  using _later = later(3_600_000);
  // It is verified in the background first: nobody waits for that.
  assert.equal(fixture.holdings.find(digest), undefined);
  await fixture.reported("back");
  assert.equal(fixture.holdings.find(digest)?.path, path);
});

Deno.test("an implementation that is still damaged after a while stays out, quietly", async () => {
  using fixture = new Fixture();
  const { digest, path } = await fixture.add();
  const { mtime } = Deno.statSync(`${path}/two`);
  Deno.writeTextFileSync(`${path}/two`, "SECOND");
  Deno.utimeSync(`${path}/two`, mtime!, mtime!);
  await assert.rejects(verifyTree(digest, path));
  fixture.holdings.suspend(digest, path, "two is wrong");
  using _later = later(3_600_000);
  assert.equal(fixture.holdings.find(digest), undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(fixture.holdings.find(digest), undefined);
  assert.deepEqual(fixture.kinds(), ["damaged"]);
});

Deno.test("an implementation whose manifest was put right is back at once", async () => {
  using fixture = new Fixture();
  const { digest, path, manifestBytes } = await fixture.add();
  Deno.removeSync(`${path}/.manifest`);
  assert.equal(fixture.holdings.find(digest), undefined);
  Deno.writeFileSync(`${path}/.manifest`, manifestBytes);
  assert.equal(fixture.holdings.find(digest), undefined);
  await fixture.reported("back");
  assert.ok(fixture.holdings.find(digest) !== undefined);
});

Deno.test("damage after it was back in service is reported again", async () => {
  using fixture = new Fixture();
  const { digest, path } = await fixture.add();
  fixture.holdings.suspend(digest, path, "d/one is wrong");
  using _later = later(3_600_000);
  fixture.holdings.find(digest);
  await fixture.reported("back");
  fixture.holdings.suspend(digest, path, "d/one is wrong");
  assert.deepEqual(fixture.kinds(), ["damaged", "back", "damaged"]);
});

Deno.test("a store that cannot be read for the moment is no reason to fail", async () => {
  using fixture = new Fixture();
  const { digest } = await fixture.add();
  const { readFileSync } = Deno;
  Deno.readFileSync = () => {
    throw Object.assign(new Error("Too many open files"), { code: "EMFILE" });
  };
  try {
    assert.equal(fixture.holdings.find(digest), undefined);
  } finally {
    Deno.readFileSync = readFileSync;
  }
  assert.deepEqual(fixture.kinds(), ["trouble"]);
  assert.ok(fixture.holdings.find(digest) !== undefined, "it is not taken for damaged");
});

/** How many files are read whole while `act` runs. */
function readsOf(act: () => void): number {
  const { readFileSync } = Deno;
  let count = 0;
  Deno.readFileSync = (path) => (count++, readFileSync(path));
  try {
    act();
  } finally {
    Deno.readFileSync = readFileSync;
  }
  return count;
}

Deno.test("that something is here, and how large, is said without reading its manifest again", async () => {
  using fixture = new Fixture();
  const added = [await fixture.add(), await fixture.add(0, [file("other", "x")])];
  const holdings = new Holdings(fixture.stores, () => {}, {
    manifests: new ManifestCache({ room: 0, mostRoom: 0 }),
  });
  const sizes = () => added.map(({ digest }) => holdings.findAny(digest)?.stream.size);
  assert.equal(readsOf(() => assert.deepEqual(sizes(), [11, 1])), 2);
  assert.equal(readsOf(() => assert.deepEqual(sizes(), [11, 1])), 0);
  assert.equal(
    readsOf(() => {
      const held = holdings.findAny(added[0]!.digest)!;
      assert.deepEqual(held.manifestBytes, added[0]!.manifestBytes);
      assert.equal(held.manifest.entries.length, 3);
      assert.equal(held.stream.extents.length, 2);
    }),
    1,
  );
});

Deno.test("a manifest that is another one now is read before it is said that it is here", async () => {
  using fixture = new Fixture();
  const { digest, path } = await fixture.add();
  assert.ok(fixture.holdings.findAny(digest) !== undefined);
  Deno.writeTextFileSync(`${path}/.manifest`, "D /x\n");
  assert.equal(fixture.holdings.findAny(digest), undefined);
  assert.deepEqual(fixture.kinds(), ["damaged"]);
});

Deno.test("a manifest that is spoilt when it is needed is damage, one that cannot be read is not", async () => {
  using fixture = new Fixture();
  const added = [await fixture.add(), await fixture.add(0, [file("other", "x")])];
  const holdings = new Holdings(fixture.stores, () => {}, {
    manifests: new ManifestCache({ room: 0, mostRoom: 0 }),
  });
  const [held] = [...added, ...added].map(({ digest }) => holdings.findAny(digest)!).slice(-2);
  const { readFileSync } = Deno;
  Deno.readFileSync = () => {
    throw Object.assign(new Error("Too many open files"), { code: "EMFILE" });
  };
  try {
    assert.throws(() => held!.manifestBytes, { code: "EMFILE" });
  } finally {
    Deno.readFileSync = readFileSync;
  }
  Deno.writeTextFileSync(`${added[0]!.path}/.manifest`, "D /x\n");
  assert.throws(() => held!.manifestBytes, DamagedImplementation);
});

/** The old format does not say that "y" is not in "a". */
const AMBIGUOUS: readonly Node[] = [directory("a"), file("a/x", "first"), file("y", "second")];

Deno.test("a tree that its manifest does not determine is read where its files are", async () => {
  using scratch = new Scratch();
  const added = await addImplementation(scratch.path, AMBIGUOUS, "sha1");
  const held = new Holdings([scratch.path], () => {}).find(added.digest)!;
  assert.equal(held.manifest.ambiguous, false);
  const reader = new ContentReader(held, 0, held.stream.size);
  assert.deepEqual(concatenate([reader.next()!]), streamOf(added));
});

Deno.test("such a tree is not offered when it has not what the manifest lists", async () => {
  using scratch = new Scratch();
  const { digest, path } = await addImplementation(scratch.path, AMBIGUOUS, "sha1");
  const events: ServeEvent[] = [];
  Deno.renameSync(`${path}/y`, `${path}/z`);
  const holdings = new Holdings([scratch.path], (event) => events.push(event));
  assert.equal(holdings.find(digest), undefined);
  assert.deepEqual(events.map(({ kind }) => kind), ["damaged"]);
});

Deno.test("such a tree's files are still looked for only where they were", async () => {
  using scratch = new Scratch();
  const { digest, path } = await addImplementation(scratch.path, AMBIGUOUS, "sha1");
  const held = new Holdings([scratch.path], () => {}).find(digest)!;
  Deno.renameSync(`${path}/y`, `${path}/a/y`);
  const reader = new ContentReader(held, 0, held.stream.size);
  assert.throws(() => reader.next(), DamagedImplementation);
});
