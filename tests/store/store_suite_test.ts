import { needs } from "../skips.ts";
import { storeSuite } from "./store_suite.ts";
import { mountTmpfs } from "./tmpfs.ts";

storeSuite("plain store", (scratch) => ({ path: `${scratch.path}/cache/implementations` }));

storeSuite("store behind a symlink", (scratch) => {
  const path = `${scratch.path}/store`;
  Deno.symlinkSync(scratch.directory("real"), path);
  Deno.chmodSync(`${scratch.path}/real`, 0o755);
  return { path };
}, needs("posix"));

storeSuite(
  "store on its own file system",
  (scratch) => mountTmpfs(scratch.directory("mount"), "size=4m,mode=755"),
  needs("root", "linux"),
);
