import assert from "node:assert/strict";
import { StoreFailed } from "../../../lib/errors.ts";
import type { NewFile } from "../../../lib/fetch/assembly/create_file.ts";
import { canHaveWriter, FileWriter } from "../../../lib/fetch/assembly/file_writer.ts";
import { BLOCK_SIZE } from "../../../lib/wire/limits.ts";
import { incompressible } from "../../serve/implementations.ts";
import { needs } from "../../skips.ts";
import { Scratch } from "../../store/sample.ts";

function files(...paths: string[]): NewFile[] {
  return paths.map((path) => ({ path, executable: false, mtime: 1_234_567_890 }));
}

Deno.test({
  name: "files are created with content, mode and time, and told of when they are there",
  ...needs("posix"),
  async fn() {
    using scratch = new Scratch();
    const told: string[] = [];
    using writer = new FileWriter<string>((path) => {
      assert.ok(Deno.lstatSync(path).isFile);
      told.push(path);
    });
    await writer.ready;
    const written = Array.from({ length: 500 }, (_, n) => ({
      path: `${scratch.path}/${n}`,
      bytes: incompressible(n, n * 7 % 5000),
      executable: n % 3 === 0,
    }));
    for (const { path, bytes, executable } of written) {
      assert.ok(writer.add([{ path, executable, mtime: 1_234_567_890 }], bytes, path));
      // What is given is copied.
      bytes.fill(0);
    }
    await writer.settled();
    assert.deepEqual(told, written.map(({ path }) => path));
    for (const [n, { path, executable }] of written.entries()) {
      const info = Deno.statSync(path);
      assert.equal(info.mode! & 0o7777, executable ? 0o555 : 0o444);
      assert.equal(info.mtime!.getTime(), 1_234_567_890_000);
      assert.deepEqual(Deno.readFileSync(path), incompressible(n, n * 7 % 5000));
    }
  },
});

Deno.test("all files of a content are there before it is told of", async () => {
  using scratch = new Scratch();
  const paths = Array.from({ length: 200 }, (_, n) => `${scratch.path}/${n}`);
  let told = 0;
  using writer = new FileWriter<readonly string[]>((created) => {
    told++;
    for (const path of created) assert.deepEqual(Deno.readFileSync(path), incompressible(7, 100));
  });
  await writer.ready;
  const [some, others] = [paths.slice(0, 100), paths.slice(100)];
  const bytes = incompressible(7, 100);
  assert.ok(writer.add(files(...some), bytes, some));
  assert.ok(writer.add(files(...others), bytes, others));
  await writer.settled();
  assert.equal(told, 2);
  const many = Array.from({ length: 1000 }, (_, n) => `${scratch.path}/many-${n}`);
  assert.equal(writer.add(files(...many), bytes, many), false, "they would be waited for together");
});

Deno.test("nothing is taken before the thread is there, and nothing that is not small", async () => {
  using scratch = new Scratch();
  using writer = new FileWriter<undefined>(() => {});
  const path = `${scratch.path}/file`;
  assert.equal(writer.add(files(path), new Uint8Array(1), undefined), false);
  await writer.settled();
  await writer.ready;
  const large = new Uint8Array(BLOCK_SIZE + 1);
  assert.equal(writer.add(files(path), large, undefined), false);
  assert.ok(writer.add(files(path), large.subarray(1), undefined));
  await writer.settled();
  assert.equal(Deno.statSync(path).size, BLOCK_SIZE);
});

Deno.test("there are no more writers than processors that nothing else takes", async () => {
  const all = navigator.hardwareConcurrency;
  assert.equal(canHaveWriter(all), false);
  assert.equal(canHaveWriter(all - 1), true);
  {
    using writer = new FileWriter<undefined>(() => {});
    await writer.ready;
    assert.equal(canHaveWriter(all - 1), false);
    writer[Symbol.dispose]();
    assert.equal(canHaveWriter(all - 1), true);
  }
  assert.equal(canHaveWriter(all - 1), true);
  assert.equal(canHaveWriter(all), false);
});

Deno.test("no more is taken than the thread gets done", async () => {
  using scratch = new Scratch();
  let told = 0;
  using writer = new FileWriter<undefined>(() => told++);
  await writer.ready;
  const bytes = new Uint8Array(BLOCK_SIZE);
  let taken = 0;
  // Nothing that the thread says is heard before this turn is over.
  while (writer.add(files(`${scratch.path}/${taken}`), bytes, undefined)) {
    assert.ok(++taken < 1000, "it takes everything");
  }
  await writer.settled();
  assert.equal(told, taken);
  assert.equal([...Deno.readDirSync(scratch.path)].length, taken);
  assert.ok(writer.add(files(`${scratch.path}/more`), bytes, undefined));
  await writer.settled();
});

Deno.test("many tiny files are not kept back until there is much of them", async () => {
  using scratch = new Scratch();
  let told = 0;
  using writer = new FileWriter<undefined>(() => told++);
  await writer.ready;
  let taken = 0;
  while (writer.add(files(`${scratch.path}/${taken}`), new Uint8Array(1), undefined)) {
    assert.ok(++taken < 100_000, "it takes everything");
  }
  assert.ok(taken < 6000, `${taken} wait`);
  assert.equal(writer.isSettled, false);
  await writer.settled();
  assert.equal(writer.isSettled, true);
  assert.equal(told, taken);
});

Deno.test("what is thrown by who is told is thrown again, after all that was under way", async () => {
  using scratch = new Scratch();
  const full = new StoreFailed("no room to say so");
  let told = 0;
  using writer = new FileWriter<number>((n) => {
    told++;
    if (n === 1) throw full;
  });
  await writer.ready;
  for (let n = 0; n < 4; n++) {
    assert.ok(writer.add(files(`${scratch.path}/${n}`), new Uint8Array(7), n));
    writer.send();
  }
  await assert.rejects(writer.settled(), full);
  assert.equal([...Deno.readDirSync(scratch.path)].length, 4);
  assert.equal(told, 2, "nothing more is told");
  assert.throws(() => writer.add(files(`${scratch.path}/5`), new Uint8Array(7), 5), full);
  assert.throws(() => writer.send(), full);
  assert.equal(writer.isSettled, false);
});

Deno.test("what cannot be created is told, to who waits and who goes on, and nothing more is", async () => {
  using scratch = new Scratch();
  Deno.writeTextFileSync(`${scratch.path}/there`, "there");
  let told = 0;
  using writer = new FileWriter<undefined>(() => told++);
  await writer.ready;
  const bytes = new Uint8Array(7);
  assert.ok(writer.add(files(`${scratch.path}/there`), bytes, undefined));
  writer.send();
  assert.ok(writer.add(files(`${scratch.path}/more`), bytes, undefined));
  const isTold = (error: unknown) => {
    assert.ok(error instanceof StoreFailed, String(error));
    assert.match(error.message, /^Cannot write ".*\/there": /);
    return true;
  };
  await assert.rejects(writer.settled(), isTold);
  await assert.rejects(writer.settled(), isTold);
  assert.throws(() => writer.add(files(`${scratch.path}/again`), bytes, undefined), isTold);
  assert.equal(told, 0);
  assert.equal(Deno.readTextFileSync(`${scratch.path}/there`), "there");
  assert.deepEqual([...Deno.readDirSync(scratch.path)].map(({ name }) => name), ["there"]);
});

Deno.test("a process that may not read its own modules has no writer", () => {
  const url = JSON.stringify(import.meta.resolve("../../../lib/fetch/assembly/file_writer.ts"));
  using scratch = new Scratch();
  const path = `${scratch.path}/main.ts`;
  Deno.writeTextFileSync(
    path,
    `
    import { canHaveWriter } from ${url};
    console.log(canHaveWriter(0));
  `,
  );
  for (const [permissions, answer] of [[[], "false"], [["--allow-read"], "true"]] as const) {
    const args = ["run", "--no-prompt", "--cached-only", ...permissions, path];
    const { stdout, stderr } = new Deno.Command(Deno.execPath(), { args }).outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.equal(text(stdout), `${answer}\n`, text(stderr));
  }
});
