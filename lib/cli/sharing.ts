import type { Offers, Search } from "../fetch/search/search.ts";
import type { Digest } from "../manifest/digest.ts";
import { networkInterfaces } from "../net/interfaces.ts";
import type { ServeEvent } from "../serve/events.ts";
import type { Server } from "../serve/server.ts";
import type { PieceFrame } from "../wire/piece_frame.ts";

export interface SharingOptions {
  /** The stores that downloads go to. */
  readonly stores: readonly string[];
  /** All that may be downloaded: nothing else is given to anyone. */
  readonly digests: readonly Digest[];
  readonly discoveryPort: number;
  /** In bytes per second. */
  readonly uploadLimit: number | undefined;
  readonly onEvent: (event: ServeEvent) => void;
  /** It cannot be done; fetching goes on without. */
  readonly onFailure: (reason: string) => void;
}

/**
 * Gives what this process is fetching to others that are getting the same: what is verified of it, as
 * long as the process runs. Who is heard to be getting the same is told to the search.
 */
export class Sharing implements AsyncDisposable {
  readonly #options: SharingOptions;
  readonly #listeners = new Map<Digest, Offers>();
  #server: Promise<Server | undefined> | undefined;
  #running: Server | undefined;

  constructor(options: SharingOptions) {
    this.#options = options;
  }

  /** From now on; the server is started for the first. */
  share(digest: Digest, search: Search): void {
    this.#listeners.set(digest, search.offers);
    void this.server().then((server) => {
      if (server !== undefined) search.announce({ port: server.port, id: server.id });
    });
  }

  /** Keeps a piece as it came, to give it on like that; does nothing while nothing is shared. */
  keep(digest: Digest, frame: PieceFrame): void {
    this.#running?.keep(digest, frame);
  }

  /** The server, which is started if it is not there yet; undefined if that cannot be. */
  server(): Promise<Server | undefined> {
    return this.#server ??= this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A failure was told when it happened.
    await (await this.#server)?.stop().catch(() => {});
  }

  async #start(): Promise<Server | undefined> {
    const { stores, digests, discoveryPort, uploadLimit, onFailure } = this.#options;
    const failed = (error: unknown) =>
      onFailure(error instanceof Error ? error.message : String(error));
    try {
      // Loaded only when there is something to share: most fetches are small.
      const { startServer } = await import("../serve/server.ts");
      const server = startServer({
        stores,
        port: 0,
        discoveryPort,
        allow: [],
        names: [],
        interfaces: networkInterfaces(),
        only: digests,
        uploadLimit,
      }, (event) => this.#take(event));
      server.finished.catch(failed);
      return this.#running = server;
    } catch (error) {
      failed(error);
      return undefined;
    }
  }

  #take(event: ServeEvent): void {
    this.#options.onEvent(event);
    if (event.kind !== "downloader") return;
    const { digest, id, peer } = event;
    this.#listeners.get(digest)?.add({ peer, digest, id, state: "partial" });
  }
}
