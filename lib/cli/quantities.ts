const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** A number of bytes for a person: three significant digits, powers of 1,000. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  while (bytes >= 999.5 && unit < UNITS.length - 1) {
    bytes /= 1000;
    unit++;
  }
  const digits = unit === 0 || bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2;
  const text = bytes.toFixed(digits);
  return `${text} ${unit === 0 && text === "1" ? "byte" : UNITS[unit]}`;
}

/** A duration in seconds for a person, such as `7 s`, `3:05` or `2:00:09`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h === 0 ? `${m}:${two(s)}` : `${h}:${two(m)}:${two(s)}`;
}

/** `1 file`, `2 files`; thousands are set apart. */
export function count(n: number, noun: string): string {
  // The first toLocaleString() of a process takes 20 ms, a tenth of a short fetch.
  const digits = String(n).replace(/\B(?=(\d{3})+$)/g, ",");
  return `${digits} ${noun}${n === 1 ? "" : "s"}`;
}

/** Powers of 1,000, as formatBytes writes them, and of 1,024 where they say so. */
const MULTIPLES: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  ki: 1024,
  mi: 1024 ** 2,
  gi: 1024 ** 3,
};

/** Lower rates would make every peer give up waiting. */
const MIN_RATE = 1000;

/**
 * Reads a rate such as `500k`, `2M`, `1.5MB/s` or `800 KiB/s`.
 *
 * @returns bytes per second, a whole number of at least 1,000; undefined for everything else, bits
 *   among it: `Mb` and `Mbit`
 */
export function parseRate(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,9})?) ?(?:([kKmMgG]i?)B?|B)?(?:\/s)?$/.exec(text);
  if (match === null) return undefined;
  const [, number, multiple = ""] = match;
  const rate = Math.round(Number(number) * MULTIPLES[multiple.toLowerCase()]!);
  return rate >= MIN_RATE && Number.isSafeInteger(rate) ? rate : undefined;
}
