/**
 * How much a process and its children have written so far, in bytes: whoever downloads writes what
 * comes. Counts what the system knows of those that still run; undefined where it does not tell.
 */
export function bytesWritten(pid: number): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  let sum: number | undefined;
  const add = (pid: number) => {
    const written = /^wchar: (\d+)$/m.exec(read(`/proc/${pid}/io`) ?? "")?.[1];
    if (written === undefined) return;
    sum = (sum ?? 0) + Number(written);
    const children = read(`/proc/${pid}/task/${pid}/children`) ?? "";
    for (const child of children.split(" ").filter((text) => text !== "")) add(Number(child));
  };
  add(pid);
  return sum;
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // It has ended, or is somebody else's.
    return undefined;
  }
}
