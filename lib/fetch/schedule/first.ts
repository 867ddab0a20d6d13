/**
 * What to ask of complete peers first. Machines that start at once do not know of each other for a
 * moment: what each of them gets in it is to be something that the others lack.
 */
import type { Choice, Situation } from "./state.ts";

/** With fewer pieces for each seed, two would too often pick the same, and a span is hardly longer. */
const PIECES_EACH = 32;

/**
 * One piece of its choice from each seed, once, as long as no piece has come: the seed picks what it
 * has sent least. Undefined when there is nobody to ask that way.
 */
export function firstRequest(situation: Situation): Choice | undefined {
  const { full, peers, pieces, untouched } = situation;
  if (!untouched || full || pieces < PIECES_EACH * peers.size) return undefined;
  const peer = situation.idle("seeds").find(({ hasChosen }) => !hasChosen);
  if (peer === undefined) return undefined;
  const lacks = Uint8Array.from({ length: pieces }, (_, piece) => situation.isFree(piece) ? 1 : 0);
  // Others may have been asked for all of them already.
  if (!lacks.includes(1)) return undefined;
  return { peer, request: { kind: "any", lacks } };
}
