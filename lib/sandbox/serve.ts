import { NetworkFailed, ShareError, UsageError } from "../errors.ts";
import type { ReportServe } from "../serve/events.ts";
import { type ServerOptions, type Serving, startServer } from "../serve/server.ts";
import { forbiddenPowers, giveUpPowers } from "./confinement.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { pathsOfStore } from "./store_paths.ts";

/**
 * Starts a server that can read the stores, use the network, and do nothing else.
 *
 * When this process was started with no more than that, it serves itself. Otherwise the server
 * runs in a worker that has no more, and this thread gives up what it has: a mistake in the
 * server, or in the runtime under it, then finds nothing to misuse.
 *
 * @throws NetworkFailed when the port cannot be listened on
 */
export async function serveConfined(
  options: ServerOptions,
  report: ReportServe,
): Promise<Serving> {
  if (forbiddenPowers().length === 0) return startServer(options, report);
  const worker = new Worker(new URL("./serve_worker.ts", import.meta.url), {
    type: "module",
    name: "serve",
    deno: {
      permissions: {
        read: options.stores.flatMap(pathsOfStore),
        net: true,
        write: false,
        run: false,
        env: false,
        ffi: false,
        sys: false,
        import: false,
      },
    },
  });
  const tell = (message: ToWorker) => worker.postMessage(message);
  const started = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    switch (data.kind) {
      case "ready":
        // Not before: while the worker's modules are loaded, this thread's permissions count.
        giveUpPowers();
        tell({ kind: "start", options });
        break;
      case "events":
        data.events.forEach(report);
        break;
      case "started":
        started.resolve();
        break;
      case "failed":
        started.reject(revive(data));
        break;
      case "stopped":
        stopped.resolve();
        break;
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    const failure = new ShareError(`The server failed: ${event.message}`);
    started.reject(failure);
    stopped.reject(failure);
  };
  stopped.promise.catch(() => {});
  await started.promise;
  return {
    update: (interfaces) => tell({ kind: "interfaces", interfaces }),
    stop: async () => {
      tell({ kind: "stop" });
      await stopped.promise;
    },
    finished: stopped.promise,
  };
}

/** Classes that mean another exit code than ShareError, by the name that the worker sends. */
const CLASSES = new Map([NetworkFailed, UsageError].map((type) => [type.name, type]));

/** The error that the worker reported, as one of ours again: classes do not cross threads. */
function revive({ name, message, hint }: FromWorker & { kind: "failed" }): ShareError {
  return new (CLASSES.get(name) ?? ShareError)(message, { hint });
}
