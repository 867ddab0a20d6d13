import { Buffer } from "node:buffer";
import { hash } from "node:crypto";

/** SHA-256, in bytes. */
const DIGEST_SIZE = 32;

/**
 * What is to be thought of a piece: it is right as far as the piece digests are; nobody has told any;
 * it is not what they say, who sent it is suspected; who sent it gave the digests himself, and lied;
 * it is not what they say, but two peers agree about it: then the digests are what is doubted.
 */
export type Verdict = "right" | "unknown" | "suspect" | "liar" | "doubtful digests";

/**
 * The piece digests that a download goes by while its files are not complete. They come from one seed
 * and nobody vouches for them: they say what may be given to others, and who is to be asked no more
 * for now; whether a file is right is for its own hash to say.
 */
export class PieceCheck {
  #adopted: { readonly source: string; readonly digests: readonly string[] } | undefined;
  readonly #distrusted = new Set<string>();
  /** By piece: the hash of what was sent that is not what the digests say, and by whom. */
  readonly #claims = new Map<number, Map<string, string>>();

  /** Who gave the digests; undefined while there are none. */
  get source(): string | undefined {
    return this.#adopted?.source;
  }

  /** Whether the digests of this peer may be adopted. */
  trusts(peer: string): boolean {
    return !this.#distrusted.has(peer);
  }

  /** @param digests 32 bytes a piece */
  adopt(source: string, digests: Uint8Array): void {
    const list: string[] = [];
    for (let at = 0; at < digests.length; at += DIGEST_SIZE) {
      list.push(Buffer.from(digests.subarray(at, at + DIGEST_SIZE)).toString("hex"));
    }
    this.#adopted = { source, digests: list };
  }

  /** The digests of this peer are not to be adopted. */
  distrust(peer: string): void {
    this.#distrusted.add(peer);
  }

  /** Goes by these digests no more, nor by any of who gave them. */
  discard(): void {
    const source = this.#adopted?.source;
    if (source !== undefined) this.#distrusted.add(source);
    this.#adopted = undefined;
    this.#claims.clear();
  }

  /** The SHA-256 that a piece has to have, in hexadecimal; undefined while there are no digests. */
  digestOf(piece: number): string | undefined {
    return this.#adopted?.digests[piece];
  }

  /** Whether these are the bytes of a piece, as far as that is known. */
  matches(piece: number, bytes: Uint8Array): boolean {
    return this.digestOf(piece) === hash("sha256", bytes, "hex");
  }

  /** Judges a piece as a whole, sent by one peer. */
  judge(piece: number, bytes: Uint8Array, from: string): Verdict {
    if (this.#adopted === undefined) return "unknown";
    const found = hash("sha256", bytes, "hex");
    if (found === this.#adopted.digests[piece]) return "right";
    if (from === this.#adopted.source) return "liar";
    const claims = this.#claims.get(piece) ?? new Map<string, string>();
    const other = claims.get(found);
    if (other !== undefined && other !== from) return "doubtful digests";
    claims.set(found, from);
    this.#claims.set(piece, claims);
    return "suspect";
  }
}
