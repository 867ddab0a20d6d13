import type { Output } from "./output.ts";
import { formatBytes, formatDuration } from "./quantities.ts";

/** How often the bar is drawn, in milliseconds: often enough to look alive. */
const REDRAW_MS = 100;

/** How far back the rate looks, in milliseconds: it follows a change without flickering. */
const RATE_WINDOW_MS = 3000;

/** A progress bar on the terminal, for one or several downloads at once. */
export class ProgressBar implements Disposable {
  readonly #output: Output;
  readonly #downloads = new Map<string, { done: number; total: number; peers: number }>();
  readonly #samples: { at: number; done: number }[] = [];
  #drawn = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  /** @param now milliseconds of a clock that does not go back */
  update(
    digest: string,
    state: { done: number; total: number; peers: number },
    now: number = performance.now(),
  ): void {
    this.#downloads.set(digest, state);
    if (!this.#output.terminal || now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    const { done, total, peers } = this.#sum();
    this.#samples.push({ at: now, done });
    while (now - this.#samples[0]!.at > RATE_WINDOW_MS) this.#samples.shift();
    const { at, done: before } = this.#samples[0]!;
    // Less than before: a large file was wrong and comes again.
    const rate = now > at ? Math.max(0, done - before) / (now - at) * 1000 : 0;
    this.#output.bar(progressLine({ done, total, peers, rate }, this.#width()));
  }

  [Symbol.dispose](): void {
    this.#output.bar("");
  }

  #sum(): { done: number; total: number; peers: number } {
    const sum = { done: 0, total: 0, peers: 0 };
    for (const { done, total, peers } of this.#downloads.values()) {
      sum.done += done;
      sum.total += total;
      sum.peers = Math.max(sum.peers, peers);
    }
    return sum;
  }

  #width(): number {
    try {
      return Deno.consoleSize().columns;
    } catch {
      return 80;
    }
  }
}

/** One line: bar, share, bytes, rate (bytes per second), time left, peers; at most `width` columns. */
export function progressLine(
  state: { done: number; total: number; peers: number; rate: number },
  width: number,
): string {
  const { done, total, peers, rate } = state;
  const share = total === 0 ? 1 : done / total;
  const parts = [
    `${String(Math.floor(share * 100)).padStart(3)} %`,
    `${formatBytes(done)} of ${formatBytes(total)}`,
    `${formatBytes(rate)}/s`,
    rate > 0 ? `${formatDuration((total - done) / rate)} left` : "",
    `${peers} ${peers === 1 ? "peer" : "peers"}`,
  ].filter((part) => part !== "");
  const text = parts.join("  ");
  const room = Math.min(30, width - text.length - 4);
  if (room < 5) return text.slice(0, Math.max(0, width - 1));
  const full = Math.round(share * room);
  return `[${"#".repeat(full)}${"-".repeat(room - full)}] ${text}`;
}
