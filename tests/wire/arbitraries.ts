/** What the property tests of the codecs are fed with. */

import fc from "fast-check";
import { ALGORITHMS, type Digest } from "../../lib/manifest/digest.ts";
import { digestOf } from "../../lib/manifest/digest_of.ts";

export const digest: fc.Arbitrary<Digest> = fc.tuple(
  fc.constantFrom(...ALGORITHMS),
  fc.uint8Array({ maxLength: 8 }),
).map(([algorithm, seed]) => digestOf(algorithm, seed));

export const nonce: fc.Arbitrary<string> = fc.stringMatching(/^[0-9a-f]{16}$/);

/** Which server it is. */
export const id: fc.Arbitrary<string> = fc.stringMatching(/^[0-9a-f]{16}$/);

/** Lines that could be found in a datagram, true ones and ones that are nearly so. */
export const line: fc.Arbitrary<string> = fc.oneof(
  digest,
  digest.map((digest) => digest.slice(1)),
  digest.map((digest) => digest.toUpperCase()),
  digest.map((digest) => `${digest} `),
  digest.chain((digest) =>
    fc.constantFrom("have", "partial", "pending", "HAVE", "").map((state) => `${state} ${digest}`)
  ),
  nonce.map((nonce) => `nonce ${nonce}`),
  id.map((id) => `id ${id}`),
  fc.constantFrom(
    "",
    "claim",
    "claim ",
    "Claim",
    "nonce 0",
    "id 0",
    "id 0123456789ABCDEF",
    "id  0123456789abcdef",
    "port 38339",
    "port 0",
    "port 65536",
    "port 08",
    "port",
    "port 1.5",
    "\r",
    "0share",
  ),
  fc.string(),
);

/** A datagram whose first line is `title` and whose others may be anything. */
export function datagram(title: string): fc.Arbitrary<Uint8Array> {
  return fc.array(line, { maxLength: 12 }).map((lines) => bytes([title, ...lines].join("\n")));
}

export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}
