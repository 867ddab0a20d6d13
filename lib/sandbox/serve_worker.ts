/**
 * The thread that serves, when it is not the main one: it may read the stores and use the network,
 * and nothing else.
 */
import { ShareError } from "../errors.ts";
import type { ServeEvent } from "../serve/events.ts";
import { type Server, startServer } from "../serve/server.ts";
import { tryForbidden } from "./confinement.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

const scope = self as unknown as {
  postMessage(message: FromWorker): void;
  onmessage: (event: MessageEvent<ToWorker>) => void;
  close(): void;
};

/** How long events gather, in milliseconds: waking another thread takes longer than answering. */
const GATHERING_MS = 50;

let server: Server | undefined;
let events: ServeEvent[] = [];
let gathering: ReturnType<typeof setTimeout> | undefined;

scope.onmessage = async ({ data }) => {
  switch (data.kind) {
    case "start":
      start(data);
      break;
    case "interfaces":
      server?.update(data.interfaces);
      break;
    case "stop":
      await server?.stop();
      tellEvents();
      scope.postMessage({ kind: "stopped" });
      scope.close();
      break;
  }
};

function start({ options }: ToWorker & { kind: "start" }): void {
  try {
    const possible = tryForbidden();
    if (possible.length > 0) {
      throw new ShareError(`Cannot serve: the serving thread could ${possible.join(", ")}`);
    }
    server = startServer(options, report);
    report({ kind: "confined", possible });
    tellEvents();
    scope.postMessage({ kind: "started" });
  } catch (error) {
    tellEvents();
    const failure = error instanceof Error ? error : new Error(String(error));
    const hint = error instanceof ShareError ? error.hint : undefined;
    scope.postMessage({ kind: "failed", name: failure.name, message: failure.message, hint });
    scope.close();
  }
}

function report(event: ServeEvent): void {
  events.push(event);
  gathering ??= setTimeout(tellEvents, GATHERING_MS);
}

function tellEvents(): void {
  clearTimeout(gathering);
  gathering = undefined;
  if (events.length > 0) scope.postMessage({ kind: "events", events });
  events = [];
}

scope.postMessage({ kind: "ready" });
