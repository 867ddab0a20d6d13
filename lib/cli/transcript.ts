import type { Contribution, FetchEvent } from "../fetch/events.ts";
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
    case "sending":
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
      output.info(
        event.state === "have"
          ? `${event.peer} has ${event.digest}`
          : `${event.peer} has ${event.digest} (${event.state})`,
      );
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
      if (event.passing) output.detail(printable(event.reason));
      else output.warning(printable(event.reason));
      return;
    case "summary":
      output.info(originsOf(event));
      return;
    case "caching":
      output.info(`Caching new implementation (digest ${event.digest})`);
      return;
    case "fetched":
      output.info("Success");
      return;
  }
}

/** Tells what a server does that runs beside a fetch: with --verbose, and to programs. */
export function tellSharing(output: Output, event: ServeEvent): void {
  const { kind, ...fields } = event;
  switch (event.kind) {
    case "started":
      output.event("sharing", fields);
      output.detail(`Sharing what is fetched on port ${event.port}`);
      return;
    case "downloader":
    case "sent":
    case "damaged":
    case "trouble":
      output.event(kind, fields);
      if (event.kind === "trouble") output.detail(printable(event.reason));
      if (event.kind === "sent") {
        output.detail(`Gave ${formatBytes(event.bytes)} of ${event.digest} to ${event.from}`);
      }
      return;
  }
}

type Summary = FetchEvent & { kind: "summary" };

/** How much came from where, in one line. */
function originsOf({ peers, resumed, reused }: Summary): string {
  const origins = [
    ...peers.filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes)
      .map(({ peer, bytes }) => `${formatBytes(bytes)} from ${peer}`),
    ...(reused > 0 ? [`${formatBytes(reused)} from other implementations here`] : []),
    ...(resumed > 0 ? [`${formatBytes(resumed)} from an earlier run`] : []),
  ];
  const shown = origins.slice(0, MAX_ORIGINS);
  const more = origins.length - shown.length;
  return `Got ${shown.join(", ") || "nothing"}${more > 0 ? `, and from ${more} more` : ""}`;
}

/** Longer lines are for `--explain`. */
const MAX_ORIGINS = 4;

/** Says of a fetch that is over what came from where, how fast, and what was wasted and why. */
export function explain(output: Output, summary: Summary): void {
  const { digest, peers, resumed, reused, seconds, total } = summary;
  if (output.json) return;
  const rate = (bytes: number, seconds: number) =>
    seconds > 0 ? `${formatBytes(bytes / seconds)}/s` : "at once";
  const line = (text: string) => output.explanation(`  ${text}`);
  output.explanation(`${digest}: ${formatBytes(total)} in ${seconds.toFixed(2)} s`);
  if (resumed > 0) line(`${formatBytes(resumed)} left by an earlier run, hashed again`);
  if (reused > 0) line(`${formatBytes(reused)} from other implementations on this machine`);
  for (const contribution of [...peers].sort((a, b) => b.bytes - a.bytes)) {
    line(contributionOf(contribution, rate));
    const { bytes, dropped, wasted, wire } = contribution;
    const along = wire < bytes ? ", in pieces that come as a whole," : "";
    if (wasted > 0) {
      line(`  of that ${formatBytes(wasted)} were here already${along} or did not verify`);
    }
    if (dropped !== undefined) line(`  given up: ${printable(dropped)}`);
  }
}

function contributionOf(
  { peer, bytes, wire, seconds, questions }: Contribution,
  rate: (bytes: number, seconds: number) => string,
): string {
  const compressed = wire < bytes ? `, ${formatBytes(wire)} on the wire` : "";
  return `${formatBytes(bytes)} from ${peer}${compressed}, ${rate(bytes, seconds)}, ${
    count(questions, "question")
  }`;
}
