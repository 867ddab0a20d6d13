/**
 * A process of its own that works on a store, for the tests of what several of them do to each
 * other. Arguments: what to do, the store, a digest or the directory of a sample, and the umask.
 */

import type { Digest } from "../../lib/manifest/digest.ts";
import { commit, sealTree } from "../../lib/store/commit.ts";
import { openStaging } from "../../lib/store/staging.ts";
import { fill, makeSample } from "./sample.ts";

const [verb, store, subject, umask] = Deno.args as [string, string, string, string | undefined];

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (umask !== undefined) Deno.umask(parseInt(umask, 8));

switch (verb) {
  case "hold": {
    const staging = await openStaging(store, subject as Digest);
    staging.saveManifest(new TextEncoder().encode("a manifest"));
    say("locked");
    for await (const _ of Deno.stdin.readable);
    break;
  }
  case "build": {
    const sample = await makeSample(subject, "sha256new", { files: 200 });
    say("ready");
    await Deno.stdin.read(new Uint8Array(1));
    await using staging = await openStaging(store, sample.digest);
    if (staging.alreadyStored) {
      say("already stored");
      break;
    }
    staging.saveManifest(sample.bytes);
    staging.reset();
    fill(staging, sample);
    // The others shall come while this one is at it.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const tree = await sealTree(staging, sample.manifest, { contents: "hashed while written" });
    const { existed } = await commit(tree, { kind: "store", store });
    say(existed ? "existed" : "built");
    break;
  }
}
