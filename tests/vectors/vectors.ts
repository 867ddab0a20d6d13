import type { Change, Tree } from "./trees.ts";

/** What Zero Install says about one tree with one algorithm. */
export interface Vector {
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
  /** The text, if it is short. */
  readonly manifest?: string;
  /** Otherwise its SHA-256, in hexadecimal. */
  readonly manifestSha256?: string;
}

/** By the name of the tree, then by algorithm. */
export type Vectors = Readonly<Record<Tree["name"], Readonly<Record<string, Vector>>>>;

/** What `0install store verify` prints about a changed implementation, as lines. */
export interface Verification {
  readonly digest: string;
  readonly output: readonly string[];
}

/** By the name of the change, then by algorithm. */
export type Verifications = Readonly<
  Record<Change["name"], Readonly<Record<string, Verification>>>
>;

export function readVectors(): Vectors {
  return JSON.parse(Deno.readTextFileSync(new URL("manifests.json", import.meta.url)));
}

export function readVerifications(): Verifications {
  return JSON.parse(Deno.readTextFileSync(new URL("verifications.json", import.meta.url)));
}
