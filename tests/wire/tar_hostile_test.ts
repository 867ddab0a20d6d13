import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidArchive } from "../../lib/errors.ts";
import { MAX_TAR_RECORD_SIZE } from "../../lib/wire/limits.ts";
import { readTar } from "../../lib/wire/tar.ts";
import { bytes } from "./arbitraries.ts";
import {
  block,
  concatenate,
  END,
  member,
  members,
  readAll,
  seal,
  split,
  stream,
  withContent,
  write,
} from "./tar_samples.ts";

const SAMPLE = [
  { ...member("file", { size: 700 }), content: new Uint8Array(700).fill(7) },
  member("directory", { kind: "directory" }),
  member("l".repeat(150), { kind: "symlink", linkname: "t".repeat(200) }),
  { ...member("ä", { size: 3, mtime: -4 }), content: bytes("abc") },
];

async function refuses(...parts: Uint8Array[]): Promise<string> {
  const error: unknown = await readAll(parts).then(() => undefined, (error) => error);
  assert.ok(error instanceof InvalidArchive, `${error}`);
  return error.message;
}

Deno.test("an archive that is cut off anywhere is refused", async () => {
  const archive = write(SAMPLE);
  for (let length = 0; length < archive.length - 1023; length += length % 512 < 2 ? 1 : 85) {
    assert.match(await refuses(archive.subarray(0, length)), /cut off/);
  }
});

Deno.test("a header with a wrong checksum is refused", async () => {
  const archive = write(SAMPLE);
  archive[10] = 1;
  assert.match(await refuses(archive), /checksum/);
});

Deno.test("bytes that are no archive are refused", async () => {
  await refuses();
  await refuses(bytes("<html>"));
  await refuses(new Uint8Array(4096).fill(0x20));
  await refuses(crypto.getRandomValues(new Uint8Array(4096)));
});

Deno.test("numbers that are none are refused", async () => {
  const sizes = [
    "-0000000001\0",
    "99999999999\0",
    "1e3\0",
    "0x10\0",
    "\xff".repeat(12),
    "\xff" + "\0".repeat(11),
    "\x80" + "\xff".repeat(11),
    "\x81" + "\0".repeat(11),
    "\xfe" + "\0".repeat(11),
  ];
  for (const size of sizes) await refuses(block("a", "0", { size }), END);
  for (const size of sizes) await refuses(block("a", "x", { size }), END);
  await refuses(block("a", "0", { mtime: "zzz" }), END);
});

Deno.test("reads numbers with spaces, without end, and in base 256, negative too", async () => {
  const fields = { size: "          0 ", mode: "755     ", mtime: "\xff".repeat(12) };
  const [entry] = await readAll([block("a", "0", fields), END]);
  assert.equal(entry!.mtime, -1);
  assert.equal(entry!.executable, true);
  const last = await readAll([block("a", "0", { mtime: "777777777777" }), END]);
  assert.equal(last[0]!.mtime, 8 ** 12 - 1);
});

Deno.test("extended headers that are none are refused", async () => {
  const records = [
    "x",
    "9 path=a\n\0",
    "0 path=a\n",
    "-9 path=a\n",
    "08 path=a\n",
    "8 path=a\n",
    "11 path=a\n",
    "9 pathxa\n",
    "9 path=a ",
    "99999999999999999999 path=a\n",
    "12 size=abc\n",
    "11 size=-1\n",
    "12 size=1e9\n",
    "26 size=99999999999999999\n",
    "13 mtime=NaN\n",
    "13 mtime=0x1\n",
    "18 mtime=Infinity\n",
  ];
  for (const record of records) {
    await refuses(withContent("p", "x", bytes(record)), block("a", "0"), END);
  }
  const notText = concatenate([bytes("9 path="), new Uint8Array([0xff, 0x0a])]);
  assert.match(await refuses(withContent("p", "x", notText), block("a", "0"), END), /UTF-8/);
});

Deno.test("a long extended header of tiny records is read in one pass", async () => {
  // A reader that looks for the end of each length through all that follows would take minutes.
  await refuses(withContent("p", "x", bytes("2x".repeat(120_000))), block("a", "0"), END);
  const many = withContent("p", "x", bytes("5 a=\n".repeat(50_000)));
  assert.equal((await readAll([many, block("a", "0"), END])).length, 1);
});

Deno.test("names that take too much memory are refused before they are read", async () => {
  const huge = `${(MAX_TAR_RECORD_SIZE + 1).toString(8).padStart(11, "0")}\0`;
  for (const typeflag of ["x", "g", "L", "K"]) {
    assert.match(await refuses(block("p", typeflag, { size: huge })), /over 262144 bytes/);
  }
  async function* endless() {
    for (;;) yield await Promise.resolve(withContent("p", "x", bytes("11 path=ab\n")));
  }
  await assert.rejects(Array.fromAsync(readTar(endless())), /over 262144 bytes/);
  async function* global() {
    for (;;) yield await Promise.resolve(block("p", "g"));
  }
  await assert.rejects(Array.fromAsync(readTar(global())), /over 262144 bytes/);
});

Deno.test("an extended header that describes nothing is refused", async () => {
  await refuses(withContent("p", "x", bytes("9 path=a\n")), END);
});

Deno.test("names with NUL, and names that are not UTF-8, are refused", async () => {
  const path = withContent("p", "x", bytes("12 path=a\0b\n"));
  assert.match(await refuses(path, block("a", "0"), END), /NUL/);
  const linkpath = withContent("p", "x", bytes("16 linkpath=a\0b\n"));
  assert.match(await refuses(linkpath, block("a", "2"), END), /NUL/);
  await refuses(block("\xff", "0"), END);
  await refuses(block("a", "2", { linkname: "\xc0\xae" }), END);
});

Deno.test("what is no part of an implementation is told apart, and its size is no content", async () => {
  for (const typeflag of ["1", "3", "4", "6"]) {
    const odd = block("odd", typeflag, { size: "00000001000\0", linkname: "/etc/passwd" });
    const found = await readAll([odd, block("next", "0"), END]);
    assert.deepEqual(found.map(({ kind, path, size }) => [kind, path, size]), [
      ["other", "odd", 0],
      ["file", "next", 0],
    ]);
  }
  for (const typeflag of ["S", "V", "M", "D", "z"]) {
    const odd = withContent("odd", typeflag, new Uint8Array(5));
    const found = await readAll([odd, block("next", "0"), END]);
    assert.deepEqual(found.map(({ kind, path }) => [kind, path]), [["other", "odd"], [
      "file",
      "next",
    ]]);
  }
});

Deno.test("a directory with a size has no content", async () => {
  const odd = block("d/", "5", { size: "00000001000\0" });
  const found = await readAll([odd, block("next", "0"), END]);
  assert.deepEqual(found.map(({ kind, path }) => [kind, path]), [["directory", "d/"], [
    "file",
    "next",
  ]]);
});

Deno.test("what follows the end is refused, and padding is not", async () => {
  const archive = write(SAMPLE);
  assert.equal((await readAll([archive, new Uint8Array(10 * 1024)])).length, SAMPLE.length);
  assert.equal((await readAll([archive.subarray(0, -512)])).length, SAMPLE.length);
  assert.match(await refuses(archive, block("a", "0"), END), /after its end/);
  assert.match(await refuses(archive, new Uint8Array([1])), /after its end/);
  async function* endless() {
    yield archive;
    for (;;) yield await Promise.resolve(new Uint8Array(65536));
  }
  await assert.rejects(Array.fromAsync(readTar(endless())), InvalidArchive);
});

Deno.test("an archive with bytes changed never makes more than it has, and fails as an archive", async () => {
  const change = fc.record({
    at: fc.nat(),
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.constantFrom(bytes("77777777777"), bytes("x")),
    ),
    seal: fc.boolean(),
  });
  let read = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      members,
      fc.array(change, { minLength: 1, maxLength: 4 }),
      async (members, changes) => {
        const archive = write(members);
        for (const change of changes) {
          // Headers are what there is to attack: aim at the first bytes of blocks' fields as well.
          const at = change.at % archive.length;
          archive.set(change.bytes.subarray(0, archive.length - at), at);
          const header = at - at % 512;
          if (change.seal) seal(archive, header);
        }
        let size = 0;
        try {
          for await (const entry of readTar(stream(split(archive, [1000])))) {
            assert.ok(["file", "directory", "symlink", "other"].includes(entry.kind));
            assert.ok(Number.isSafeInteger(entry.size) && entry.size >= 0);
            assert.ok(Number.isSafeInteger(entry.mtime));
            let content = 0;
            for await (const part of entry.body) content += part.length;
            if (entry.kind === "file") assert.equal(content, entry.size);
            size += content;
          }
          read++;
        } catch (error) {
          assert.ok(error instanceof InvalidArchive, `${error}`);
          refused++;
        }
        assert.ok(size <= archive.length);
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(read > 0 && refused > 0);
});
