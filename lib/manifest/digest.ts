import { InvalidDigest } from "../errors.ts";

/** How a manifest is written and hashed. */
export type Algorithm = "sha1" | "sha1new" | "sha256" | "sha256new";

declare const brand: unique symbol;

/** Names a tree, in its one spelling, which is also the name of its directory in a store. */
export type Digest = string & { readonly [brand]: true };

/** Preferred first. */
export const ALGORITHMS: readonly Algorithm[] = ["sha256new", "sha256", "sha1new", "sha1"];

const PREFIXES: Readonly<Record<Algorithm, string>> = {
  sha256new: "sha256new_",
  sha256: "sha256=",
  sha1new: "sha1new=",
  sha1: "sha1=",
};

interface ValueFormat {
  readonly pattern: RegExp;
  /** Finds the first character that no value has in its place. */
  readonly wrong: RegExp;
  readonly description: string;
}

const NOT_HEX = /[^0-9a-f]/u;

const SHA1_HEX: ValueFormat = {
  pattern: /^[0-9a-f]{40}$/,
  wrong: NOT_HEX,
  description: "40 lower-case hexadecimal digits",
};

const SHA256_HEX: ValueFormat = {
  pattern: /^[0-9a-f]{64}$/,
  wrong: NOT_HEX,
  description: "64 lower-case hexadecimal digits",
};

/** 52 characters hold 260 bits: the last 4 are not part of the value and must be 0. */
const SHA256_BASE32: ValueFormat = {
  pattern: /^[A-Z2-7]{51}[AQ]$/,
  wrong: /[^A-Z2-7]|(?<=^.{51})[^AQ]$/u,
  description: "52 upper-case base32 characters, the last of them A or Q",
};

const VALUES: Readonly<Record<Algorithm, ValueFormat>> = {
  sha256new: SHA256_BASE32,
  sha256: SHA256_HEX,
  sha1new: SHA1_HEX,
  sha1: SHA1_HEX,
};

/**
 * Reads the name of a digest: `sha1=HEX`, `sha1new=HEX`, `sha256=HEX` or `sha256new_BASE32`.
 *
 * Strict, because the text becomes the name of a directory: each digest has one spelling.
 *
 * @throws InvalidDigest
 */
export function parseDigest(text: string): Digest {
  const algorithm = prefixOf(text);
  if (algorithm === undefined) {
    throw new InvalidDigest(
      text,
      `it must begin with ${Object.values(PREFIXES).join(", ")}`,
    );
  }
  const { pattern, wrong, description } = VALUES[algorithm];
  const value = text.slice(PREFIXES[algorithm].length);
  if (!pattern.test(value)) {
    const character = wrong.exec(value);
    const found = character !== null
      ? `${JSON.stringify(character[0])} as character ${character.index + 1}`
      : value.length === 1
      ? "1 character"
      : `${value.length} characters`;
    throw new InvalidDigest(
      text,
      `${PREFIXES[algorithm]} must be followed by ${description}, found ${found}`,
    );
  }
  return text as Digest;
}

/**
 * Reads comma-separated names of one tree: one digest for each of several algorithms.
 *
 * @returns the digests, preferred first, without repetitions; never empty
 * @throws InvalidDigest also when two digests of one algorithm differ, as one tree has only one
 */
export function parseDigestList(text: string): Digest[] {
  const found = new Map<Algorithm, Digest>();
  for (const name of text.split(",")) {
    const digest = parseDigest(name);
    const algorithm = algorithmOf(digest);
    const other = found.get(algorithm);
    if (other !== undefined && other !== digest) {
      throw new InvalidDigest(text, `it names two different trees: ${other} and ${digest}`);
    }
    found.set(algorithm, digest);
  }
  return ALGORITHMS.flatMap((algorithm) => found.get(algorithm) ?? []);
}

/** Whether the text is the name of a digest, spelled as `parseDigest` wants it. */
export function isDigest(text: string): text is Digest {
  const algorithm = prefixOf(text);
  return algorithm !== undefined &&
    VALUES[algorithm].pattern.test(text.slice(PREFIXES[algorithm].length));
}

export function algorithmOf(digest: Digest): Algorithm {
  return prefixOf(digest)!;
}

/** The hash function of an algorithm, as `node:crypto` calls it. */
export function hashNameOf(algorithm: Algorithm): "sha1" | "sha256" {
  return algorithm === "sha1" || algorithm === "sha1new" ? "sha1" : "sha256";
}

/** The digest whose value is this hash: all bytes that `hashNameOf` gives. */
export function digestOfHash(algorithm: Algorithm, hash: Uint8Array): Digest {
  const value = algorithm === "sha256new" ? base32(hash) : hash.toHex();
  return PREFIXES[algorithm] + value as Digest;
}

function prefixOf(text: string): Algorithm | undefined {
  return ALGORITHMS.find((algorithm) => text.startsWith(PREFIXES[algorithm]));
}

const BASE32_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** RFC 4648, section 6, without padding: Zero Install leaves it out. */
function base32(bytes: Uint8Array): string {
  let text = "";
  let pending = 0;
  let bits = 0;
  for (const byte of bytes) {
    pending = (pending << 8 | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32_ALPHABET[pending >> bits & 31]!;
    }
  }
  if (bits > 0) text += BASE32_ALPHABET[pending << (5 - bits) & 31]!;
  return text;
}
