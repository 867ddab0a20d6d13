import type { ByteRange } from "../../wire/range.ts";
import { without } from "./range_set.ts";

/** Some bytes of a piece that are here, and who sent them. */
interface Supply {
  readonly start: number;
  end: number;
  readonly from: string;
}

/** Who sent what is here, by piece: of a piece that several files share, each part may be another's. */
export class Suppliers {
  readonly #supplies = new Map<number, Supply[]>();

  /** Bytes of a piece came that were missing. */
  received(piece: number, start: number, end: number, from: string): void {
    const supplies = this.#supplies.get(piece);
    const last = supplies?.at(-1);
    if (last?.from === from && last.end === start) last.end = end;
    else if (supplies === undefined) this.#supplies.set(piece, [{ start, end, from }]);
    else supplies.push({ start, end, from });
  }

  /** Bytes of a piece are missing again. Says how many of whom. */
  lost(piece: number, start: number, end: number): Map<string, number> {
    const lost = new Map<string, number>();
    const left = (this.#supplies.get(piece) ?? []).flatMap((supply) => {
      const rest = without(supply, { start, end });
      const bytes = rest.reduce((sum, one) => sum - sizeOf(one), sizeOf(supply));
      if (bytes > 0) lost.set(supply.from, (lost.get(supply.from) ?? 0) + bytes);
      return rest;
    });
    this.#supplies.set(piece, left);
    return lost;
  }

  /** Who sent what is here of a piece, as far as it is within a range of the stream. */
  of(piece: number, within: ByteRange): Set<string> {
    const supplies = this.#supplies.get(piece) ?? [];
    return new Set(
      supplies.filter(({ start, end }) => start < within.end && end > within.start)
        .map(({ from }) => from),
    );
  }
}

function sizeOf({ start, end }: ByteRange): number {
  return end - start;
}
