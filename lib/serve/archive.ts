import type { Held } from "./holdings.ts";
export type Coding = "identity" | "gzip" | "zstd";
export function chooseCoding(_h: string | null): Coding {
  return "identity";
}
export class ArchiveSource {
  constructor(_h: Held, _c: Coding) {}
  static sizeOf(_h: Held, _c: Coding): number | undefined {
    return undefined;
  }
  next(): Uint8Array | undefined {
    throw new Error("not yet");
  }
  close() {}
}
