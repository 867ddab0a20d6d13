import { delimiter } from "node:path";
import { WRAPPER_MARK } from "./wrapper.ts";

/** As much of a file as may come before the wrapper's mark. */
const HEAD_BYTES = 128;

/** Where programs are looked for. */
export interface ProgramSearch {
  /** The PATH: directories, in order. */
  readonly path: string;
  readonly os: string;
}

/**
 * The first program of that name on the PATH that is no wrapper of ours, as a path; undefined if
 * there is none. The wrapper is known by its content, so that a copy or a symlink of it is, too.
 */
export function findProgram(name: string, search: ProgramSearch): string | undefined {
  return programsOnPath(name, search).find((path) => !isWrapper(path));
}

/** Every program of that name on the PATH, in order. */
export function programsOnPath(name: string, { path, os }: ProgramSearch): string[] {
  const file = os === "windows" ? `${name}.exe` : name;
  return directoriesOnPath(path)
    .map((directory) => `${directory}/${file}`)
    .filter((candidate) => isExecutable(candidate, os));
}

/** The directories of the PATH, in order; an empty entry is the working directory. */
export function directoriesOnPath(path: string): string[] {
  return path.split(delimiter).map((directory) => directory === "" ? "." : directory);
}

/** Whether a file is a wrapper that `wrapperText` made. */
export function isWrapper(path: string): boolean {
  const head = new Uint8Array(HEAD_BYTES);
  try {
    using file = Deno.openSync(path);
    const length = file.readSync(head) ?? 0;
    return new TextDecoder().decode(head.subarray(0, length)).split("\n")[1] === WRAPPER_MARK;
  } catch {
    return false;
  }
}

function isExecutable(path: string, os: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && (os === "windows" || ((mode ?? 0) & 0o111) !== 0);
  } catch {
    return false;
  }
}
