import assert from "node:assert/strict";
import { unpackArchive } from "../../lib/fetch/archive.ts";
import { Scratch } from "../store/sample.ts";
import { member, stream, write } from "../wire/tar_samples.ts";

Deno.test("which files are executable is told, for systems that do not keep it", async () => {
  using scratch = new Scratch();
  const archive = write([
    member("plain"),
    member("run", { executable: true }),
    member("d", { kind: "directory", executable: true }),
    member("d/run", { executable: true }),
  ]);
  const { signal } = new AbortController();
  const root = scratch.directory("tree");
  const executables = await unpackArchive(stream([archive]), root, { signal, onBytes: () => {} });
  assert.deepEqual([...executables], ["run", "d/run"]);
});
