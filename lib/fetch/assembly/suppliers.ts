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

  /** Bytes of a piece are missing again. */
  lost(piece: number, start: number, end: number): void {
    const left = (this.#supplies.get(piece) ?? []).flatMap((supply) =>
      [
        { ...supply, end: Math.min(supply.end, start) },
        { ...supply, start: Math.max(supply.start, end) },
      ].filter((rest) => rest.start < rest.end)
    );
    this.#supplies.set(piece, left);
  }

  /** Who sent what is here of a piece. */
  of(piece: number): Set<string> {
    return new Set((this.#supplies.get(piece) ?? []).map(({ from }) => from));
  }
}
