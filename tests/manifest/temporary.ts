/** A directory of its own for one test, gone afterwards whatever modes are in it. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "0share-manifest-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** Older runtimes give times before 1970 without their sign; nothing can be done about that. */
export function keepsSignOfTimes(): boolean {
  using directory = temporaryDirectory();
  const path = `${directory.path}/file`;
  Deno.writeTextFileSync(path, "");
  Deno.utimeSync(path, new Date(-5000), new Date(-5000));
  return Deno.lstatSync(path).mtime?.getTime() === -5000;
}
