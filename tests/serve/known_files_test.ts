import assert from "node:assert/strict";
import { KnownFiles } from "../../lib/serve/known_files.ts";
import { REMEMBERED_FILES } from "../../lib/wire/limits.ts";

const OLD = Date.now() - 3_600_000;

function info(changes: Partial<Deno.FileInfo> = {}): Deno.FileInfo {
  return {
    dev: 1,
    ino: 2,
    size: 3,
    mtime: new Date(OLD),
    ctime: new Date(OLD),
    ...changes,
  } as Deno.FileInfo;
}

Deno.test("an unchanged file is known by the hash that it had", () => {
  const known = new KnownFiles();
  assert.equal(known.has(info(), "a"), false);
  known.add(info(), info(), "a");
  assert.equal(known.has(info(), "a"), true);
  assert.equal(known.has(info(), "b"), false);
});

const CHANGES: Record<string, Partial<Deno.FileInfo>> = {
  device: { dev: 9 },
  inode: { ino: 9 },
  size: { size: 9 },
  "modification time": { mtime: new Date(OLD + 1) },
  "change time": { ctime: new Date(OLD + 1) },
};

for (const [what, change] of Object.entries(CHANGES)) {
  Deno.test(`a file with another ${what} is not known`, () => {
    const known = new KnownFiles();
    known.add(info(), info(), "a");
    assert.equal(known.has(info(change), "a"), false);
    known.add(info(), info(change), "b");
    assert.equal(known.has(info(), "b"), false, "it changed while it was read");
  });
}

Deno.test("a file that changed just now is not remembered: it could change again unseen", () => {
  for (const change of [{ mtime: new Date() }, { ctime: new Date() }]) {
    const known = new KnownFiles();
    known.add(info(change), info(change), "a");
    assert.equal(known.has(info(change), "a"), false);
  }
});

Deno.test("a file of which the system says too little is not remembered", () => {
  for (const change of [{ ino: null }, { mtime: null }, { ctime: null }]) {
    const known = new KnownFiles();
    known.add(info(change), info(change), "a");
    assert.equal(known.has(info(change), "a"), false);
  }
});

Deno.test("the longest unused file is forgotten", () => {
  const known = new KnownFiles();
  for (let ino = 0; ino < REMEMBERED_FILES; ino++) known.add(info({ ino }), info({ ino }), "a");
  assert.equal(known.has(info({ ino: 0 }), "a"), true);
  known.add(info({ ino: -1 }), info({ ino: -1 }), "a");
  assert.equal(known.has(info({ ino: 0 }), "a"), true);
  assert.equal(known.has(info({ ino: 1 }), "a"), false);
});
