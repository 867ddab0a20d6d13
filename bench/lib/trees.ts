/** What is fetched in a measurement: real packages, or trees of the user's. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, utimesSync } from "node:fs";
import { join } from "node:path";

import { type PackageName, unpack } from "../../tests/e2e/lib/packages.ts";
import { removeTree } from "../../tests/e2e/lib/sandbox_env.ts";
import { must } from "./processes.ts";

function packages(...names: string[]): PackageName[] {
  return names.map((text) => {
    const at = text.lastIndexOf("@");
    return { name: text.slice(0, at), version: text.slice(at + 1) };
  });
}

/**
 * A browser, nearly all of it one file. From Debian 12, since npm has nothing as large; of no certain
 * version, because Debian keeps only the newest.
 */
const BIG = "chromium";

/** Thousands of small files; a large one among thousands; and two versions of each of some. */
const PACKAGES: Readonly<Record<string, readonly PackageName[]>> = {
  small: packages(
    "antd@5.27.6",
    "core-js@3.46.0",
    "date-fns@4.1.0",
    "effect@3.18.4",
    "es-abstract@1.24.0",
    "highlight.js@11.11.1",
    "lodash@4.17.21",
    "lodash-es@4.17.21",
    "mathjs@15.1.0",
    "@mui/material@7.3.4",
    "npm@12.2.0",
    "rxjs@7.8.2",
  ),
  mixed: packages("next@16.4.6", "@next/swc-linux-x64-gnu@16.4.6"),
  "next-16.4.5": packages("next@16.4.5", "@next/swc-linux-x64-gnu@16.4.5"),
  "next-16.4.6": packages("next@16.4.6", "@next/swc-linux-x64-gnu@16.4.6"),
  "npm-12.1.0": packages("npm@12.1.0"),
  "npm-12.2.0": packages("npm@12.2.0"),
  "three-0.186.1": packages("three@0.186.1"),
  "three-0.187.0": packages("three@0.187.0"),
  "monaco-editor-0.56.0": packages("monaco-editor@0.56.0"),
  "monaco-editor-0.57.0": packages("monaco-editor@0.57.0"),
};

/** Of an executable, so that it shrinks as programs do. */
const P100_BYTES = 100_000_000;

/** The tree `name` under `directory`, made there when it is one of ours and missing. */
export async function sourceTree(name: string, directory: string): Promise<string> {
  const path = join(directory, name);
  if (existsSync(path)) return path;
  const making = `${path}.making-${Deno.pid}`;
  mkdirSync(directory, { recursive: true });
  if (name === "big") await unpackDebian(BIG, making);
  else if (name === "p100") await cutP100(await sourceTree("big", directory), making);
  else {
    const wanted = PACKAGES[name];
    if (wanted === undefined) throw new Error(`No tree ${name} in ${directory}`);
    for (const one of wanted) await unpack(one, join(making, one.name));
  }
  renameSync(making, path);
  return path;
}

async function unpackDebian(wanted: string, directory: string): Promise<void> {
  const download = mkdtempSync(`${directory}.deb-`);
  try {
    // apt puts what it downloads into the directory that it runs in.
    await must("env", "-C", download, "apt-get", "download", "-q", wanted);
    const [archive] = readdirSync(download);
    await must("dpkg-deb", "--extract", join(download, archive!), directory);
  } finally {
    await removeTree(download);
  }
}

/** One file: the first 100 MB of the largest one of a tree. */
async function cutP100(tree: string, directory: string): Promise<void> {
  const { path, size, mtime } = filesBelow(tree).reduce((a, b) => a.size >= b.size ? a : b);
  if (size < P100_BYTES) throw new Error(`Cannot cut ${P100_BYTES} bytes from ${path}: ${size}`);
  mkdirSync(directory, { recursive: true });
  const copy = join(directory, "p100");
  await Deno.copyFile(path, copy);
  await Deno.truncate(copy, P100_BYTES);
  utimesSync(copy, mtime, mtime);
}

function filesBelow(directory: string): { path: string; size: number; mtime: Date }[] {
  return Array.from(Deno.readDirSync(directory)).flatMap(({ name, isDirectory, isFile }) => {
    const path = join(directory, name);
    if (isDirectory) return filesBelow(path);
    if (!isFile) return [];
    const { size, mtime } = Deno.statSync(path);
    return [{ path, size, mtime: mtime ?? new Date(0) }];
  });
}
