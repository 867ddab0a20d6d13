import { join } from "node:path";

import { type Program, start } from "../../tests/e2e/lib/program.ts";
import { LIMIT_MS } from "./processes.ts";
import type { Swarm } from "./swarm.ts";
import type { Workplace } from "./workplace.ts";
import { fetchArguments, fetcher, seed, type Variant } from "./zero_share.ts";

/**
 * So many hosts that start at once share the processors of one machine, so that the time after
 * which a fetch gives up, when nobody has answered, is not what it is on a machine of its own.
 */
const PATIENCE = ["--timeout", "10"];

/** The seed serves its store; the others fetch, and find each other by themselves. */
export function zeroShareSwarm(program: Program, variant: Variant, place: Workplace): Swarm {
  return {
    name: variant.name,
    prepare: () => Promise.resolve(),
    async seed(load, seat) {
      await seed(program, seat, load.store, place);
    },
    join(load, seat, gate) {
      const { directory, sandbox } = fetcher(place);
      const args = [...fetchArguments(load, { seat, variant }), ...PATIENCE];
      const running = start(program, args, {
        env: sandbox.env,
        prefix: [...seat.prefix, ...gate.prefix],
        limit: LIMIT_MS,
      });
      const complete = running.ended.then(({ code }) => {
        if (code !== 0) throw new Error(running.report());
        return performance.now();
      });
      return { running, complete, tree: join(sandbox.store, load.digest), directory };
    },
  };
}
