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
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
