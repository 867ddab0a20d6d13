import { pieceSize } from "../../../lib/manifest/layout.ts";
import type { Digest } from "../../../lib/manifest/digest.ts";
import { readPieceStates } from "../../../lib/store/piece_file.ts";

/** Waits until a store's staging holds so much of so much, which the fetch is about to have written. */
export async function staged(
  store: string,
  digest: Digest,
  size: number,
  bytes: number,
): Promise<void> {
  const written = () => readPieceStates(store, digest)?.filter((state) => state > 0).length ?? 0;
  while (written() * pieceSize(size) < bytes) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
