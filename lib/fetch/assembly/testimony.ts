import { createHash } from "node:crypto";
import type { Contribution, Partial } from "./partial.ts";

/** What somebody sent of a content that was wrong as a whole, by its hash. */
interface Testimony extends Contribution {
  readonly hash: string;
}

/** Fills `into` with what is at `within` of a content; false if that is not here. */
export type Read = (within: number, into: Uint8Array) => boolean;

const READ_SIZE = 1024 * 1024;

/** What each contributed to attempts at contents that went wrong, by extent. */
export class Testimonies {
  readonly #all = new Map<number, Testimony[]>();

  /** Keeps what each of several peers sent of a content. To be called before that is removed. */
  remember(index: number, partial: Partial): void {
    if (partial.contributors.size < 2) return;
    this.#all.set(index, [...this.#all.get(index) ?? [], ...testimoniesOf(partial)]);
  }

  /** A content is right: who had sent something else of it before? */
  liars(index: number, read: Read): Set<string> {
    const testimonies = this.#all.get(index);
    this.#all.delete(index);
    return testimonies === undefined ? new Set() : liarsAmong(testimonies, read);
  }
}

function testimoniesOf(partial: Partial): Testimony[] {
  return partial.contributions.flatMap((contribution) => {
    const hash = hashOf(contribution, (within, into) => partial.read(within, into));
    return hash === undefined ? [] : [{ ...contribution, hash }];
  });
}

/** Those who sent something else than what is right. */
function liarsAmong(testimonies: readonly Testimony[], read: Read): Set<string> {
  return new Set(
    testimonies.filter((testimony) => hashOf(testimony, read) !== testimony.hash)
      .map(({ from }) => from),
  );
}

function hashOf({ start, end }: Contribution, read: Read): string | undefined {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(Math.min(READ_SIZE, end - start));
  for (let at = start; at < end; at += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, end - at));
    if (!read(at, part)) return undefined;
    hash.update(part);
  }
  return hash.digest("hex");
}
