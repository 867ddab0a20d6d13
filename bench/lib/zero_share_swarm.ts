import { join } from "node:path";

import { type Program, start } from "../../tests/e2e/lib/program.ts";
import { LIMIT_MS } from "./processes.ts";
import type { Swarm } from "./swarm.ts";
import type { Workplace } from "./workplace.ts";
import { fetchArguments, fetcher, seed, type Variant } from "./zero_share.ts";

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
      const running = start(program, fetchArguments(load, { seat, variant }), {
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
