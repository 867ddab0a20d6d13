import type { Digest } from "../manifest/digest.ts";
import type { NetworkInterface } from "../net/interfaces.ts";
import { QuerySocket } from "../net/hear.ts";
import { randomHex } from "../wire/identifiers.ts";
import { SHUTDOWN_MS } from "../wire/limits.ts";
import type { PieceFrame } from "../wire/piece_frame.ts";
import { accessFor } from "./access.ts";
import { announce } from "./announcing.ts";
import { CompressedPieces } from "./compressed_pieces.ts";
import type { ReportServe } from "./events.ts";
import { Holdings } from "./holdings.ts";
import { answering } from "./http.ts";
import { listen } from "./listening.ts";
import { respond } from "./responder.ts";
import { UploadLimit } from "./upload_limit.ts";

/**
 * How long connections get, in milliseconds, to close after their answers were given up. What waits
 * to be sent to a reader that takes nothing keeps its connection open, and cannot be taken back.
 */
const BREAK_OFF_MS = 500;

/** Plain data: it crosses to a worker. */
export interface ServerOptions {
  /** Directories of implementations. */
  readonly stores: readonly string[];
  /** The TCP port; 0 for any. */
  readonly port: number;
  /** The UDP port. */
  readonly discoveryPort: number;
  /** Networks that are answered, in CIDR notation; none for the local network. */
  readonly allow: readonly string[];
  /** This machine's names, without suffix. */
  readonly names: readonly string[];
  /** The interfaces to hear queries on. */
  readonly interfaces: readonly NetworkInterface[];
  /** Whether to announce the store over multicast DNS. */
  readonly announce?: boolean | undefined;
  /** Serve these and nothing else of what the stores hold. */
  readonly only?: readonly Digest[] | undefined;
  /** What all answers together may take, in bytes per second; as much as there is by default. */
  readonly uploadLimit?: number | undefined;
}

/** A server that runs, maybe in another thread. */
export interface Serving {
  /** Tells it that interfaces have come or gone. */
  update(interfaces: readonly NetworkInterface[]): void;
  /**
   * Stops: no new requests, and running transfers get `SHUTDOWN_MS` to finish. A connection whose
   * reader takes nothing may be left to the end of the process, which breaks it off.
   */
  stop(): Promise<void>;
  /** Settles when it has stopped; rejects when it failed. */
  readonly finished: Promise<void>;
}

export interface Server extends Serving {
  /** Where it answers over HTTP. */
  readonly port: number;
  /** What it calls itself in its answers to queries. */
  readonly id: string;
  /** What this machine is downloading from its origin: who asks is told, as long as it is not here. */
  readonly pending: Set<Digest>;
  /** Keeps a verified piece of a download as the frame that it came as, to give it on like that. */
  keep(digest: Digest, frame: PieceFrame): void;
}

/**
 * Starts answering queries over UDP and requests over HTTP.
 *
 * @throws NetworkFailed when the TCP port cannot be listened on; without the UDP port it serves
 *   those who name this machine, and reports the trouble
 * @throws UsageError for a network that is none
 */
export function startServer(options: ServerOptions, report: ReportServe): Server {
  const access = accessFor(options.allow, options.names);
  const { only, uploadLimit } = options;
  const holdings = new Holdings(options.stores, report, { only });
  const abort = new AbortController();
  const stopping = new AbortController();
  const compressed = new CompressedPieces();
  const handler = answering(holdings, access, {
    report,
    signal: abort.signal,
    stopping: stopping.signal,
    compressed,
    limit: uploadLimit === undefined ? undefined : new UploadLimit(uploadLimit),
  });
  const listening = listen(options.port, handler, { report });
  const { port } = listening;
  const id = randomHex();
  const pending = new Set<Digest>();

  let socket: QuerySocket | undefined;
  let responding = Promise.resolve();
  try {
    socket = new QuerySocket(options.discoveryPort, options.interfaces);
    responding = respond(socket, { port, id }, holdings, access, pending, report);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    report({
      kind: "trouble",
      reason: `Cannot hear queries on UDP port ${options.discoveryPort}: ${reason}`,
    });
  }
  report({
    kind: "started",
    port,
    discoveryPort: socket === undefined ? undefined : options.discoveryPort,
    stores: options.stores,
  });

  const announcing = options.announce
    ? announce({ port, id, names: options.names, interfaces: options.interfaces, access }, report)
    : undefined;

  const finished = Promise.all([responding, listening.finished]).then(() => {});
  return {
    port,
    id,
    pending,
    keep: (digest, frame) => compressed.keep(digest, frame),
    finished,
    update(interfaces) {
      socket?.update(interfaces);
      announcing?.update(interfaces);
    },
    async stop() {
      socket?.[Symbol.dispose]();
      const goodbye = announcing?.stop();
      stopping.abort();
      const ended = listening.stop().then(() => finished);
      await goodbye;
      if (await within(SHUTDOWN_MS, ended)) return;
      abort.abort(new Error("the server was told to stop"));
      await within(BREAK_OFF_MS, ended);
    },
  };
}

/** Waits for something, but not longer than this; says whether it came. */
async function within(milliseconds: number, coming: Promise<void>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), milliseconds);
  try {
    return await Promise.race([coming.then(() => true), promise]);
  } finally {
    clearTimeout(timer);
  }
}
