/**
 * The thread that serves, when it is not the main one: it may read the stores and use the network,
 * and nothing else.
 */
import { ShareError } from "../errors.ts";
import { type Server, startServer } from "../serve/server.ts";
import { tryForbidden } from "./confinement.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

const scope = self as unknown as {
  postMessage(message: FromWorker): void;
  onmessage: (event: MessageEvent<ToWorker>) => void;
  close(): void;
};

let server: Server | undefined;

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
    server = startServer(options, (event) => scope.postMessage({ kind: "event", event }));
    scope.postMessage({ kind: "event", event: { kind: "confined", possible } });
    scope.postMessage({ kind: "started" });
  } catch (error) {
    const failure = error instanceof Error ? error : new Error(String(error));
    const hint = error instanceof ShareError ? error.hint : undefined;
    scope.postMessage({ kind: "failed", name: failure.name, message: failure.message, hint });
    scope.close();
  }
}

scope.postMessage({ kind: "ready" });
