import { reasonOf } from "../store/errors.ts";
import type { OnUnreadable } from "../store/lookup.ts";
import { type Output, printable } from "./output.ts";

/** Warns of the stores that are there but cannot be read, once of each. */
export class UnreadableStores {
  readonly #output: Output;
  readonly #told = new Set<string>();

  constructor(output: Output) {
    this.#output = output;
  }

  /** Whether there was one so far. */
  get any(): boolean {
    return this.#told.size > 0;
  }

  /** What looks for implementations calls this. */
  readonly tell: OnUnreadable = (store, cause) => {
    if (this.#told.has(store)) return;
    this.#told.add(store);
    this.#output.warning(printable(`Cannot read the store "${store}": ${reasonOf(cause)}`));
  };
}
