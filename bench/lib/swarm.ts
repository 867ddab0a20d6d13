/** One way for many hosts to get a tree from one, when all of them start at the same moment. */

import type { Running } from "../../tests/e2e/lib/program.ts";
import type { Load } from "./loads.ts";
import type { Seat } from "./seats.ts";
import type { Gate } from "./gate.ts";

export interface Swarm {
  readonly name: string;
  /** Gets ready what all runs share: archives, for example. */
  prepare(load: Load): Promise<void>;
  /** Starts serving; it is ready when this returns, and ends when the network does. */
  seed(load: Load, seat: Seat): Promise<void>;
  /** A host that begins when the gate opens. `seed` is the address of who has it all. */
  join(load: Load, seat: Seat, gate: Gate, seed: Seat): Member;
}

export interface Member {
  /** Stays, perhaps, to go on sharing; the end of the network ends it. */
  readonly running: Running;
  /** When the tree is complete: the time as `performance.now` tells it. Rejects on failure. */
  readonly complete: Promise<number>;
  /** The tree, when it is complete. */
  readonly tree: string;
  /** All that the host has; removed at the end of a run. */
  readonly directory: string;
}
