import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { StoreFailed } from "../../../lib/errors.ts";
import { PartialBuffer, PartialFile } from "../../../lib/fetch/assembly/partial.ts";
import { needs } from "../../skips.ts";
import { Scratch } from "../../store/sample.ts";

const SIZE = 60;

interface Write {
  start: number;
  bytes: number[];
  from: string;
}

const WRITES: fc.Arbitrary<Write[]> = fc.array(
  fc.record({
    start: fc.nat(SIZE - 1),
    bytes: fc.uint8Array({ minLength: 0, maxLength: 30 }).map((bytes) => [...bytes]),
    from: fc.constantFrom("a", "b", "c"),
  }).map((write) => ({ ...write, bytes: write.bytes.slice(0, SIZE - write.start) })),
  { maxLength: 20 },
);

/** What came first at each position, and from whom. */
function model(writes: readonly Write[]): { bytes: (number | undefined)[]; peers: Set<string> } {
  const bytes: (number | undefined)[] = new Array(SIZE).fill(undefined);
  const peers = new Set<string>();
  for (const write of writes) {
    write.bytes.forEach((byte, index) => {
      if (bytes[write.start + index] !== undefined) return;
      bytes[write.start + index] = byte;
      peers.add(write.from);
    });
  }
  return { bytes, peers };
}

/** Fills whatever is left, so that everything has been received. */
function rest(writes: readonly Write[]): Write {
  return { start: 0, bytes: new Array(SIZE).fill(writes.length), from: "rest" };
}

for (const kind of ["memory", "a file"]) {
  Deno.test(`content in ${kind} may come in any order, and what came first stays`, () => {
    fc.assert(fc.property(WRITES, (some) => {
      using scratch = new Scratch();
      const path = `${scratch.path}/file`;
      const partial = kind === "memory"
        ? new PartialBuffer(SIZE, "sha256")
        : new PartialFile(path, SIZE, "sha256", { resume: false });
      try {
        const writes = [...some, rest(some)];
        for (const [index, { start, bytes, from }] of writes.entries()) {
          const before = model(writes.slice(0, index)).bytes;
          const fresh = partial.write(start, Uint8Array.from(bytes), from)
            .flatMap(({ start, end }) => Array.from({ length: end - start }, (_, n) => start + n));
          const now = model(writes.slice(0, index + 1));
          const added = [...now.bytes.keys()].filter((at) => before[at] !== now.bytes[at]);
          assert.deepEqual(fresh, added);
          const room = new Uint8Array(1);
          assert.deepEqual(
            now.bytes.map((_, at) => partial.read(at, room) ? room[0] : undefined),
            now.bytes,
          );
          assert.equal(partial.received.size, now.bytes.filter((b) => b !== undefined).length);
          assert.deepEqual(partial.contributors, now.peers);
        }
        const expected = Uint8Array.from(model(writes).bytes as number[]);
        assert.equal(partial.digest(), createHash("sha256").update(expected).digest("hex"));
        const actual = partial instanceof PartialBuffer ? partial.bytes : Deno.readFileSync(path);
        assert.deepEqual(new Uint8Array(actual), expected);
      } finally {
        partial.close();
      }
    }));
  });
}

Deno.test("a file is resumed from whatever parts of it are there", () => {
  const part = fc.tuple(fc.nat(SIZE), fc.nat(SIZE));
  fc.assert(fc.property(fc.array(part, { maxLength: 4 }), WRITES, (parts, some) => {
    using scratch = new Scratch();
    const path = `${scratch.path}/file`;
    Deno.writeFileSync(path, new Uint8Array(SIZE).fill(9));
    const partial = new PartialFile(path, SIZE, "sha1", { resume: true });
    try {
      const before: Write[] = [];
      for (const [a, b] of parts) {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        partial.resume({ start, end }, "an earlier run");
        before.push({ start, bytes: new Array(end - start).fill(9), from: "an earlier run" });
      }
      for (const { start, bytes, from } of [...some, rest(some)]) {
        partial.write(start, Uint8Array.from(bytes), from);
      }
      const expected = Uint8Array.from(model([...before, ...some, rest(some)]).bytes as number[]);
      assert.equal(partial.digest(), createHash("sha1").update(expected).digest("hex"));
      assert.deepEqual(new Uint8Array(Deno.readFileSync(path)), expected);
    } finally {
      partial.close();
    }
  }));
});

Deno.test("what is forgotten may come again, and then counts", () => {
  fc.assert(fc.property(WRITES, fc.nat(SIZE), fc.nat(SIZE), (some, a, b) => {
    using scratch = new Scratch();
    const path = `${scratch.path}/file`;
    const partial = new PartialFile(path, SIZE, "sha256", { resume: false });
    try {
      for (const { start, bytes, from } of [...some, rest(some)]) {
        partial.write(start, Uint8Array.from(bytes), from);
      }
      while (partial.hashSome());
      assert.equal(partial.unhashed, 0);
      const expected = model([...some, rest(some)]).bytes as number[];
      const [start, end] = [Math.min(a, b), Math.max(a, b)];
      partial.forget([{ start, end }]);
      assert.equal(partial.received.size, SIZE - (end - start));
      partial.write(start, new Uint8Array(end - start).fill(77), "again");
      expected.fill(77, start, end);
      const wanted = createHash("sha256").update(Uint8Array.from(expected)).digest("hex");
      assert.equal(partial.digest(), wanted);
      assert.equal(partial.digest(), wanted);
    } finally {
      partial.close();
    }
  }));
});

Deno.test("a file that somebody cuts meanwhile has another hash, and nothing hangs", () => {
  using scratch = new Scratch();
  const path = `${scratch.path}/file`;
  const partial = new PartialFile(path, SIZE, "sha256", { resume: false });
  partial.write(30, new Uint8Array(30), "a");
  Deno.truncateSync(path, 10);
  partial.write(0, new Uint8Array(30), "a");
  const right = createHash("sha256").update(new Uint8Array(SIZE)).digest("hex");
  assert.notEqual(partial.digest(), right);
  partial.close();
});

Deno.test({
  name: "nothing is written over, or through, what is there already",
  ...needs("posix"),
  fn() {
    using scratch = new Scratch();
    Deno.writeTextFileSync(`${scratch.path}/there`, "there");
    Deno.symlinkSync("there", `${scratch.path}/link`);
    Deno.symlinkSync("nowhere", `${scratch.path}/dangling`);
    for (const name of ["there", "link", "dangling", "no such directory/file"]) {
      assert.throws(
        () => new PartialFile(`${scratch.path}/${name}`, SIZE, "sha256", { resume: false }),
        StoreFailed,
      );
    }
    assert.equal(Deno.readTextFileSync(`${scratch.path}/there`), "there");
    assert.throws(() => Deno.lstatSync(`${scratch.path}/nowhere`), Deno.errors.NotFound);
  },
});

Deno.test({
  name: "a disk that is full is a failure of the store",
  ...needs("linux"),
  fn() {
    const partial = new PartialFile("/dev/full", SIZE, "sha256", { resume: true });
    try {
      assert.throws(() => partial.write(0, new Uint8Array(10), "a"), (error) => {
        assert.ok(error instanceof StoreFailed);
        assert.match(error.message, /no space left/);
        return true;
      });
    } finally {
      partial.close();
    }
  },
});

Deno.test("hashing what is here in turns ends although somebody cut the file meanwhile", () => {
  using scratch = new Scratch();
  const path = `${scratch.path}/file`;
  const size = 40 * 1024 * 1024;
  const partial = new PartialFile(path, size, "sha1", { resume: false });
  partial.resume({ start: 0, end: size }, "an earlier run");
  assert.equal(partial.hashSome(), true);
  Deno.truncateSync(path, 1);
  assert.equal(partial.hashSome(), false);
  partial.close();
});

Deno.test("what came before what is in front of it is hashed while more comes", () => {
  using scratch = new Scratch();
  const size = 6 * 1024 * 1024;
  const block = size / 24;
  const bytes = new Uint8Array(size).map((_, at) => at % 251);
  const partial = new PartialFile(`${scratch.path}/file`, size, "sha256", { resume: false });
  try {
    const write = (n: number) =>
      partial.write(n * block, bytes.subarray(n * block, (n + 1) * block), "peer");
    for (let n = 12; n < 24; n++) write(n);
    assert.equal(partial.unhashed, 12 * block);
    for (let n = 0; n < 8; n++) write(n);
    assert.equal(partial.unhashed, 12 * block, "there is a gap");
    for (let n = 8; n < 12; n++) write(n);
    assert.equal(partial.unhashed, 8 * block, "1 MiB after the last one");
    // What is here already is no news, and still a turn.
    write(0);
    write(1);
    assert.equal(partial.unhashed, 0);
    assert.equal(partial.digest(), createHash("sha256").update(bytes).digest("hex"));
  } finally {
    partial.close();
  }
});
