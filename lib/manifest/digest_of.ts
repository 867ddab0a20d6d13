import { createHash } from "node:crypto";
import { type Algorithm, type Digest, digestOfHash, hashNameOf } from "./digest.ts";

/**
 * The digest that a manifest has: the hash of its exact bytes, with the algorithm's name.
 *
 * Apart from `digest.ts`, because what only names digests is loaded before every program that
 * `0share run` starts, and hashing takes longer to load than all of that.
 */
export function digestOf(algorithm: Algorithm, manifestBytes: Uint8Array): Digest {
  return digestOfParts(algorithm, [manifestBytes]);
}

/** The same of a manifest whose bytes come in parts. */
export function digestOfParts(algorithm: Algorithm, parts: Iterable<Uint8Array>): Digest {
  const hash = createHash(hashNameOf(algorithm));
  for (const part of parts) hash.update(part);
  return digestOfHash(algorithm, hash.digest());
}
