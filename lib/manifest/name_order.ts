/**
 * Compares two names by their UTF-8 bytes, as manifests are sorted: negative, 0 or positive.
 *
 * JavaScript compares UTF-16 units, which puts U+10000 and above (surrogates, 0xD800 to 0xDFFF)
 * before U+E000 to U+FFFF; everything else has the same order in both.
 */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const unitA = a.charCodeAt(index);
    const unitB = b.charCodeAt(index);
    if (unitA === unitB) continue;
    if (unitA >= 0xd800 && unitB >= 0xd800) {
      const surrogateA = unitA < 0xe000;
      if (surrogateA !== (unitB < 0xe000)) return surrogateA ? 1 : -1;
    }
    return unitA - unitB;
  }
  return a.length - b.length;
}
