import assert from "node:assert/strict";
import { MAX_TRANSFERS_PER_ADDRESS } from "../../lib/wire/limits.ts";
import { hasZstd } from "../../lib/wire/zstd.ts";
import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { Answering } from "./answering.ts";
import { noise } from "./implementations.ts";

/** How many files this process has open under a directory. */
function openUnder(directory: string): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(directory)) count++;
    } catch {
      // The one that reads this directory is closed by now.
    }
  }
  return count;
}

/** Lets what was begun in the background get as far as it can. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

const ROUTES: Record<string, (digest: string) => string> = {
  "the content stream": (digest) => `/implementation/${digest}/content`,
  "a tar": (digest) => `/${digest}.tar`,
  "a tar.gz": (digest) => `/${digest}.tar.gz`,
  ...(hasZstd() ? { "a tar.zst": (digest: string) => `/${digest}.tar.zst` } : {}),
};

for (const [what, route] of Object.entries(ROUTES)) {
  Deno.test({
    name: `${what} that is not sent after all leaves no file open`,
    ...needs("linux"),
    async fn() {
      using answering = new Answering();
      const { digest } = await answering.add([file("a", noise(1, 5_000_000))]);
      const path = route(digest);
      await answering.ask(path, { method: "HEAD" });
      await pause();
      assert.equal(openUnder(answering.scratch.path), 0, "after HEAD");

      const begun = [];
      for (let index = 0; index <= MAX_TRANSFERS_PER_ADDRESS; index++) {
        begun.push(await answering.ask(path));
      }
      assert.equal(begun.at(-1)!.status, 503);
      for (const { body } of begun) await body!.cancel();
      await pause();
      assert.equal(openUnder(answering.scratch.path), 0, "after 503 and cancelled transfers");
    },
  });
}
