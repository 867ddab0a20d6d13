import type { ServeEvent } from "../serve/events.ts";
import type { ServerOptions } from "../serve/server.ts";

/** What the supervising thread says to the serving one. */
export type ToWorker =
  | { kind: "start"; options: ServerOptions }
  | { kind: "interfaces"; interfaces: ServerOptions["interfaces"] }
  | { kind: "stop" };

/** What the serving thread says to the supervising one. */
export type FromWorker =
  | { kind: "ready" }
  | { kind: "events"; events: readonly ServeEvent[] }
  | { kind: "started" }
  | { kind: "failed"; name: string; message: string; hint: string | undefined }
  | { kind: "stopped" };
