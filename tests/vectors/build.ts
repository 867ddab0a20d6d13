import type { Node } from "./trees.ts";

/** Makes a tree in an existing directory, with its modes and times, whatever the umask. */
export function buildTree(root: string, nodes: readonly Node[]): void {
  for (const node of nodes) {
    const path = `${root}/${node.path}`;
    switch (node.kind) {
      case "directory":
        Deno.mkdirSync(path);
        break;
      case "symlink":
        Deno.symlinkSync(node.target, path);
        break;
      case "file":
        if (typeof node.content === "string") {
          Deno.writeTextFileSync(path, node.content, { createNew: true });
        } else {
          using file = Deno.openSync(path, { write: true, createNew: true });
          file.truncateSync(node.content);
        }
        setTime(path, node.mtime);
        if (Deno.build.os !== "windows") Deno.chmodSync(path, node.mode);
    }
  }
  // Last, as what is made in a directory changes its time; the deepest first for the same reason.
  for (const node of nodes.toReversed()) {
    if (node.kind === "directory" && Deno.build.os !== "windows") {
      setTime(`${root}/${node.path}`, node.mtime);
    }
  }
}

function setTime(path: string, seconds: number): void {
  const time = new Date(seconds * 1000);
  Deno.utimeSync(path, time, time);
}
