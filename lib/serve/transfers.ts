import { MAX_TRANSFERS, MAX_TRANSFERS_PER_ADDRESS } from "../wire/limits.ts";

/** Counts the answers of a kind that are under way, so that no address takes all places. */
export class Transfers {
  readonly #most: number;
  readonly #mostPerAddress: number;
  #all = 0;
  readonly #byAddress = new Map<string, number>();

  constructor(most = MAX_TRANSFERS, mostPerAddress = MAX_TRANSFERS_PER_ADDRESS) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  /** Takes a place for this address; undefined when there is none. Call the result to give it back. */
  begin(address: string): (() => void) | undefined {
    const own = this.#byAddress.get(address) ?? 0;
    if (this.#all >= this.#most || own >= this.#mostPerAddress) return undefined;
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
