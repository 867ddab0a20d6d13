import type { FetchEvent } from "../fetch/events.ts";
import type { ServeEvent } from "../serve/events.ts";
import type { Output } from "./output.ts";
import { printable } from "./output.ts";
import { count, formatBytes } from "./quantities.ts";

/** Tells what a server does: in the words of 2008 where there were some, or as JSON lines. */
export function tellServe(output: Output, event: ServeEvent): void {
  const { kind, ...fields } = event;
  output.event(kind, fields);
  switch (event.kind) {
    case "started":
      output.info(`0share started and listening for requests on port ${event.port}...`);
      for (const store of event.stores) {
        output.info(`Serving implementations from store "${store}"`);
      }
      return;
    case "confined":
      output.detail("The serving thread can read the stores, use the network, and nothing else");
      return;
    case "announced":
      output.detail(`Announced as "${printable(event.name)}"`);
      return;
    case "query":
      output.info(`Request from ${event.from}: ${event.digests.join(" ")}`);
      return;
    case "have":
      output.info(`Yes, we have ${event.digest}`);
      return;
    case "partial":
      output.info(`We have some of ${event.digest}`);
      return;
    case "downloader": {
      const { address, port } = event.peer;
      output.detail(`${address} port ${port} is getting ${event.digest}, too`);
      return;
    }
    case "reply":
      output.info("Sending reply...");
      return;
    case "get":
      output.info(`${printable(event.method)} ${printable(event.path)} from ${event.from}`);
      return;
    case "answered":
      output.detail(`Answered ${event.from} with status ${event.status}`);
      return;
    case "sent":
      output.info(
        event.reason === undefined
          ? `Sent ${formatBytes(event.bytes)} of ${event.digest} to ${event.from}`
          : `Gave up sending ${event.digest} to ${event.from} after ${formatBytes(event.bytes)}: ${
            printable(event.reason)
          }`,
      );
      return;
    case "refused":
      output.info(`Refused ${event.from}: ${event.reason}`);
      return;
    case "damaged":
      output.warning(`${event.digest} is damaged and not served: ${printable(event.reason)}`);
      return;
    case "back":
      output.info(`${event.digest} verifies again and is served`);
      return;
    case "trouble":
      output.warning(printable(event.reason));
      return;
  }
}

/** Tells what a fetch does: in the words of 2008 where there were some, or as JSON lines. */
export function tellFetch(output: Output, event: FetchEvent): void {
  const { kind, ...fields } = event;
  output.event(kind, fields);
  switch (event.kind) {
    case "cached":
      output.info(`Already cached: ${event.digest}`);
      return;
    case "asking":
      if (event.how === "broadcast") {
        output.info(`Broadcasting query for ${event.digests.join(" ")} on local network...`);
      }
      return;
    case "trouble":
      output.warning(printable(event.reason));
      return;
    case "has":
      output.info(`${event.peer} has ${event.digest}`);
      return;
    case "connecting":
      output.info(`Connecting to ${event.peer} to request ${event.digest}`);
      return;
    case "waiting":
      output.info(`Waiting for another process that is fetching ${event.digest}`);
      return;
    case "planned":
      output.info(
        `Fetching ${formatBytes(event.missing)} of ${formatBytes(event.total)} in ${
          count(event.files, "file")
        }`,
      );
      return;
    case "progress":
      return;
    case "reused":
      output.info(
        `Took ${formatBytes(event.bytes)} in ${count(event.files, "file")} from this machine`,
      );
      return;
    case "unusable":
      output.detail(`Cannot use "${printable(event.path)}": ${printable(event.reason)}`);
      return;
    case "dropped":
      output.warning(printable(event.reason));
      return;
    case "caching":
      output.info(`Caching new implementation (digest ${event.digest})`);
      return;
    case "fetched":
      output.info("Success");
      return;
  }
}
