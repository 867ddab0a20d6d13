/** Trees for the tests of stores, and what a fetch does with them in small. */

import { type Algorithm, type Digest } from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";
import { pathOf } from "../../lib/manifest/entry.ts";
import { generateManifest } from "../../lib/manifest/generate.ts";
import { formatManifest, type Manifest } from "../../lib/manifest/manifest.ts";
import type { Staging } from "../../lib/store/staging.ts";
import { removeTree } from "../../lib/store/remove.ts";

export interface Sample {
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly source: string;
}

/** A directory of one test's own; `using` removes it with all that is in it. */
export class Scratch implements Disposable {
  readonly path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "0share-store-test-" }));

  /** Makes a subdirectory and gives its path. */
  directory(name: string): string {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path, { recursive: true });
    return path;
  }

  [Symbol.dispose](): void {
    removeTree(this.path);
  }
}

/** Makes a tree with some of everything, and its manifest. */
export async function makeSample(
  directory: string,
  algorithm: Algorithm = "sha256new",
  options: { files?: number; salt?: string } = {},
): Promise<Sample> {
  const source = `${directory}/source-${algorithm}${options.salt ?? ""}`;
  Deno.mkdirSync(`${source}/bin/deep`, { recursive: true });
  Deno.mkdirSync(`${source}/empty directory`);
  const file = (path: string, text: string, mtime: number, mode = 0o644) => {
    Deno.writeTextFileSync(`${source}/${path}`, text);
    if (Deno.build.os !== "windows") Deno.chmodSync(`${source}/${path}`, mode);
    Deno.utimeSync(`${source}/${path}`, mtime, mtime);
  };
  file("README", `hello ${options.salt ?? ""}\n`, 1_000_000_000);
  file("bin/run", "#!/bin/sh\n", 0, 0o755);
  file("bin/deep/é with space", "ü".repeat(1000), 2 ** 31 + 5);
  file("nothing", "", 1);
  for (let index = 0; index < (options.files ?? 0); index++) {
    file(`bin/file${index}`, `${index}`, 1_234_567_890);
  }
  if (Deno.build.os !== "windows") Deno.symlinkSync("../README", `${source}/bin/link`);
  for (const path of ["bin", "bin/deep", "empty directory"]) {
    Deno.utimeSync(`${source}/${path}`, 1_111_111_111, 1_111_111_111);
  }
  const manifest = await generateManifest(algorithm, source);
  const bytes = formatManifest(manifest);
  return { digest: digestOf(algorithm, bytes), manifest, bytes, source };
}

/** Writes a sample into staging as a careless fetch would: no mode and no time is right. */
export function fill(staging: Staging, { manifest, source }: Sample): void {
  for (const entry of manifest.entries) {
    const path = `${staging.tree}/${pathOf(entry)}`;
    if (entry.kind === "directory") Deno.mkdirSync(path, { recursive: true });
    else if (entry.kind === "file") {
      Deno.writeFileSync(path, Deno.readFileSync(`${source}/${pathOf(entry)}`));
    } else Deno.symlinkSync(Deno.readLinkSync(`${source}/${pathOf(entry)}`), path);
  }
}

/** All names in a directory, sorted. */
export function namesIn(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
}
