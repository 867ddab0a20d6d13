import { Download } from "../../lib/fetch/download.ts";
import type { Staging } from "../../lib/store/staging.ts";

/** A download into a staging, that nobody hears of. */
export function downloadOf(staging: Staging): Download {
  return new Download(staging.digest, staging, {
    stores: [],
    compress: "never",
    limit: undefined,
    report: () => {},
    signal: new AbortController().signal,
    onShareable: () => {},
    onFrame: () => {},
  });
}
