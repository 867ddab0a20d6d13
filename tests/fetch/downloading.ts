import { Download } from "../../lib/fetch/download.ts";
import type { DownloadLimit } from "../../lib/fetch/download_limit.ts";
import type { Staging } from "../../lib/store/staging.ts";

/** A download into a staging, that nobody hears of. */
export function downloadOf(staging: Staging, limit?: DownloadLimit): Download {
  return new Download(staging.digest, staging, {
    stores: [],
    compress: "never",
    limit,
    report: () => {},
    signal: new AbortController().signal,
    onShareable: () => {},
    onFrame: () => {},
  });
}
