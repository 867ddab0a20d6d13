/**
 * Removes a tree in which directories may be read-only, as they are in a finished implementation.
 * A symlink is removed, never followed. What is not there is no error.
 *
 * @throws an operating system's error
 */
export function removeTree(path: string): void {
  try {
    remove(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    makeRemovable(path);
    remove(path);
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
  }
}

/** Unix asks the directory whether an entry may be removed; Windows asks the file, too. */
function makeRemovable(path: string): void {
  const info = Deno.lstatSync(path);
  if (info.isSymlink) return;
  if (!info.isDirectory) {
    if (Deno.build.os === "windows") Deno.chmodSync(path, 0o600);
    return;
  }
  Deno.chmodSync(path, 0o700);
  for (const { name } of [...Deno.readDirSync(path)]) makeRemovable(`${path}/${name}`);
}
