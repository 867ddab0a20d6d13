/** What a benchmark says: a table on stderr for people, a line of JSON for each result on stdout. */

/** A line of JSON on stdout. */
export function result(kind: string, fields: Record<string, unknown>): void {
  write(Deno.stdout, JSON.stringify({ kind, ...fields }));
}

/** The first line of each benchmark: where it ran, and when. */
export function machine(fields: Record<string, unknown>): void {
  const { deno, v8 } = Deno.version;
  const cpu = /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1];
  result("machine", {
    date: new Date().toISOString(),
    cores: navigator.hardwareConcurrency,
    cpu,
    kernel: Deno.osRelease(),
    memory: Deno.systemMemoryInfo().total,
    deno,
    v8,
    ...fields,
  });
}

/** A table whose rows are shown as they come; a column is as wide as `widths` says, or its head. */
export class Table {
  #widths: readonly number[];

  constructor(heads: readonly string[], widths: readonly number[] = []) {
    this.#widths = heads.map((head, i) => Math.max(head.length, widths[i] ?? 0));
    this.row(...heads);
  }

  row(...cells: readonly string[]): void {
    const text = cells.map((cell, i) => cell.padEnd(this.#widths[i] ?? 12)).join("  ");
    write(Deno.stderr, text.trimEnd());
  }
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median with the range; empty where there is none. */
export function spread(values: readonly number[], digits = 2): string {
  if (values.length === 0) return "";
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

/** A figure in a table; empty where there is none. */
export function shown(value: number, digits = 2): string {
  return Number.isNaN(value) ? "" : value.toFixed(digits);
}

/** Bytes as megabytes. */
export function megabytes(bytes: number, digits = 0): string {
  return (bytes / 1e6).toFixed(digits);
}

function write(to: { writeSync(bytes: Uint8Array): number }, line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
}
