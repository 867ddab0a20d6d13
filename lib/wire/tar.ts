export interface TarEntry { path: string; kind: "file"|"directory"|"symlink"|"other"; size: number; executable: boolean; mtime: number; linkname: string; body: AsyncIterable<Uint8Array> }
// deno-lint-ignore require-yield
export async function* readTar(_source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> { throw new Error("not yet"); }
