import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidArchive } from "../../lib/errors.ts";
import { readTar } from "../../lib/wire/tar.ts";
import { TAR_END, tarHeader, tarSize } from "../../lib/wire/tar_writer.ts";
import { concatenate, member, members, readAll, split, stream, write } from "./tar_samples.ts";

Deno.test("what is written is read, however the archive is cut into chunks", async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 5 });
  await fc.assert(fc.asyncProperty(members, sizes, async (members, sizes) => {
    const archive = write(members);
    assert.equal(archive.length, tarSize(members));
    const found = await readAll(split(archive, sizes));
    assert.deepEqual(
      found,
      members.map(({ kind, path, ...rest }) => ({
        kind,
        path: kind === "directory" ? `${path}/` : path,
        ...rest,
      })),
    );
  }));
});

Deno.test("a plain member takes one header block", () => {
  assert.equal(
    tarHeader(member("a".repeat(100), { mtime: 8 ** 11 - 1, size: 8 ** 11 - 1 })).length,
    512,
  );
});

Deno.test("an extended header comes where a block does not hold everything", () => {
  const members = [
    member("a".repeat(101)),
    member("ä"),
    member("a".repeat(100), { kind: "directory" }),
    member("a", { mtime: -1 }),
    member("a", { mtime: 8 ** 11 }),
    member("a", { size: 8 ** 11 }),
    member("a", { kind: "symlink", linkname: "b".repeat(101) }),
  ];
  for (const member of members) {
    const header = tarHeader(member);
    assert.equal(header.length, 1536);
    assert.equal(String.fromCharCode(header[156]!), "x");
  }
});

Deno.test("a file of over 8 GiB is announced exactly", async () => {
  const size = 2 ** 40 + 3;
  const header = tarHeader(member("large", { size }));
  for await (const entry of readTar(stream([header]))) {
    assert.equal(entry.size, size);
    break;
  }
  // Readers that know no extended headers find it in the block itself, as GNU tar writes it.
  for await (const entry of readTar(stream([header.subarray(1024)]))) {
    assert.equal(entry.size, size);
    break;
  }
  assert.equal(tarSize([member("large", { size })]), 1024 + 512 + size + 509 + 1024);
});

Deno.test("the owner may write what was unpacked, and execute what was executable", () => {
  const mode = (...args: Parameters<typeof member>) =>
    new TextDecoder().decode(tarHeader(member(...args)).subarray(100, 107));
  assert.equal(mode("a"), "0000644");
  assert.equal(mode("a", { executable: true }), "0000755");
  assert.equal(mode("a", { kind: "directory" }), "0000755");
});

Deno.test("an archive that ends within a body is none", async () => {
  const header = tarHeader(member("a", { size: 5 }));
  for (const length of [0, 4]) {
    await assert.rejects(readAll([header, new Uint8Array(length)]), InvalidArchive);
  }
});

Deno.test("nothing is read that is not needed, and the source is told when no more is", async () => {
  let given = 0;
  let closed = false;
  async function* source() {
    try {
      yield tarHeader(member("a", { size: 512 * 1000 }));
      for (; given < 1000; given++) yield new Uint8Array(await Promise.resolve(512));
      yield TAR_END;
    } finally {
      closed = true;
    }
  }
  for await (const entry of readTar(source())) {
    assert.equal(given, 0);
    let parts = 0;
    for await (const part of entry.body) {
      assert.equal(part.length, 512);
      if (++parts === 3) break;
    }
    assert.equal(given, 2);
    break;
  }
  assert.ok(closed);
});

Deno.test("a body that is left, in part or whole, is passed over", async () => {
  const archive = write([
    { ...member("a", { size: 2000 }), content: new Uint8Array(2000) },
    { ...member("b", { size: 2000 }), content: new Uint8Array(2000) },
    { ...member("c", { size: 3 }), content: new Uint8Array([1, 2, 3]) },
  ]);
  const found: string[] = [];
  for await (const { path, body } of readTar(stream(split(archive, [100])))) {
    found.push(path);
    if (path === "b") { for await (const _part of body) break; }
    if (path === "c") {
      assert.deepEqual(concatenate(await Array.fromAsync(body)), new Uint8Array([1, 2, 3]));
    }
  }
  assert.deepEqual(found, ["a", "b", "c"]);
});

Deno.test("a body cannot be read when the next entry has been", async () => {
  const content = new Uint8Array(600);
  const archive = write([{ ...member("a", { size: 600 }), content }, member("b")]);
  const entries = await Array.fromAsync(readTar(stream([archive])));
  await assert.rejects(Array.fromAsync(entries[0]!.body), TypeError);
});

Deno.test("what the source throws is thrown, and is no fault of the archive", async () => {
  async function* failing() {
    yield tarHeader(member("a", { size: 5 }));
    throw await Promise.resolve(new Deno.errors.ConnectionReset("gone"));
  }
  await assert.rejects(async () => {
    for await (const { body } of readTar(failing())) await Array.fromAsync(body);
  }, Deno.errors.ConnectionReset);
});
