import { MAX_TRANSFERS, MAX_TRANSFERS_PER_ADDRESS } from "../wire/limits.ts";

/** Counts the answers with a body that are under way, so that no address takes all of them. */
export class Transfers {
  #all = 0;
  readonly #byAddress = new Map<string, number>();

  /** Takes a place for this address; undefined when there is none. Call the result to give it back. */
  begin(address: string): (() => void) | undefined {
    const own = this.#byAddress.get(address) ?? 0;
    if (this.#all >= MAX_TRANSFERS || own >= MAX_TRANSFERS_PER_ADDRESS) return undefined;
    this.#all++;
    this.#byAddress.set(address, own + 1);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#all--;
      const left = this.#byAddress.get(address)! - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    };
  }
}
