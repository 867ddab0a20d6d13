import assert from "node:assert/strict";
import { manifestState, stateOf } from "../../lib/store/file_state.ts";
import { needs } from "../skips.ts";
import { Scratch } from "./sample.ts";

Deno.test("a file has the same state as long as nobody changes it, open or not", () => {
  using scratch = new Scratch();
  const path = `${scratch.path}/f`;
  Deno.writeTextFileSync(path, "content");
  using file = Deno.openSync(path);
  const state = stateOf(file.statSync());
  assert.equal(stateOf(Deno.lstatSync(path)), state);
  assert.equal(Deno.readTextFileSync(path), "content");
  assert.equal(stateOf(Deno.lstatSync(path)), state);
});

Deno.test("a file of the same size and time in its place has another state", () => {
  using scratch = new Scratch();
  const path = `${scratch.path}/f`;
  Deno.writeTextFileSync(path, "content");
  const info = Deno.lstatSync(path);
  Deno.writeTextFileSync(`${scratch.path}/other`, "CONTENT");
  Deno.utimeSync(`${scratch.path}/other`, info.mtime!, info.mtime!);
  Deno.renameSync(`${scratch.path}/other`, path);
  assert.notEqual(stateOf(Deno.lstatSync(path)), stateOf(info));
});

Deno.test({
  name: "a manifest has a state when it is an ordinary file, not too large, in a real directory",
  ...needs("posix"),
  fn() {
    using scratch = new Scratch();
    const tree = scratch.directory("tree");
    assert.equal(manifestState(tree, "manifest", 7), undefined);
    Deno.writeTextFileSync(`${tree}/manifest`, "content");
    assert.equal(manifestState(tree, "manifest", 7), stateOf(Deno.lstatSync(`${tree}/manifest`)));
    assert.equal(manifestState(tree, "manifest", 6), undefined);
    Deno.symlinkSync("manifest", `${tree}/link`);
    assert.equal(manifestState(tree, "link", 7), undefined);
    Deno.symlinkSync("tree", `${scratch.path}/link`);
    assert.equal(manifestState(`${scratch.path}/link`, "manifest", 7), undefined);
  },
});
