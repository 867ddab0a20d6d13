/** Bytes `start` to `end`, exclusive, with `start < end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a `Range` header (RFC 9110, section 14.2) for a content of `size` bytes.
 *
 * @returns undefined when all of it is to be sent: no header, another unit, several ranges, or
 *   nothing that can be read; "unsatisfiable" when none of it is asked for: 416
 */
export function parseRange(
  header: string | null,
  size: number,
): ByteRange | "unsatisfiable" | undefined {
  const [, set] = /^bytes=([\d\-, \t]*)$/i.exec(header ?? "") ?? [];
  // A list may have empty elements (RFC 9110, section 5.6.1).
  const specs = set?.split(",").map((spec) => spec.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((spec) => spec !== "") ?? [];
  const [, first, last] = specs.length === 1 ? /^(\d*)-(\d*)$/.exec(specs[0]!) ?? [] : [];
  if (first === undefined || last === undefined || first + last === "") return undefined;
  if (first === "") {
    // The end of nothing would be a range without bytes, which Content-Range cannot say.
    if (Number(last) === 0) return "unsatisfiable";
    return size === 0 ? undefined : { start: Math.max(0, size - Number(last)), end: size };
  }
  const start = Number(first);
  const end = last === "" ? size : Number(last) + 1;
  if (last !== "" && Number(last) < start) return undefined;
  return start < size ? { start, end: Math.min(end, size) } : "unsatisfiable";
}

/** The `Content-Range` of a 206 that sends bytes `start` to `end`, exclusive, out of `size`. */
export function formatContentRange(start: number, end: number, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}

/** The `Content-Range` of a 416. */
export function formatUnsatisfiedRange(size: number): string {
  return `bytes */${size}`;
}
