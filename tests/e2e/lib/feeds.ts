/** Feeds in a machine's cache, as 0install puts them there. */

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";

import type { Digest } from "../../../lib/manifest/digest.ts";
import { feed } from "../../zeroinstall/documents.ts";
import type { Sandbox } from "./sandbox_env.ts";

export interface CachedFeed {
  readonly name: string;
  readonly uri: string;
  /** The digest of each version. */
  readonly versions: Readonly<Record<string, Digest>>;
}

/** The directory in which a machine's 0install caches feeds. */
export function feedDirectory({ store }: Sandbox): string {
  return join(dirname(store), "interfaces");
}

/** Writes a signed feed into a directory of cached feeds. Returns the file's path. */
export function cacheFeed(directory: string, { name, uri, versions }: CachedFeed): string {
  mkdirSync(directory, { recursive: true });
  const implementations = Object.entries(versions).map(([version, digest]) =>
    `<implementation id="${digest}" version="${version}" released="2020-01-01">
      <archive href="http://127.0.0.1:9/archive.tar.gz" size="100"/></implementation>`
  );
  const path = join(
    directory,
    uri.replace(/[^-_.a-zA-Z0-9]/g, (char) => `%${char.charCodeAt(0).toString(16)}`),
  );
  Deno.writeTextFileSync(
    path,
    feed(`<group license="GPL" main="bin/run">${implementations.join("\n")}</group>`, {
      name,
      uri,
    }),
  );
  return path;
}
