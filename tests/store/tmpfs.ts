/** A small file system of a test's own, made by root on Linux. */
export function mountTmpfs(path: string, options: string): { path: string } & Disposable {
  run("mount", "-t", "tmpfs", "-o", options, "tmpfs", path);
  // Lazily: Deno 2.6 keeps a file open for as long as it waits for a lock, even if that is given
  // up.
  return { path, [Symbol.dispose]: () => run("umount", "--lazy", path) };
}

function run(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
