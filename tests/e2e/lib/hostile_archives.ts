/** What may be wrong with an archive. */

import { concatenate, noise } from "../../serve/implementations.ts";
import { directory, file, symlink } from "../../vectors/trees.ts";
import { block, END, seal, withContent } from "../../wire/tar_samples.ts";

export const NODES = [
  file("README", "hello\n"),
  directory("bin"),
  file("bin/run", "#!/bin/sh\n", { mode: 0o755 }),
  file("bin/large", noise(7, 400_000)),
  directory("empty"),
  ...(Deno.build.os === "windows" ? [] : [symlink("link", "bin/run"), symlink("up", "../..")]),
];

export type Archive = Uint8Array | AsyncIterable<Uint8Array>;

export interface Case {
  /** What the archive does. */
  readonly name: string;
  /** `good` is the right archive, `canary` an absolute path that nothing may be written to. */
  readonly archive: (good: Uint8Array<ArrayBuffer>, canary: string) => Archive;
  readonly code: 1 | 4;
  readonly reason: RegExp;
}

export function text(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** These entries in front of the right ones. */
function before(
  ...entries: ((canary: string) => Uint8Array)[]
): Case["archive"] {
  return (good, canary) => concatenate([...entries.map((entry) => entry(canary)), good]);
}

const evil = (name: string) => () => withContent(name, "0", text("evil"));

export const CASES: readonly Case[] = [
  ...["../x", "bin/../../x", "..", "./../x", "bin/.."].map((name): Case => ({
    name: `has an entry ${name}`,
    archive: before(evil(name)),
    code: 4,
    reason: /is not a path inside the tree/,
  })),
  {
    name: "has an absolute path",
    archive: before((canary) => withContent(`${canary}/x`, "0", text("evil"))),
    code: 4,
    reason: /is not a path inside the tree/,
  },
  {
    name: "has an absolute path in an extended header",
    archive: before((canary) => pax("path", `${canary}/x`), evil("bin/x")),
    code: 4,
    reason: /is not a path inside the tree/,
  },
  {
    name: "writes over a file outside through a symlink",
    archive: before((canary) => block("s", "2", { linkname: `${canary}/kept` }), evil("s")),
    code: 4,
    reason: /./,
  },
  {
    name: "writes into a directory outside through a symlink",
    archive: before((canary) => block("d", "2", { linkname: canary }), evil("d/x")),
    code: 4,
    reason: /./,
  },
  {
    name: "puts a symlink in the place of a directory and goes on inside it",
    archive: before(
      () => block("d/", "5"),
      (canary) => block("d", "2", { linkname: canary }),
      evil("d/x"),
    ),
    code: 4,
    reason: /./,
  },
  {
    name: "makes a directory through a symlink",
    archive: before((canary) => block("d", "2", { linkname: canary }), () => block("d/x/", "5")),
    code: 4,
    reason: /./,
  },
  {
    name: "has a symlink for its own root",
    archive: before((canary) => block("./", "2", { linkname: canary }), evil("x")),
    code: 4,
    reason: /./,
  },
  {
    name: "has a symlink for a manifest",
    archive: before((canary) => block(".manifest", "2", { linkname: `${canary}/kept` })),
    code: 4,
    reason: /./,
  },
  {
    name: "has a directory for a manifest",
    archive: before(() => block(".manifest/", "5"), evil(".manifest/x")),
    code: 4,
    reason: /./,
  },
  {
    name: "has a hard link to a file outside, and writes through it",
    archive: before((canary) => block("h", "1", { linkname: `${canary}/kept` }), evil("h")),
    code: 4,
    reason: /"h" is not a file, directory or symlink/,
  },
  ...[["3", "character device"], ["4", "block device"], ["6", "pipe"]].map((
    [flag, kind],
  ): Case => ({
    name: `has a ${kind}`,
    archive: before(() => block("device", flag!)),
    code: 4,
    reason: /"device" is not a file, directory or symlink/,
  })),
  {
    name: "has a file twice",
    archive: before(evil("README")),
    code: 4,
    reason: /it has more than one entry for/,
  },
  {
    name: "has a file where a directory was",
    archive: before(() => block("bin/", "5"), evil("bin")),
    code: 4,
    reason: /./,
  },
  {
    name: "has a file inside of a file",
    archive: before(evil("README/x")),
    code: 4,
    reason: /./,
  },
  {
    name: "has names that differ by case alone",
    archive: before(evil("readme")),
    code: 4,
    reason: /./,
  },
  {
    name: "has a name with a newline",
    archive: before(evil("a\nb")),
    code: 4,
    reason: /is not a path inside the tree/,
  },
  {
    name: "has a file more than there should be",
    archive: before(evil("more")),
    code: 4,
    reason: /^an archive of another tree: expected sha256new_\w+, found sha256new_\w+/,
  },
  {
    name: "has a longer name than any file system takes",
    archive: before(() => pax("path", "n".repeat(4000)), evil("x")),
    code: 1,
    reason: /the file system has no room for so long a name/,
  },
  {
    name: "has a longer path than any system takes",
    archive: before(() => pax("path", "directory/".repeat(1000) + "x"), evil("x")),
    code: 1,
    reason: /the file system has no room for so long a name/,
  },
  ...["9007199254740991", "-9007199254740991"].map((mtime): Case => ({
    name: `has a file of a time that never was (${mtime})`,
    archive: before(() => pax("mtime", mtime), evil("x")),
    code: 4,
    reason: /./,
  })),
  {
    name: "has a directory of a time that never was",
    archive: before(() => pax("mtime", "9007199254740991"), () => block("x/", "5")),
    code: 4,
    reason: /./,
  },
  {
    name: "has a symlink to nothing at all",
    archive: before(() => block("x", "2")),
    code: 4,
    reason: /the symlink "x" leads nowhere/,
  },
  {
    name: "has a symlink with a longer target than any system takes",
    archive: before(() => withContent("x", "2", text("t".repeat(65_536)))),
    code: 4,
    reason: /the target of the symlink "x" has more than 65535 bytes/,
  },
  {
    name: "has symlinks with long targets without end",
    archive: () => endlessSymlinks(),
    code: 4,
    reason: /its names are longer than \d+ together/,
  },
  {
    name: "lacks everything",
    archive: () => END,
    code: 4,
    reason: /^an archive of another tree/,
  },
  {
    name: "has one bit wrong",
    archive: (good) => {
      const bytes = good.slice();
      bytes[bytes.indexOf(0x68, 512)]! ^= 1;
      return bytes;
    },
    code: 4,
    reason: /./,
  },
  {
    name: "is cut off",
    archive: (good) => good.slice(0, 200_000),
    code: 4,
    reason: /./,
  },
  {
    name: "is something else",
    archive: () => text("<html>no</html>".repeat(100)),
    code: 4,
    reason: /./,
  },
  {
    name: "goes on after its end, for ever",
    archive: (good) => concatenateEndless(good),
    code: 4,
    reason: /it goes on after its end/,
  },
  {
    name: "describes its first entry for ever",
    archive: () => repeat(pax("comment", noise(1, 400))),
    code: 4,
    reason: /the names of an entry take over/,
  },
];

function pax(keyword: string, value: string): Uint8Array<ArrayBuffer> {
  const rest = ` ${keyword}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length++;
  return withContent("PaxHeader", "x", text(length + rest));
}

async function* repeat(part: Uint8Array): AsyncGenerator<Uint8Array> {
  for (;;) yield await Promise.resolve(part);
}

async function* concatenateEndless(first: Uint8Array): AsyncGenerator<Uint8Array> {
  yield first;
  yield* repeat(new Uint8Array(64 * 1024));
}

async function* endlessSymlinks(): AsyncGenerator<Uint8Array> {
  const target = text("t".repeat(65_535));
  for (let number = 0;; number++) {
    yield await Promise.resolve(withContent(`${number}`, "2", target));
  }
}

/** A header that promises 8 GiB, and zeros for as long as anybody listens. */
export async function* endlessFile(): AsyncGenerator<Uint8Array> {
  yield block("bomb", "0", { size: "77777777777\0" });
  yield* repeat(new Uint8Array(256 * 1024));
}

/** Empty files without end. */
export async function* endlessFiles(): AsyncGenerator<Uint8Array> {
  const header = block("00000000", "0");
  for (let number = 0;; number++) {
    header.set(text(String(number).padStart(8, "0")));
    seal(header);
    yield await Promise.resolve(header.slice());
  }
}
