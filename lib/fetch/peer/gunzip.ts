import { PeerLied } from "../../errors.ts";

/** Undoes gzip. A peer whose archive is not gzip, or ends early, has lied. */
export async function* gunzip(
  compressed: AsyncIterable<Uint8Array>,
  peer: string,
): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  const source = ReadableStream.from(async function* () {
    try {
      yield* compressed as AsyncIterable<Uint8Array<ArrayBuffer>>;
    } catch (error) {
      failure = error;
      throw error;
    }
  }());
  try {
    yield* source.pipeThrough(new DecompressionStream("gzip"));
  } catch (cause) {
    throw failure ?? new PeerLied(peer, "an archive that is not gzip", { cause });
  }
}
