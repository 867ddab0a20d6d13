/** Taking turns, so that whatever else the machine does hits all alike. */

export interface Turn<Outcome> {
  readonly name: string;
  run(): Promise<Outcome>;
}

/**
 * Each of `turns` runs `runs` times, one after the other, first to last and then last to first. A
 * round before that, not counted, warms caches. Gives the outcomes by turn, in the order of rounds.
 */
export async function takeTurns<Outcome>(
  turns: readonly Turn<Outcome>[],
  runs: number,
  options: { readonly warmUp?: boolean } = {},
): Promise<Outcome[][]> {
  const outcomes = turns.map((): Outcome[] => []);
  for (let round = options.warmUp ?? true ? -1 : 0; round < runs; round++) {
    const order = [...turns.keys()];
    if (round % 2 !== 0) order.reverse();
    for (const index of order) {
      const outcome = await turns[index]!.run();
      if (round >= 0) outcomes[index]!.push(outcome);
    }
  }
  return outcomes;
}
